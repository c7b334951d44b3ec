#include "sluice/detail/seat/process_mark.hpp"

#include "os/own_page.hpp"
#include "os/process.hpp"
#include "sluice/segment.hpp"

namespace sluice::detail {
namespace {

std::uint64_t value_in(std::atomic<std::uint64_t>& word) noexcept {
  auto value = word.load(std::memory_order_relaxed);  // only ever compared for equality
  if (value != 0) return value;
  const auto fresh = os::random_word() | 1;
  return word.compare_exchange_strong(value, fresh, std::memory_order_relaxed) ? fresh : value;
}

}  // namespace

process_mark process_mark::here() {
  auto& word = os::own().mark;
  return {&word, value_in(word)};
}

process_mark process_mark::nowhere() noexcept {
  static constinit const std::atomic<std::uint64_t> zero{0};
  return {&zero, 1};
}

process_mark process_mark::here(const segment& memory, const std::string& what) {
  auto* const word = memory.mark();
  if (word == nullptr) return here();
  const auto value = value_in(*word);
  memory.require_whole(what);  // after the word was filled: a loss before that is seen here, a later one empties it
  if (memory.is_lost()) word->store(0, std::memory_order_relaxed);  // compared for equality alone
  return {word, value};
}

}  // namespace sluice::detail
