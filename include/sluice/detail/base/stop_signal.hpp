#pragma once

// How a wait is ended from outside, whatever kind of token says so. stop_token.hpp makes std::stop_token one of them;
// <stop_token> itself costs a program that includes channel.hpp as much as channel.hpp.

#include <cstddef>
#include <type_traits>

namespace sluice::detail {

/// What a request calls, in the thread that makes it.
struct stop_call {
  void (*function)(void* context) noexcept;
  void* context;
  void operator()() const noexcept { function(context); }
};

/// What a kind of token can do. `begin_watch` arranges, in the room given, that a request makes a call; false: a request
/// can never come. `end_watch` undoes it.
struct stop_ways {
  bool (*is_requested)(const void* token) noexcept;
  bool (*begin_watch)(const void* token, const stop_call& call, std::byte* room);
  void (*end_watch)(std::byte* room) noexcept;
};

/// Where stop_ways_of() of a token is looked for.
struct stop_tag {};

/// What may end a wait: nothing, or a std::stop_token, to which it refers. A parameter, not to be kept.
class stop_signal {
 public:
  stop_signal() noexcept = default;
  template <class Token>
  requires(!std::is_same_v<Token, stop_signal>) stop_signal(const Token& token)
  noexcept {
    static_assert(
        requires { stop_ways_of(stop_tag(), token); },
        "sluice: to end a wait by a std::stop_token, #include <sluice/stop_token.hpp>");
    token_ = &token;
    ways_ = &stop_ways_of(stop_tag(), token);
  }
  [[nodiscard]] bool is_requested() const noexcept { return ways_ != nullptr && ways_->is_requested(token_); }

 private:
  friend class stop_watch;
  const void* token_ = nullptr;
  const stop_ways* ways_ = nullptr;
};

/// RAII: for as long as it lives, a request makes `call`; one that came before makes it at once.
class stop_watch {
 public:
  stop_watch(const stop_signal& stop, const stop_call& call) {
    if (stop.ways_ != nullptr && stop.ways_->begin_watch(stop.token_, call, room_)) ways_ = stop.ways_;
  }
  stop_watch(const stop_watch&) = delete;
  stop_watch& operator=(const stop_watch&) = delete;
  ~stop_watch() {
    if (ways_ != nullptr) ways_->end_watch(room_);
  }
  static constexpr std::size_t room_bytes = 96;

 private:
  const stop_ways* ways_ = nullptr;
  alignas(std::max_align_t) std::byte room_[room_bytes];
};

}  // namespace sluice::detail
