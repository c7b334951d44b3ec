#include "sluice/stop_token.hpp"

#include <memory>
#include <new>

namespace sluice::detail {
namespace {

using callback = std::stop_callback<stop_call>;
static_assert(sizeof(callback) <= stop_watch::room_bytes && alignof(callback) <= alignof(std::max_align_t));

const std::stop_token& token_at(const void* token) noexcept { return *static_cast<const std::stop_token*>(token); }

bool is_requested(const void* token) noexcept { return token_at(token).stop_requested(); }

bool begin_watch(const void* token, const stop_call& call, std::byte* room) {
  if (!token_at(token).stop_possible()) return false;
  ::new (room) callback(token_at(token), call);
  return true;
}

void end_watch(std::byte* room) noexcept { std::destroy_at(std::launder(reinterpret_cast<callback*>(room))); }

}  // namespace

const stop_ways ways_of_stop_token{is_requested, begin_watch, end_watch};

}  // namespace sluice::detail
