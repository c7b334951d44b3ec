#pragma once

// Topics of messages of any length, as scenes drive a topic: messages of several lengths by turns, in arenas that are
// shorter than the slots, so that bytes are used again while the slots of their messages still stand.

#include <span>
#include <vector>

#include "crash/tracer_bytes.hpp"
#include "crash/tracer_topic.hpp"
#include "sluice/detail/part/topic/topic_bytes_ring.hpp"

namespace sluice::detail::test::tracer {

template <publishers Publishers, std::uint64_t Capacity>
class traced_topic_bytes : public topic_bytes_ring<Publishers> {
  using base = topic_bytes_ring<Publishers>;

 public:
  static constexpr publishers how_many = Publishers;
  static constexpr std::uint64_t inline_bytes = 48, arena_bytes = 512, longest = 440;
  static constexpr std::uint64_t lengths[] = {100, 40, 60, 24};

  static void shape(ring_request& request) {
    request.type = {"bytes", 0, 1, 1};
    request.options.inline_bytes = inline_bytes;
    request.options.capacity_bytes = arena_bytes;
  }
  static bytes_view view_of(const ring_view& ring) {
    static const auto part = [] {
      ring_request request{{}, {.kind = base::kind, .capacity_slots = Capacity}};
      request.options.consumer_seats = topic_subscribers;
      if (base::has_many_seats) request.options.producer_seats = 3;
      shape(request);
      return plan_segment(request).parts[0];
    }();
    return {ring, part};
  }
  static const std::byte* message_in(const ring_view& ring, const std::byte* payload) {
    return whole_or_torn(view_of(ring).message(payload));
  }
  /// One message by itself, which the cast knows of.
  template <class Cast>
  static bool send(Cast& all, std::uint32_t seat, std::uint64_t length) {
    const auto q = published_up_to<Publishers>(all.ring);  // no other process publishes
    const auto id = all.new_id(seat);
    if (!all.out[seat]->send(id, length)) return false;
    all.published[q] = id;
    return true;
  }

  class producer : public bytes_sender_of<base, Capacity> {
    using sender = bytes_sender_of<base, Capacity>;

   public:
    producer(const ring_view& ring, std::uint32_t seat_index) : sender(ring, view_of(ring), seat_index) {}

    /// A batch ends where the arena has no room.
    std::uint64_t try_claim(std::uint64_t count) {
      if (open_ != 0) return std::min(open_, count);
      const auto claimed = writer_.try_claim_batch(slots_, count);
      for (; open_ < claimed; ++open_) {
        rooms_[open_] = writer_.claim_room(slots_, open_, lengths[next_ % std::size(lengths)]);
        if (rooms_[open_].data() == nullptr) break;
        ++next_;
      }
      if (open_ == 0 && claimed != 0) writer_.publish_batch(slots_, 0, 0);
      return open_;
    }
    [[nodiscard]] sequence_run claimed_run(std::uint64_t count) const { return slots_.claimed_run(count); }
    bool mend(seat_keeper& keeper) { return slots_.mend(keeper); }

   private:
    using sender::next_, sender::open_, sender::rooms_, sender::slots_, sender::writer_;
  };

  class consumer : public base::consumer {
   public:
    template <class Wanted = history>
    consumer(const ring_view& ring, std::uint32_t seat_index, const Wanted& wanted = {})
        : base::consumer(ring, seat_index, wanted), ring_(ring) {}
    [[nodiscard]] const std::byte* peeked(std::uint64_t i) const {
      return message_in(ring_, base::consumer::peeked(i));
    }

   private:
    ring_view ring_;
  };

  class reader : public lossy_reader<Publishers> {
    using base_reader = lossy_reader<Publishers>;

   public:
    explicit reader(const ring_view& ring)
        : base_reader(ring, history::none(), resumes::at_oldest, messages_lie::in_arenas), ring_(ring) {}

    bool try_receive(std::byte* into) {
      while (this->try_peek()) {
        const auto found = view_of(ring_).message(this->peeked());
        if (!this->is_intact()) continue;
        std::vector<std::byte> copy(found.size());
        if (!this->copy(copy.data(), found)) continue;
        this->release();
        std::memcpy(into, whole_or_torn(copy), sizeof(message));
        return true;
      }
      return false;
    }

   private:
    ring_view ring_;
  };
};

}  // namespace sluice::detail::test::tracer
