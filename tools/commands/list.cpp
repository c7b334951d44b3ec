// sluice list: every name of the registry on one line.

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <filesystem>

#include "commands/commands.hpp"
#include "describe.hpp"
#include "format.hpp"
#include "output.hpp"
#include "sluice/inspect.hpp"

namespace sluice::tools {
namespace {

constexpr std::size_t type_width = 28;

/// As --durability has it.
std::string durability_text(const durability& value) {
  switch (value.when) {
    case flush_when::kernel_decides: return "none";
    case flush_when::on_close: return "close";
    case flush_when::every: return value.messages == 1 ? "every" : std::to_string(value.messages);
  }
  return "?";
}

/// How many keys have a place, or how old the one value is.
std::string values_text(const ring_info& ring) {
  if (ring.value_form.key_bytes != 0) return std::to_string(ring.keys);
  return ring.values.empty() ? "no value" : age_text(ring.values[0]) + " old";
}

std::string fill_text(const ring_info& ring) {
  if (holds_values(static_cast<ring_kind>(ring.descriptor.kind)))
    return values_text(ring) + (ring.is_closed ? ", closed" : "");
  const auto capacity = ring.descriptor.slots.capacity_slots;
  if (ring.fill_slots == 0) return ring.is_closed ? "0 closed" : "0";
  return fmt::format("{} ({}%){}", ring.fill_slots, ring.fill_slots * 100 / capacity, ring.is_closed ? " closed" : "");
}

/// Of a topic: its publishers, and how the subscribers are doing. One that does not run is named.
std::string topic_text(const ring_info& ring) {
  std::string publishers, others;
  std::uint64_t count = 0, lossy = 0, behind = 0, lost = 0;
  for (const auto& seat : ring.seats) {
    if (!is_of_interest(seat)) continue;
    const auto named = participant_text(ring, seat);
    if (seat.role == role::producer) {
      publishers += (publishers.empty() ? "" : ", ") + named;
      continue;
    }
    if (seat.state != seat_state::taken || seat.alive != liveness::alive)
      others += (others.empty() ? "" : ", ") + named +
                (seat.subscription.empty() ? "" : fmt::format(", {} behind", seat.lag.value_or(0)));
    if (seat.state == seat_state::taken || seat.subscription.empty()) ++count;
    lossy += seat.is_lossy ? 1 : 0;
    behind = std::max(behind, seat.lag.value_or(0));
    lost = std::max(lost, seat.is_lossy ? seat.lost : 0);
  }
  auto text = publishers;
  const auto add = [&text](const std::string& more) { text += (text.empty() || more.empty() ? "" : ", ") + more; };
  if (count != 0)
    add(fmt::format("{} {}{}: up to {} behind{}", count, count == 1 ? "subscriber" : "subscribers",
                    lossy == 0 ? "" : fmt::format(" ({} lossy)", lossy), behind,
                    lossy == 0 ? "" : fmt::format(", up to {} lost", lost)));
  add(others);
  return text;
}

/// As participants_text(), and short.
std::string present_text(const segment_info& info) {
  std::string text;
  for (const auto& ring : info.rings) {
    const auto of_ring =
        is_topic(static_cast<ring_kind>(ring.descriptor.kind)) ? topic_text(ring) : participants_text(ring);
    text += (text.empty() || of_ring.empty() ? "" : ", ") + of_ring;
  }
  return text.empty() ? participants_text(info) : text;
}

void add_rows(table& rows, const segment_info& info) {
  for (std::size_t i = 0; i < info.rings.size(); ++i) {
    const auto& ring = info.rings[i];
    std::vector<std::string> row;
    if (i == 0)
      row = {info.name, to_string(info.state), to_string(static_cast<segment_kind>(info.header.kind))};
    else
      row = {"", "", ""};
    row.insert(row.end(),
               {to_string(static_cast<ring_kind>(ring.descriptor.kind)),
                shortened(printable(ring.type_name), type_width), std::to_string(ring.descriptor.slots.capacity_slots),
                fill_text(ring), durability_text(durability_of(ring.descriptor))});
    if (i == 0)
      row.insert(row.end(),
                 {size_text(info.header.asked_bytes), size_text(info.header.mapped_bytes),
                  size_text(info.resident_bytes), age_text(info.header.created_realtime_ns), present_text(info)});
    else
      row.insert(row.end(), 5, "");
    rows.add(std::move(row));
  }
}

void print(const std::vector<segment_info>& all) {
  table rows({{"NAME"},
              {"STATE"},
              {"KIND"},
              {"RING"},
              {"TYPE"},
              {"CAPACITY", true},
              {"FILL", true},
              {"DURABILITY"},
              {"ASKED", true},
              {"MAPPED", true},
              {"RESIDENT", true},
              {"AGE", true},
              {"PARTICIPANTS"}});
  table broken({{"NAME"}, {"STATE"}, {"LENGTH", true}, {"IN USE"}, {"PROBLEM"}});
  for (const auto& info : all) {
    if (info.state == segment_state::broken || info.rings.empty())  // or what a killed creator left
      broken.add({info.name, to_string(info.state), size_text(info.length_bytes), info.is_in_use ? "yes" : "no",
                  fmt::format("{}: {}", to_string(info.problem_code), info.problem)});
    else
      add_rows(rows, info);
  }
  if (!rows.is_empty()) print_lines(rows.text());
  if (!rows.is_empty() && !broken.is_empty()) print_line("");
  if (!broken.is_empty()) print_lines(broken.text());
}

exit_code run(const session& common) {
  const auto where = common.where();
  const auto all = where.list();
  if (common.json) {
    nlohmann::json segments = nlohmann::json::array();
    for (const auto& info : all) segments.push_back(to_json(info));
    print_json({{"directory", where.directory()}, {"segments", std::move(segments)}});
  } else if (all.empty()) {
    std::error_code ignored;
    print_line("no segments in {}{}", where.directory(),
               std::filesystem::exists(where.directory(), ignored) ? "" : " (there is no such directory yet)");
  } else {
    print(all);
  }
  return exit_code::done;
}

}  // namespace

runner add_list(CLI::App& app, const session& common) {
  app.footer(
      "States: live (a living process is attached), idle (no process is attached, and none died), dead\n"
      "(no process is attached, and one died or the channel is ephemeral: `sluice clear --dead` removes\n"
      "it), broken (see PROBLEM). ASKED is what the rings need, MAPPED the same in whole pages, RESIDENT\n"
      "what the file takes. FILL is what waits to be read; in a topic, how far the slowest lossless subscriber\n"
      "is behind; of a latest value how old it is, of a table how many keys it has. Reads only: no byte, seat or lock "
      "changes.");
  return [&common] { return run(common); };
}

}  // namespace sluice::tools
