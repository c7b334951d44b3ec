// The one table of kinds.

#include "part/part_kind.hpp"

namespace sluice::detail {

extern const part_kind spsc_part;
extern const part_kind mpmc_part;
extern const part_kind spsc_bytes_part;
extern const part_kind mpmc_bytes_part;
extern const part_kind topic_part;
extern const part_kind topic_many_part;
extern const part_kind topic_bytes_part;
extern const part_kind topic_many_bytes_part;
extern const part_kind latest_part;
extern const part_kind table_part;
extern const part_kind service_part;
extern const part_kind service_bytes_part;

namespace {

constexpr const part_kind* rows[] = {&spsc_part,   &mpmc_part,       &spsc_bytes_part,  &mpmc_bytes_part,
                                     &topic_part,  &topic_many_part, &topic_bytes_part, &topic_many_bytes_part,
                                     &latest_part, &table_part,      &service_part,     &service_bytes_part};

}  // namespace

std::span<const part_kind* const> part_kinds() noexcept { return rows; }

const part_kind* find_part_kind(std::uint32_t tag) noexcept {
  for (const auto* row : rows)
    if (static_cast<std::uint32_t>(row->tag) == tag) return row;
  return nullptr;
}

const part_kind& part_kind_of(ring_kind kind) noexcept {
  const auto* row = find_part_kind(static_cast<std::uint32_t>(kind));
  return row != nullptr ? *row : *rows[0];  // never null: validate_segment() refuses what is not in the table
}

const char* to_string(ring_kind kind) noexcept {
  const auto* row = find_part_kind(static_cast<std::uint32_t>(kind));
  return row != nullptr ? row->name : "unknown";
}

bool is_topic(ring_kind kind) noexcept {
  const auto* row = find_part_kind(static_cast<std::uint32_t>(kind));
  return row != nullptr && row->is_topic;
}

bool holds_values(ring_kind kind) noexcept {
  const auto* row = find_part_kind(static_cast<std::uint32_t>(kind));
  return row != nullptr && row->holds_values;
}

const char* role_name(ring_kind kind, role whose) noexcept {
  const auto* row = find_part_kind(static_cast<std::uint32_t>(kind));
  if (row == nullptr) return to_string(whose);
  return whose == role::producer ? row->producer_name : row->consumer_name;
}

std::vector<seat_report> report_seats(const seat_table& table, const ring_view& ring, ring_kind kind) {
  auto seats = table.report();
  for (auto& seat : seats) part_kind_of(kind).describe_seat(ring, seat);
  return seats;
}

}  // namespace sluice::detail
