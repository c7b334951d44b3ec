#pragma once

// The soak's messages in a channel of messages of any length: each is a soak::message and a tail, whose length and bytes
// follow from it. The workers see handles like those of channel<message>; a tail that does not fit makes a message torn.

#include <sluice/bytes.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "soak_ledger.hpp"

namespace soak {

inline constexpr std::uint64_t arena_bytes = 16 << 10;
inline constexpr std::uint64_t usual_tail = 3'000;
inline constexpr std::uint64_t longest = sizeof(message) + 7'000;

/// A third of them lie in their slots, a few take a large part of the arena.
inline std::uint64_t tail_bytes(const message& m) noexcept {
  const auto x = mix(m.checksum);
  return x % 3 == 0 ? 0 : x % 61 == 0 ? usual_tail + x % 4'000 : x % usual_tail;
}
inline std::byte tail_byte(const message& m, std::uint64_t i) noexcept {
  return static_cast<std::byte>(m.content[i % 5] >> (i & 7));
}

inline void put(std::span<std::byte> room, const message& m) noexcept {
  std::memcpy(room.data(), &m, sizeof m);
  for (std::uint64_t i = sizeof m; i < room.size(); ++i) room[i] = tail_byte(m, i);
}
inline std::vector<std::byte> whole(const message& m) {
  std::vector<std::byte> bytes(sizeof m + tail_bytes(m));
  put(bytes, m);
  return bytes;
}
/// What `bytes` say, or a message that is torn.
inline message message_in(std::span<const std::byte> bytes) noexcept {
  message m;
  poison(m);
  if (bytes.size() < sizeof m) return m;
  message found;
  std::memcpy(&found, bytes.data(), sizeof found);
  if (!is_whole(found) || bytes.size() != sizeof found + tail_bytes(found)) return m;
  for (std::uint64_t i = sizeof found; i < bytes.size(); ++i)
    if (bytes[i] != tail_byte(found, i)) return m;
  return found;
}

template <class Ring, class Wait>
class bytes_outlet {
  using handle = sluice::producer<sluice::bytes, Ring, Wait>;

 public:
  explicit bytes_outlet(handle out) : out_(std::move(out)) {}

  /// Claims room for the longest, because the length follows from what the message will be.
  class loan {
   public:
    explicit loan(typename handle::loan room) : room_(std::move(room)) {}
    explicit operator bool() const& noexcept { return static_cast<bool>(room_); }
    message& operator*() noexcept { return m_; }
    /// Whether it was: the ring may be full by now.
    bool publish() {
      const auto length = sizeof m_ + tail_bytes(m_);
      put(room_.bytes().first(length), m_);
      return room_.try_publish(length);
    }

   private:
    typename handle::loan room_;
    message m_;
  };
  loan try_claim() { return loan(out_.try_claim(longest)); }
  loan claim_for(std::chrono::microseconds at_most) { return loan(out_.claim_for(longest, at_most)); }

  class batch {
   public:
    explicit batch(typename handle::batch slots) : slots_(std::move(slots)) {}
    [[nodiscard]] std::uint64_t size() const noexcept { return slots_.size(); }
    message& operator[](std::uint64_t i) noexcept { return messages_[i]; }
    /// How many of the first `count` there was room for.
    std::uint64_t publish(std::uint64_t count) {
      for (std::uint64_t i = 0; i < count; ++i) {
        const auto length = sizeof(message) + tail_bytes(messages_[i]);
        const auto room = slots_.try_add(length + 50);
        if (room.data() == nullptr) break;
        put(room.first(length), messages_[i]);
        slots_.cut(length);
      }
      return slots_.publish();
    }

   private:
    typename handle::batch slots_;
    std::array<message, max_batch> messages_;
  };
  batch try_claim_batch(std::uint64_t count) { return batch(out_.try_claim_batch(count)); }

  bool try_send(const message& m) { return out_.try_send(whole(m)); }
  sluice::wait_result send_for(const message& m, std::chrono::microseconds at_most) {
    return out_.send_for(whole(m), at_most);
  }
  std::uint64_t try_send(std::span<const message> messages) {
    std::vector<std::vector<std::byte>> all;
    std::vector<std::span<const std::byte>> views;
    for (const auto& m : messages) all.push_back(whole(m));
    for (const auto& one : all) views.emplace_back(one);
    return out_.try_send(views);
  }

 private:
  handle out_;
};

template <class Ring, class Wait>
class bytes_inlet {
  using handle = sluice::consumer<sluice::bytes, Ring, Wait>;

 public:
  explicit bytes_inlet(handle in) : in_(std::move(in)) {}

  class loan {
   public:
    explicit loan(typename handle::loan slot) : slot_(std::move(slot)) {}
    explicit operator bool() const& noexcept { return static_cast<bool>(slot_); }
    /// As it is at this moment.
    message operator*() const noexcept { return message_in(slot_.bytes()); }
    [[nodiscard]] bool was_delivered_before() const noexcept { return slot_.was_delivered_before(); }
    void release() noexcept { slot_.release(); }
    void keep() noexcept { slot_.keep(); }

   private:
    typename handle::loan slot_;
  };
  loan try_peek() { return loan(in_.try_peek()); }
  loan peek_for(std::chrono::nanoseconds at_most) { return loan(in_.peek_for(at_most)); }
  [[nodiscard]] sluice::wait_result status() const noexcept { return in_.status(); }

  class batch {
   public:
    explicit batch(typename handle::batch slots) : slots_(std::move(slots)) {}
    [[nodiscard]] std::uint64_t size() const noexcept { return slots_.size(); }
    message operator[](std::uint64_t i) const { return message_in(slots_.bytes(i)); }
    [[nodiscard]] bool was_delivered_before(std::uint64_t i) const noexcept { return slots_.was_delivered_before(i); }
    void release(std::uint64_t count) noexcept { slots_.release(count); }

   private:
    typename handle::batch slots_;
  };
  batch try_peek_batch(std::uint64_t count) { return batch(in_.try_peek_batch(count)); }

  bool try_receive(message& m) {
    std::vector<std::byte> bytes;
    if (!in_.try_receive(bytes)) return false;
    m = message_in(bytes);
    return true;
  }
  std::optional<message> try_receive() {
    message m;
    return try_receive(m) ? std::optional(m) : std::nullopt;
  }
  std::uint64_t try_receive(std::span<message> into) {
    std::uint64_t count = 0;
    while (count < into.size() && try_receive(into[count])) ++count;
    return count;
  }

 private:
  handle in_;
};

template <class Channel>
inline constexpr bool has_any_length = false;
template <class Ring>
inline constexpr bool has_any_length<sluice::channel<sluice::bytes, Ring>> = true;

// ---- For the audit: messages that lie in their slots, and one that needs all of an arena ------------------------------

template <class Out>
bool send_short(Out& out, const message& m) {
  if constexpr (requires { out.max_message_bytes(); })
    return out.try_send(std::as_bytes(std::span(&m, 1)));
  else
    return out.try_send(m);
}
template <class In>
bool receive_short(In& in, message& m) {
  if constexpr (requires { in.max_message_bytes(); })
    return in.try_receive(std::as_writable_bytes(std::span(&m, 1))).has_value();
  else
    return in.try_receive(m);
}
/// The first of `in` that is to receive it is `from`; of a topic all of them do.
template <class Out, class In>
bool can_fill_its_arena(Out& out, std::vector<In>& in, std::size_t from, bool is_topic) {
  if constexpr (requires { out.max_message_bytes(); }) {
    std::vector<std::byte> all(out.max_message_bytes());
    if (!out.try_send(all)) return false;
    for (auto i = from; i < (is_topic ? in.size() : from + 1); ++i)
      if (!in[i].try_receive(all)) return false;
  }
  return true;
}

// ---- The same of channels of one size: as they are --------------------------------------------------------------------

template <class Ring, class Wait>
auto outlet(sluice::producer<message, Ring, Wait> out) {
  return out;
}
template <class Ring, class Wait>
auto outlet(sluice::producer<sluice::bytes, Ring, Wait> out) {
  return bytes_outlet<Ring, Wait>(std::move(out));
}
template <class Ring, class Wait>
auto inlet(sluice::consumer<message, Ring, Wait> in) {
  return in;
}
template <class Ring, class Wait>
auto inlet(sluice::consumer<sluice::bytes, Ring, Wait> in) {
  return bytes_inlet<Ring, Wait>(std::move(in));
}

/// Whether it was published, which a channel of messages of one size does not say.
template <class Loan>
bool publish(Loan& slot) {
  if constexpr (std::same_as<decltype(slot.publish()), bool>) {
    return slot.publish();
  } else {
    slot.publish();
    return true;
  }
}
template <class Batch>
std::uint64_t publish(Batch& slots, std::uint64_t count) {
  if constexpr (std::same_as<decltype(slots.publish(count)), std::uint64_t>) {
    return slots.publish(count);
  } else {
    slots.publish(count);
    return count;
  }
}

}  // namespace soak
