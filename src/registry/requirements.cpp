#include "sluice/detail/registry/requirements.hpp"

#include "part/part_kind.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {
namespace {

bool is_met(const durability& asked, const durability& found) noexcept {
  switch (asked.when) {
    case flush_when::kernel_decides: return true;
    case flush_when::on_close: return !found.is_none();
    case flush_when::every: return found.when == flush_when::every && found.messages <= asked.messages;
  }
  return false;
}

std::string stalled_for(const topic_policy& policy) {
  if (policy.drop_stalled_after_ns == 0) return "never";
  return "after " + std::to_string(policy.drop_stalled_after_ns) + " ns";
}

}  // namespace

void require_keys(const value_policy& asked, const value_policy& found, const std::string& where) {
  if (asked.key_bytes == 0 || (asked.key_bytes == found.key_bytes && asked.key_hash == found.key_hash)) return;
  throw error(errc::wrong_type, where + ": its keys are of another type, of " + std::to_string(found.key_bytes) +
                                    " bytes and not " + std::to_string(asked.key_bytes) +
                                    ": build both sides from one definition");
}

void require_options(const segment_header& header, std::size_t index, const requirements& asked,
                     const std::string& where) {
  const auto& ring = header.parts[index];
  const auto refuse = [&](const std::string& wanted, const std::string& found) {
    throw error(errc::wrong_kind, where + ": it exists with " + found + ", and " + wanted +
                                      " was asked for; ask for what it has, or remove it (sluice clear) and create it "
                                      "anew");
  };
  const auto require_count = [&](std::uint64_t wanted, std::uint64_t found, const std::string& before,
                                 const std::string& of_what) {
    if (found < wanted)
      refuse(before + "at least " + std::to_string(wanted) + of_what, before + std::to_string(found) + of_what);
  };
  require_count(asked.capacity_slots, ring.slots.capacity_slots, "a capacity of ", " slots");
  require_count(asked.producer_seats, ring.producer_seats, "", " producer seats");
  require_count(asked.consumer_seats, ring.consumer_seats, "", " consumer seats");
  ring_options offered;
  part_kind_of(ring).recall(ring, offered);
  require_count(asked.capacity_bytes, offered.capacity_bytes, "a capacity of ", " bytes");
  require_count(asked.calls_in_flight, offered.replies.calls_in_flight, "", " calls in flight of a client");
  require_count(asked.reply_slots, offered.replies.reply_slots, "", " reply slots of a call");
  require_count(asked.reply_bytes, offered.replies.bytes, "replies of ", " bytes");
  if (asked.topic.drop_stalled_after_ns != 0 &&
      asked.topic.drop_stalled_after_ns != offered.topic.drop_stalled_after_ns)
    refuse("a topic that drops subscribers " + stalled_for(asked.topic),
           "one that drops them " + stalled_for(offered.topic));
  if (asked.topic.wakes_watchers && !offered.topic.wakes_watchers)
    refuse("a topic that wakes watchers", "one that does not");
  require_count(asked.values.slots_each, offered.values.slots_each, "", " slots for each value");
  require_keys(asked.values, offered.values, where);
  if (!is_met(asked.durability, durability_of(ring)))
    refuse("durability " + to_string(asked.durability), "durability " + to_string(durability_of(ring)));
}

}  // namespace sluice::detail
