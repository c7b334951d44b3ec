#include "part/snapshot.hpp"

#include <algorithm>
#include <cstring>

namespace sluice::detail {

slot_report part_snapshot::slot(std::uint64_t sequence) {
  slot_report slot;
  slot.sequence = sequence;
  const auto read = word_at(offset_of(sequence));
  if (!read) return slot;
  const auto word = *read;
  if (lap_of(word) != lap_of(ring_.word_for(sequence, slot_kind::free))) return slot;
  slot.kind = kind_of(word);
  slot.taken_seat = static_cast<std::uint32_t>((word & ((1U << lap_shift) - 1)) >> 2);
  return slot;
}

std::optional<std::uint64_t> part_snapshot::word_at(std::uint64_t offset) {
  if (offset < begin_ || offset + sizeof(std::uint64_t) > begin_ + run_.size()) read_from(offset);
  std::uint64_t word = 0;
  if (offset + sizeof word > begin_ + run_.size()) return std::nullopt;
  std::memcpy(&word, run_.data() + (offset - begin_), sizeof word);
  return word;
}

void part_snapshot::read_from(std::uint64_t offset) {
  constexpr std::uint64_t max_run_bytes = 64U << 10;
  constexpr std::uint64_t close_together = 512;  // further apart it is cheaper to read each word alone
  const auto end = part_.body_offset + ring_.capacity() * ring_.stride_bytes;
  run_.resize(ring_.stride_bytes > close_together ? sizeof(std::uint64_t) : std::min(max_run_bytes, end - offset));
  run_.resize(read_(offset, run_));
  begin_ = offset;
}

}  // namespace sluice::detail
