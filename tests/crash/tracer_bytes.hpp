#pragma once

// Rings of messages of any length, as scenes drive a ring: claims get messages of several lengths by turns, short and
// long, and every byte of them follows from the message's id.

#include <stdexcept>

#include "crash/tracer_trial.hpp"
#include "sluice/detail/part/bytes/bytes_ring.hpp"

namespace sluice::detail::test::tracer {

/// Every byte of a message follows from its id.
[[nodiscard]] constexpr std::byte tail_of(std::uint64_t id, std::uint64_t i) noexcept {
  return static_cast<std::byte>((id * 0x9e3779b97f4a7c15ULL >> 32) * (i | 1));
}
inline void fill_tail(std::span<std::byte> bytes) {
  const auto id = read(bytes.data()).id;
  auto* const tail = const_cast<volatile std::byte*>(bytes.data());
  for (auto i = sizeof(message); i < bytes.size(); ++i) tail[i] = tail_of(id, i);
}
/// The message; of one that is torn anywhere, one that is torn at once.
[[nodiscard]] inline const std::byte* whole_or_torn(std::span<const std::byte> bytes) {
  static constexpr message torn{1, 1, 1};
  if (bytes.size() < sizeof(message)) return reinterpret_cast<const std::byte*>(&torn);
  const auto id = read(bytes.data()).id;
  for (auto i = sizeof(message); i < bytes.size(); ++i)
    if (bytes[i] != tail_of(id, i)) return reinterpret_cast<const std::byte*>(&torn);
  return bytes.data();
}

/// What producers of messages of any length have in common here; how a batch is claimed they know.
template <class Ring, std::uint64_t MaxBatch>
class bytes_sender_of {
 public:
  bytes_sender_of(const ring_view& ring, const bytes_view& bytes, std::uint32_t seat_index)
      : slots_(ring, seat_index), writer_(ring, bytes, seat_index) {}

  [[nodiscard]] std::byte* claimed(std::uint64_t i) const { return rooms_[i].data(); }
  void publish(std::uint64_t count) {
    count = std::min(count, open_);
    for (std::uint64_t i = 0; i < count; ++i) {
      fill_tail(rooms_[i]);
      writer_.finish_room(slots_, i, rooms_[i], rooms_[i].size());
    }
    writer_.publish_batch(slots_, count, count);
    open_ = 0;
  }

  /// One message by itself: put together before its slot is claimed, where others publish too. Claimed longer than it is.
  bool send(std::uint64_t id, std::uint64_t length, bool publishes = true) {
    const auto room = writer_.try_claim(slots_, length + 70);
    if (room.data() == nullptr) return false;
    fill(room.data(), id);
    fill_tail(room.first(length));
    if (publishes && writer_.publish(slots_, length)) return true;
    writer_.abandon(slots_);
    return false;
  }

  [[nodiscard]] bool is_drained() const { return slots_.is_drained(); }
  void leave() { slots_.leave(); }

 protected:
  typename Ring::producer slots_;
  bytes_writer<Ring> writer_;
  std::array<std::span<std::byte>, MaxBatch> rooms_{};
  std::uint64_t open_ = 0;
  std::uint64_t next_ = 0;
};

template <bytes_ring Base>
class traced_bytes : public Base {
 public:
  static constexpr std::uint64_t inline_bytes = 48;
  static constexpr std::uint64_t arena_bytes = 1024;  // four of the longest, wherever the circle begins
  static constexpr std::uint64_t lengths[] = {100, 40, 192, 24, 65, 128};

  static void shape(ring_request& request) {
    request.type = {"bytes", 0, 1, 1};
    request.options.inline_bytes = inline_bytes;
    request.options.capacity_bytes = arena_bytes;
  }
  static bytes_view view_of(const ring_view& ring) {
    static const auto part = [] {
      ring_request request{{}, {.kind = Base::kind, .capacity_slots = capacity}};
      if (Base::has_many_seats) request.options.producer_seats = request.options.consumer_seats = 3;
      shape(request);
      return plan_segment(request).parts[0];
    }();
    return {ring, part};
  }

  static const std::byte* message_in(const ring_view& ring, const std::byte* payload) {
    return whole_or_torn(view_of(ring).message(payload));
  }

  class producer : public bytes_sender_of<Base, capacity> {
    using sender = bytes_sender_of<Base, capacity>;

   public:
    producer(const ring_view& ring, std::uint32_t seat_index) : sender(ring, view_of(ring), seat_index) {}

    std::uint64_t try_claim(std::uint64_t count) {
      if (open_ != 0) return std::min(open_, count);
      const auto claimed = writer_.try_claim_batch(slots_, count);
      for (; open_ < claimed; ++open_) {
        rooms_[open_] = writer_.claim_room(slots_, open_, lengths[next_++ % std::size(lengths)]);
        if (rooms_[open_].data() == nullptr) throw std::logic_error("the arena is too small for the scene");
      }
      return open_;
    }

   private:
    using sender::next_, sender::open_, sender::rooms_, sender::slots_, sender::writer_;
  };

  class consumer : public Base::consumer {
   public:
    consumer(const ring_view& ring, std::uint32_t seat_index) : Base::consumer(ring, seat_index), ring_(ring) {}
    [[nodiscard]] const std::byte* peeked(std::uint64_t i) const {
      return message_in(ring_, Base::consumer::peeked(i));
    }

   private:
    ring_view ring_;
  };
};

}  // namespace sluice::detail::test::tracer
