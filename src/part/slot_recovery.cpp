#include "part/slot_recovery.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "layout/checksum.hpp"
#include "part/part_kind.hpp"
#include "sluice/detail/base/clock.hpp"

namespace sluice::detail {
namespace {

/// A slot of the old ring, as its own word has it.
struct found_slot {
  std::uint64_t word = 0;
  std::uint64_t sequence = 0;
  bool has_message = false;  // says its word
  bool is_whole = false;     // says the checksum too
};

/// What became of one sequence.
enum class fate { whole, torn, released, absent };

class old_ring {
 public:
  old_ring(const slot_recovery& kind, const old_slots& from)
      : kind_(kind),
        from_(from),
        ring_(from.ring),
        slot_(ring_.slots.payload_offset + part_kind_of(ring_).bytes_in_slot(ring_)) {
    view_.mask = ring_.slots.capacity_slots - 1;
    while (std::uint64_t{1} << view_.lap_bits < ring_.slots.capacity_slots) ++view_.lap_bits;
  }

  [[nodiscard]] std::uint64_t capacity() const noexcept { return view_.capacity(); }

  /// Reads a slot; message() is then its message.
  [[nodiscard]] found_slot look(std::uint64_t index) {
    std::fill(slot_.begin(), slot_.end(), std::byte{0});  // for what is missing of a file that is cut short meanwhile
    (void)from_.read(ring_.body_offset + index * ring_.slots.slot_stride_bytes, slot_);
    found_slot found;
    std::uint64_t checksum = 0;
    std::memcpy(&found.word, slot_.data(), sizeof found.word);
    std::memcpy(&checksum, slot_.data() + ring_.slots.checksum_offset, sizeof checksum);
    found.sequence = (lap_of(found.word) << view_.lap_bits) + index;
    found.has_message = found.word == view_.word_for(found.sequence, slot_kind::published) ||
                        (kind_.consumers_write_words && kind_of(found.word) == slot_kind::taken);
    message_ = found.has_message ? kind_.message(from_, payload(), room_) : std::nullopt;
    found.is_whole = message_ && checksum == slot_checksum(from_.creation_id, found.sequence, *message_);
    return found;
  }
  /// Of the slot that was looked at last.
  [[nodiscard]] std::span<const std::byte> payload() const noexcept {
    return std::span(slot_).subspan(ring_.slots.payload_offset);
  }
  [[nodiscard]] std::span<const std::byte> message() const noexcept { return *message_; }

  [[nodiscard]] fate fate_of(std::uint64_t sequence) {
    const auto found = look(sequence & view_.mask);
    if (found.has_message && found.sequence == sequence) return found.is_whole ? fate::whole : fate::torn;
    const bool is_later = kind_.has_later_words && found.sequence > sequence;
    const bool is_over = kind_.has_later_words && (found.word == view_.word_for(sequence, slot_kind::hole) ||
                                                   found.word == view_.word_for(sequence, slot_kind::taken));
    return is_later || is_over ? fate::released : fate::absent;
  }

  [[nodiscard]] std::uint64_t tail() const { return word_at(kind_.tail_offset(ring_)); }
  /// Everything below was released, as far as one word can say.
  [[nodiscard]] std::uint64_t released() const {
    return kind_.released_offset != nullptr ? word_at(kind_.released_offset(ring_)) : 0;
  }
  [[nodiscard]] bool is_closed() const {
    return says_closed(static_cast<std::uint32_t>(word_at(ring_.control_offset + offsetof(ring_control, mode)) >> 32));
  }

 private:
  /// A word of the control or the seats, as it reached the disk.
  [[nodiscard]] std::uint64_t word_at(std::uint64_t offset) const {
    std::uint64_t word = 0;
    (void)from_.read(offset, std::as_writable_bytes(std::span(&word, 1)));
    return word;
  }

  const slot_recovery& kind_;
  const old_slots& from_;
  const part_descriptor& ring_;
  ring_view view_;  // for its arithmetic alone
  std::vector<std::byte> slot_;
  std::vector<std::byte> room_;  // for what does not lie in it
  std::optional<std::span<const std::byte>> message_;
};
static_assert(offsetof(ring_control, closed) == offsetof(ring_control, mode) + 4);

class new_ring {
 public:
  new_ring(const slot_recovery& kind, const new_slots& into) : kind_(kind), into_(into) {}

  void append(std::span<const std::byte> old_payload, std::span<const std::byte> message) {
    const auto& view = into_.view;
    const auto checksum = slot_checksum(into_.creation_id, count_, message);
    kind_.put(into_, view.payload(count_), old_payload, message);
    std::memcpy(view.slot(count_) + into_.ring.slots.checksum_offset, &checksum, sizeof checksum);
    view.word(count_).store(view.word_for(count_, slot_kind::published),
                            std::memory_order_relaxed);  // no other process yet
    ++count_;
  }

  void finish(const slots_recovered& found, bool is_closed) {
    auto& control = *into_.view.control;
    kind_.fill(into_.view, count_);
    control.closed.store(is_closed ? 1 : 0, std::memory_order_relaxed);  // no other process yet, here and below
    control.recovered.store(count_, std::memory_order_relaxed);
    control.recovered_torn.store(found.torn, std::memory_order_relaxed);
    control.recovered_missing.store(found.missing, std::memory_order_relaxed);
    control.recovered_realtime_ns.store(realtime_now_ns(), std::memory_order_relaxed);
  }

 private:
  const slot_recovery& kind_;
  const new_slots& into_;
  std::uint64_t count_ = 0;
};

}  // namespace

std::optional<std::span<const std::byte>> message_in_slot(const old_slots&, std::span<const std::byte> payload,
                                                          std::vector<std::byte>&) {
  return payload;
}

void put_in_slot(const new_slots&, std::byte* payload, std::span<const std::byte>, std::span<const std::byte> message) {
  std::memcpy(payload, message.data(), message.size());
}

slots_recovered recover_slots(const slot_recovery& kind, const old_slots& from_slots, const new_slots& into_slots) {
  old_ring from(kind, from_slots);
  new_ring into(kind, into_slots);
  const auto capacity = from.capacity();
  // One look at every slot: where the whole messages end, and which ones are torn.
  std::vector<std::uint64_t> torn;
  std::optional<std::uint64_t> newest;
  for (std::uint64_t i = 0; i < capacity; ++i) {
    const auto found = from.look(i);
    if (found.is_whole) newest = std::max(newest.value_or(0), found.sequence);
    if (found.has_message && !found.is_whole) torn.push_back(found.sequence);
  }

  const auto tail = from.tail(), released = from.released();
  const auto end = newest ? *newest + 1 : tail;
  auto first = end - std::min(end, capacity);
  if (released > first && released - first <= 2 * capacity) first = released;
  // Messages that were published beyond the newest whole one; as many as there can be, whatever the word says.
  const auto last = tail > end && tail - end <= capacity ? tail : end;

  slots_recovered done;
  std::vector<std::uint64_t> kept;
  for (auto sequence = first; sequence < last; ++sequence) {
    switch (from.fate_of(sequence)) {
      case fate::whole:
        if (sequence >= end) break;  // no process was attached, so no correct one wrote it
        into.append(from.payload(), from.message());
        kept.push_back(sequence);
        break;
      case fate::absent: ++done.missing; break;
      case fate::torn:
      case fate::released: break;
    }
  }
  done.kept = kept.size();
  done.torn = static_cast<std::uint64_t>(std::count_if(torn.begin(), torn.end(), [&](auto s) { return s >= first; }));
  into.finish(done, from.is_closed());
  if (kind.keep_subscriptions != nullptr) kind.keep_subscriptions(from_slots, into_slots, kept);
  return done;
}

}  // namespace sluice::detail
