#pragma once

// Both ends of a ring of messages of any length in a named segment, without handles: a producer that writes checksums
// where the ring is durable, and a consumer that mends.

#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "sluice/detail/part/bytes/bytes_ring.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/registry.hpp"
#include "support/header_bytes.hpp"

namespace sluice::detail::test {

using byte_vector = std::vector<std::byte>;

/// The slots of a producer, which writes the checksums of a durable ring.
template <class Ring>
class sealing_slots {
 public:
  sealing_slots(const ring_view& ring, const bytes_view& bytes, const segment_header& header, std::uint32_t seat_index)
      : slots_(ring, seat_index),
        bytes_(bytes),
        creation_id_(header.creation_id),
        is_durable_(header.parts[0].slots.checksum_offset != 0) {}

  std::uint64_t try_claim(std::uint64_t count) { return slots_.try_claim(count); }
  [[nodiscard]] std::byte* claimed(std::uint64_t i) const { return slots_.claimed(i); }
  void publish(std::uint64_t count) {
    const auto run = is_durable_ ? slots_.claimed_run(count) : sequence_run{};
    for (std::uint64_t i = 0; i < run.count; ++i) {
      const auto sum = slot_sum(creation_id_, run.first + i, bytes_.message(claimed(i)));
      std::memcpy(claimed(i) - sizeof sum, &sum, sizeof sum);
    }
    slots_.publish(count);
  }
  bool take_bytes_of(std::uint64_t sequence, std::uint64_t further) { return slots_.take_bytes_of(sequence, further); }
  void mend(seat_keeper& keeper) { (void)slots_.mend(keeper); }
  void leave() { slots_.leave(); }

 private:
  typename Ring::producer slots_;
  bytes_view bytes_;
  std::uint64_t creation_id_;
  bool is_durable_;
};

/// A segment with one such ring, as a process that attaches sees it.
template <class Ring>
struct bytes_segment {
  explicit bytes_segment(attached_segment found)
      : attached(std::move(found)),
        part(attached.memory().header().parts[0]),
        view(view_ring(attached.memory().bytes(), part)),
        bytes(view, part),
        table(attached.memory(), view, 0, attached.locks()) {}

  attached_segment attached;
  part_descriptor part;
  ring_view view;
  bytes_view bytes;
  seat_table table;
};

template <class Ring>
class bytes_sender {
 public:
  explicit bytes_sender(bytes_segment<Ring>& where)
      : where_(&where),
        seat_(where.table.take(role::producer, seat_rules_of<Ring>, "test")),
        slots_(where.view, where.bytes, where.attached.memory().header(), seat_.index()),
        writer_(where.view, where.bytes, seat_.index()) {}
  bytes_sender(const bytes_sender&) = delete;
  bytes_sender& operator=(const bytes_sender&) = delete;
  ~bytes_sender() { slots_.leave(); }

  bool send(std::span<const std::byte> message) { return writer_.try_send(slots_, message); }
  /// Of a topic: a dead subscriber keeps nothing any more.
  void mend() { slots_.mend(where_->table.keeper()); }

 private:
  bytes_segment<Ring>* where_;
  held_seat seat_;
  sealing_slots<Ring> slots_;
  bytes_writer<Ring, sealing_slots<Ring>> writer_;
};

template <class Ring>
class bytes_receiver {
 public:
  struct delivery {
    byte_vector message;
    bool was_delivered_before = false;
  };

  /// `how` is for the side itself, if it takes anything.
  template <class... How>
  explicit bytes_receiver(bytes_segment<Ring>& where, const How&... how)
      : where_(&where),
        seat_(where.table.take(role::consumer, seat_rules_of<Ring>, "test")),
        in_(where.view, seat_.index(), how...) {}
  bytes_receiver(const bytes_receiver&) = delete;
  bytes_receiver& operator=(const bytes_receiver&) = delete;
  ~bytes_receiver() { in_.leave(); }

  /// Peeks at up to `count` and keeps them.
  std::uint64_t hold(std::uint64_t count) { return in_.try_peek(count); }
  /// Nothing: the ring is empty, also after mending.
  std::optional<delivery> receive() {
    if (peek() == 0 && (!in_.mend(where_->table.keeper()) || peek() == 0)) return std::nullopt;
    const auto message = where_->bytes.message(in_.peeked(0));
    delivery got{{message.begin(), message.end()}, in_.was_delivered_before(0)};
    in_.release(1);
    return got;
  }

 private:
  std::uint64_t peek() {
    const auto found = in_.try_peek(1);
    if (in_.owes()) (void)in_.owed();
    return found;
  }

  bytes_segment<Ring>* where_;
  held_seat seat_;
  typename Ring::consumer in_;
};

}  // namespace sluice::detail::test
