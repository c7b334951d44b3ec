// From what a reset of the machine left of a durable channel to a whole one. The old file is read, never mapped, and only
// the hint that names the gate's holder is written: its pages may be of different moments, and its bytes are input. What is whole
// goes into a new file, which takes the name in one rename(2): a process that dies in here leaves the old one or the new one.
//
// Which messages are kept. A checksum is over sequence and message, so a slot whose word and checksum agree holds what was
// published as that sequence. Let `end` be one more than the newest of them: it was published into a slot that had to be
// free, so all below end - capacity was released. Nor is anything kept that a word on the disk says was released: these
// only ever go forward, so each was true at some time. All else that is whole is kept, in order. It may have been released
// as well, in a word that did not reach the disk: so all of it is marked as perhaps delivered before.

#include "registry/recover.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "layout/checksum.hpp"
#include "os/process.hpp"
#include "registry/boot.hpp"
#include "registry/building.hpp"
#include "sluice/base/clock.hpp"
#include "sluice/base/error.hpp"
#include "sluice/layout/durability.hpp"

namespace sluice {
namespace {

/// A slot of the old file, as its own word has it.
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
  old_ring(const detail::opened_file& opened, const segment_header& header, const ring_descriptor& ring)
      : opened_(opened),
        ring_(ring),
        creation_id_(header.creation_id),
        slot_(ring.payload_offset + ring.message_bytes) {
    view_.mask = ring.capacity_slots - 1;
    while (std::uint64_t{1} << view_.lap_bits < ring.capacity_slots) ++view_.lap_bits;
  }

  [[nodiscard]] bool is_spsc() const noexcept { return ring_.kind == static_cast<std::uint32_t>(ring_kind::spsc); }
  [[nodiscard]] std::uint64_t capacity() const noexcept { return view_.capacity(); }

  /// Reads a slot; message() is then its message.
  [[nodiscard]] found_slot look(std::uint64_t index) {
    std::fill(slot_.begin(), slot_.end(), std::byte{0});  // for what is missing of a file that is cut short meanwhile
    (void)os::read_at(opened_.file.get(), ring_.slots_offset + index * ring_.slot_stride_bytes, slot_, opened_.path);
    found_slot found;
    std::uint64_t checksum = 0;
    std::memcpy(&found.word, slot_.data(), sizeof found.word);
    std::memcpy(&checksum, slot_.data() + ring_.checksum_offset, sizeof checksum);
    found.sequence = (lap_of(found.word) << view_.lap_bits) + index;
    found.has_message = found.word == view_.word_for(found.sequence, slot_kind::published) ||
                        (!is_spsc() && kind_of(found.word) == slot_kind::taken);
    found.is_whole = found.has_message && checksum == slot_checksum(creation_id_, found.sequence, message());
    return found;
  }
  [[nodiscard]] std::span<const std::byte> message() const noexcept {
    return std::span(slot_).subspan(ring_.payload_offset);
  }

  [[nodiscard]] fate fate_of(std::uint64_t sequence) {
    const auto found = look(sequence & view_.mask);
    if (found.has_message && found.sequence == sequence) return found.is_whole ? fate::whole : fate::torn;
    // An mpmc consumer hands a slot back by a word of the next lap. An spsc consumer writes to none.
    const bool is_later = !is_spsc() && found.sequence > sequence;
    const bool is_hole = !is_spsc() && found.word == view_.word_for(sequence, slot_kind::hole);
    return is_later || is_hole ? fate::released : fate::absent;
  }

  /// Word `offset` of the control or the seats, as it reached the disk.
  [[nodiscard]] std::uint64_t word_at(std::uint64_t offset) const {
    std::uint64_t word = 0;
    (void)os::read_at(opened_.file.get(), offset, std::as_writable_bytes(std::span(&word, 1)), opened_.path);
    return word;
  }
  [[nodiscard]] std::uint64_t tail() const {
    return word_at(is_spsc() ? ring_.seats_offset + offsetof(seat, sequence)
                             : ring_.control_offset + offsetof(ring_control, tail));
  }
  /// Everything below was released, as far as one word can say.
  [[nodiscard]] std::uint64_t released() const {
    return is_spsc() ? word_at(ring_.seats_offset + ring_.producer_seats * sizeof(seat) + offsetof(seat, sequence)) : 0;
  }
  [[nodiscard]] bool is_closed() const {
    return (word_at(ring_.control_offset + offsetof(ring_control, mode)) >> 32 & 1) != 0;
  }

 private:
  const detail::opened_file& opened_;
  const ring_descriptor& ring_;
  std::uint64_t creation_id_;
  ring_view view_;  // for its arithmetic alone
  std::vector<std::byte> slot_;
};
static_assert(offsetof(ring_control, closed) == offsetof(ring_control, mode) + 4);

class new_ring {
 public:
  new_ring(const segment& memory, std::uint32_t index)
      : ring_(memory.header().rings[index]),
        creation_id_(memory.header().creation_id),
        view_(view_ring(memory.bytes(), ring_)) {}

  void append(std::span<const std::byte> message) {
    const auto checksum = slot_checksum(creation_id_, count_, message);
    std::memcpy(view_.payload(count_), message.data(), message.size());
    std::memcpy(view_.slot(count_) + ring_.checksum_offset, &checksum, sizeof checksum);
    view_.word(count_).store(view_.word_for(count_, slot_kind::published),
                             std::memory_order_relaxed);  // no other process yet
    ++count_;
  }

  /// As a consumer leaves it that had everything in its hands when it died: all will be delivered marked.
  void finish(const ring_recovery& found, bool is_closed) {
    auto& control = *view_.control;
    if (ring_.kind == static_cast<std::uint32_t>(ring_kind::spsc)) {
      view_.seats[0].sequence.store(count_, std::memory_order_relaxed);  // no other process yet, here and below
      view_.seats[view_.first_seat(role::consumer)].peeked.store(count_, std::memory_order_relaxed);
    } else {
      control.tail.store(count_, std::memory_order_relaxed);
    }
    control.closed.store(is_closed ? 1 : 0, std::memory_order_relaxed);
    control.recovered.store(count_, std::memory_order_relaxed);
    control.recovered_torn.store(found.torn, std::memory_order_relaxed);
    control.recovered_missing.store(found.missing, std::memory_order_relaxed);
    control.recovered_realtime_ns.store(realtime_now_ns(), std::memory_order_relaxed);
  }

 private:
  const ring_descriptor& ring_;
  std::uint64_t creation_id_;
  ring_view view_;
  std::uint64_t count_ = 0;
};

ring_recovery move_messages(old_ring& from, new_ring& into) {
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

  ring_recovery done;
  for (auto sequence = first; sequence < last; ++sequence) {
    switch (from.fate_of(sequence)) {
      case fate::whole:
        if (sequence >= end) break;  // no process was attached, so no correct one wrote it
        into.append(from.message());
        ++done.kept;
        break;
      case fate::absent: ++done.missing; break;
      case fate::torn:
      case fate::released: break;
    }
  }
  done.torn = static_cast<std::uint64_t>(std::count_if(torn.begin(), torn.end(), [&](auto s) { return s >= first; }));
  into.finish(done, from.is_closed());
  return done;
}

/// The same segment once more, empty.
segment_plan plan_of(const segment_header& header, const std::string& what) {
  std::vector<ring_request> requests;
  for (std::uint32_t i = 0; i < header.ring_count; ++i) {
    const auto& ring = header.rings[i];
    if (durability_of(ring).is_none())
      throw error(errc::wrong_kind,
                  what +
                      ": it was made without durability, so nothing tells its whole messages from torn ones, and none "
                      "can be kept; remove it (sluice clear) and create it anew");
    requests.push_back({{ring.type_name, ring.type_hash, ring.message_bytes, ring.message_alignment, ring.layout_hash},
                        {static_cast<ring_kind>(ring.kind), ring.capacity_slots, footprint::latency,
                         ring.producer_seats, ring.consumer_seats, durability_of(ring)}});
  }
  try {
    return plan_segment(requests);
  } catch (const error& problem) {
    throw error(errc::corrupted, what + ": its header describes what no version of sluice makes: " + problem.what());
  }
}

/// Gives the new file the old owner and group; otherwise recovery by root would lock the owner out.
void give_back(const detail::building& fresh, const detail::opened_file& old, const std::string& what) {
  try {
    fresh.give_to(old.facts.uid, old.facts.gid);
  } catch (const error& problem) {
    throw error(problem.reason(),
                what + ": it belongs to user " + std::to_string(old.facts.uid) + ", group " +
                    std::to_string(old.facts.gid) +
                    ", and is to stay theirs: recover it as that user, or as root: " + problem.what());
  }
}

recovery_report build_anew(const detail::opened_file& old, const segment_header& header, const segment_plan& plan,
                           int directory, const std::string& directory_path, const std::string& name,
                           const std::string& what) {
  const naming how{static_cast<lifetime>(header.lifetime), old.facts.mode, {}};
  detail::building fresh(directory, directory_path, name, plan, how, what);
  if (fresh.facts().uid != old.facts.uid || fresh.facts().gid != old.facts.gid) give_back(fresh, old, what);
  recovery_report report;
  for (std::uint32_t i = 0; i < header.ring_count; ++i) {
    old_ring from(old, header, header.rings[i]);
    new_ring into(fresh.memory(), i);
    report.rings.push_back(move_messages(from, into));
  }
  fresh.place_over();
  unlink_lock_file(directory, old);
  return report;
}

}  // namespace

void detail::require_recoverable(const segment_header& header, const opened_file& opened, const std::string& what) {
  if (is_durable(header)) return;
  throw error(
      errc::corrupted,
      what + (opened.is_copy() ? ": it is a copy of a segment" : ": the machine was started anew since it was made") +
          ", and it is not durable: nothing tells its whole "
          "messages from torn ones; remove it (sluice clear) and create it anew, with durability if its "
          "messages are to outlast a reset");
}

std::optional<recovery_report> detail::recover(int directory, const std::string& directory_path,
                                               const std::string& name, recover_if when, const std::string& what) {
  for (int i = 0; i < 1000; ++i) {
    const auto opened = open_name(directory, directory_path, name, true);
    if (!opened) throw error(errc::not_found, what + ": no " + directory_path + "/" + name);
    const auto gate = pass_gate(*opened, os::lock_mode::exclusive, what);
    if (!still_leads_to(directory, name, opened->facts)) continue;  // another process was quicker
    const auto header = checked_header(*opened, what);
    if (when == recover_if::of_another_boot && boot_of(header, *opened) != made_in::another_boot) return std::nullopt;
    const auto info = read_info(*opened, name);
    if (is_attached_by_anybody(*opened))
      throw error(errc::in_use, what + ": in use by " + who_uses(*opened, info) +
                                    "; what living processes see is whole: end them first if it is to be recovered");
    const auto plan = plan_of(header, what);
    const gate_note noted(*opened, info);
    return build_anew(*opened, header, plan, directory, directory_path, name, what);
  }
  throw error(errc::in_use, what + ": the name is removed and made anew faster than it can be looked at");
}

recovery_report registry::recover(const segment_name& name) const {
  const auto what = "recover \"" + name.str() + "\"";
  const auto directory = detail::open_registry(directory_, is_default_, false);
  if (!directory) throw error(errc::not_found, what + ": no " + directory_ + "/" + name.str());
  return *detail::recover(directory->get(), directory_, name.str(), detail::recover_if::asked, what);
}

}  // namespace sluice
