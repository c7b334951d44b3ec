// A topic as cold code sees it: sluice/part/topic/topic_ring.hpp says what its words mean.

#include <algorithm>
#include <span>
#include <string>

#include "part/bytes/bytes_part.hpp"
#include "part/part_kind.hpp"
#include "part/slot_form.hpp"
#include "part/slot_look.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/detail/part/topic/topic_bytes_ring.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {

extern const part_kind topic_part;
extern const part_kind topic_many_part;
extern const part_kind topic_bytes_part;
extern const part_kind topic_many_bytes_part;

namespace {

// Counts for people, and copies: nothing else is read on the word of these relaxed loads.

constexpr std::uint32_t many_seats = 64;
constexpr std::uint32_t max_topic_seats = 4096;

/// How far a subscriber is to be believed that keeps messages from there on.
std::uint64_t believed(std::uint64_t from, std::uint64_t tail, std::uint64_t capacity) noexcept {
  const auto oldest = tail - std::min(tail, capacity);
  return is_before(from, oldest) ? oldest : earlier_of(from, tail);
}

bool is_occupied(seat_state state) noexcept { return state == seat_state::taken || state == seat_state::dead; }

/// Head: where the slowest subscriber is that keeps messages. Without one no message waits.
template <publishers Publishers>
part_cursors cursors_of(const ring_view& ring) noexcept {
  const auto tail = published_up_to<Publishers>(ring);
  auto head = tail;
  for (auto s = ring.first_seat(role::consumer); s < ring.producer_seats + ring.consumer_seats; ++s) {
    const auto state = state_of(ring.seats[s].state.load(std::memory_order_relaxed));
    if (state != seat_state::taken && !is_named(topic_seat_of(ring, s))) continue;
    const auto keep = topic_seat_of(ring, s).keep.load(std::memory_order_relaxed);
    if (keeps_anything(keep)) head = earlier_of(head, believed(kept_near(keep, tail), tail, ring.capacity()));
  }
  return {tail, head};
}

/// A publisher has claimed; a subscriber that keeps messages has its hand on all of them.
template <publishers Publishers>
void describe_seat(const ring_view& ring, seat_report& report) {
  const auto& own = topic_seat_of(ring, report.index);
  const auto tail = published_up_to<Publishers>(ring);
  report.messages = own.messages.load(std::memory_order_relaxed);
  if (report.role == role::consumer) {
    report.lost = own.lost.load(std::memory_order_relaxed);
    report.subscription = subscription_of(own).text();
    if (!is_occupied(report.state) && report.subscription.empty()) return;
    const auto keep = own.keep.load(std::memory_order_relaxed);
    report.is_lossy = !keeps_anything(keep) && report.subscription.empty();
    report.was_dropped = keep == dropped_keep;
    const auto next = report.is_lossy        ? own.sequence.load(std::memory_order_relaxed)
                      : keeps_anything(keep) ? kept_near(keep, tail)
                                             : tail;  // no subscriber of this name has joined yet
    report.lag = is_before(next, tail) ? tail - next : 0;
    if (report.is_lossy) return;
    const auto from = believed(next, tail, ring.capacity());
    if (from != tail) report.claims.push_back({from, tail - from, !is_joining(keep)});
    return;
  }
  report.abandoned = own.abandoned.load(std::memory_order_relaxed);
  const auto intent = own.intent.load(std::memory_order_relaxed);
  if constexpr (Publishers == publishers::one) {
    report.messages = own.sequence.load(std::memory_order_relaxed);
    if (is_before(report.messages, intent))
      report.claims.push_back({report.messages, std::min(intent - report.messages, ring.capacity()), true});
  } else if (intent_count(intent) != 0) {
    report.claims.push_back({intent_first(intent, tail), intent_count(intent), intent_won(intent)});
  }
}

template <publishers Publishers>
std::vector<std::uint64_t> sequences_of_interest(const ring_view& ring) {
  std::vector<std::uint64_t> sequences;
  add_from_head_to_tail(sequences, cursors_of<Publishers>(ring), ring.capacity());
  return sequences;
}

/// A message stays until its slot is needed, or its bytes are: then it lies below a floor.
template <publishers Publishers, messages_lie Lie>
std::vector<std::uint64_t> sequences_still_there(const ring_view& ring) {
  std::vector<std::uint64_t> sequences;
  const auto tail = published_up_to<Publishers>(ring);
  auto from = tail - std::min(tail, ring.capacity());
  if (Lie == messages_lie::in_arenas) from = earlier_of(topic_repair::highest_floor(ring, from), tail);
  add_from_head_to_tail(sequences, {tail, from}, ring.capacity());
  return sequences;
}

bool still_waits(part_snapshot& ring, const part_facts& facts, role waiting, std::uint64_t sequence) {
  if (waiting == role::producer) return facts.tail - sequence == ring.ring().capacity();
  return is_before(sequence, facts.tail) && facts.tail - sequence <= ring.ring().capacity() &&
         ring.slot(sequence).kind == slot_kind::free;
}

/// Claims that no subscriber keeps: they lie before the head. They were claimed less than a lap ago, so a slot that is free is
/// one that was not filled.
void add_claims_before_head(part_snapshot& ring, part_facts& facts) {
  for (const auto& seat : ring.seats()) {
    if (seat.role != role::producer || !is_occupied(seat.state)) continue;
    for (const auto& claim : seat.claims)
      for (std::uint64_t i = 0; i < std::min(claim.count, ring.ring().capacity()); ++i) {
        const auto q = claim.first + i;
        if (!is_before(q, facts.head) || facts.tail - q > ring.ring().capacity()) continue;
        if (ring.slot(q).kind != slot_kind::free) continue;
        ++facts.claimed_slots;
        facts.holds.push_back({seat.index, q, 1, 0});
        for (auto& stall : facts.stalls) {
          if (stall.sequence != q) continue;
          stall.holder = seat.index;
          facts.holds.back().waited_for_since_realtime_ns = stall.since_realtime_ns;
        }
      }
  }
}

std::optional<std::uint32_t> no_other(const part_snapshot&, role) { return std::nullopt; }

template <publishers Publishers, auto StillWaits>
part_facts look(part_snapshot& ring, depth how_deep) {
  auto facts = look_at_slots(ring, {StillWaits, no_other}, how_deep);
  if (Publishers == publishers::many && how_deep == depth::slots) add_claims_before_head(ring, facts);
  return facts;
}

/// A publisher waits for a slot, or for bytes of its arena that a subscriber keeps.
bool still_waits_with_arenas(part_snapshot& ring, const part_facts& facts, role waiting, std::uint64_t sequence) {
  return still_waits(ring, facts, waiting, sequence) ||
         (!is_before(sequence, facts.head) && waits_for_its_arena(ring, waiting, sequence));
}

template <auto Form>
void form_topic(part_descriptor& part, const ring_options& options) {
  Form(part, options);
  set_topic_form(part, {options.topic.drop_stalled_after_ns, options.topic.wakes_watchers ? 1U : 0U});
}

template <auto AreSane>
bool is_sane_topic(const part_descriptor& part) noexcept {
  return AreSane(part) && topic_form_of(part).wakes_watchers <= 1;
}

template <auto Recall>
void recall_topic(const part_descriptor& part, ring_options& options) noexcept {
  Recall(part, options);
  const auto form = topic_form_of(part);
  options.topic = {form.drop_stalled_after_ns, form.wakes_watchers != 0};
}

struct topic_seat_copy {
  std::uint64_t sequence, floor, keep, intent, messages, lost, abandoned;
};
static_assert(sizeof(topic_seat_copy) == sizeof(topic_seat));

/// Where the word is that counts what was published, or claimed where many publish.
template <publishers Publishers>
std::uint64_t tail_offset(const part_descriptor& part) {
  if constexpr (Publishers == publishers::one)
    return part.seats_offset + offsetof(seat, own) + offsetof(topic_seat, sequence);
  return part.control_offset + sizeof(ring_control) + offsetof(topic_control, tail);
}

/// As history, for those that come.
template <publishers Publishers>
void fill_recovered(const ring_view& fresh, std::uint64_t count) noexcept {
  if constexpr (Publishers == publishers::one) {
    auto& publisher = topic_seat_of(fresh, 0);
    publisher.sequence.store(count, std::memory_order_relaxed);  // no other process yet, here and below
    publisher.intent.store(count, std::memory_order_relaxed);
  } else {
    topic_control_of(fresh).tail.store(count, std::memory_order_relaxed);
  }
}

/// A seat of the old ring, as it reached the disk.
topic_seat_copy subscriber_on_disk(const old_slots& from, std::uint32_t seat_index) {
  topic_seat_copy words;
  (void)from.read(from.ring.seats_offset + seat_index * sizeof(seat) + offsetof(seat, own),
                  std::as_writable_bytes(std::span(&words, 1)));
  return words;
}

/// A keep on the disk may be older than what was released, so all that it keeps may have been seen.
void keep_subscriptions(const old_slots& from, const new_slots& into, std::span<const std::uint64_t> kept) {
  const auto& ring = into.view;
  for (auto s = ring.first_seat(role::consumer); s < ring.producer_seats + ring.consumer_seats; ++s) {
    const auto words = subscriber_on_disk(from, s);
    const subscription_name name({words.floor, words.intent, words.abandoned});
    if (!name.is_legal()) continue;  // none, or torn
    auto& own = topic_seat_of(ring, s);
    set_subscription(own, name);
    ring.seats[s].state.store(seat_word(seat_state::free, 1),
                              std::memory_order_relaxed);  // no other process, here and below
    if (!keeps_anything(words.keep) || is_joining(words.keep)) continue;
    const auto near = kept.empty() ? words.keep >> 2 : kept.back();
    const auto is_below = [keep = kept_near(words.keep, near)](std::uint64_t q) { return is_before(q, keep); };
    const auto first =
        static_cast<std::uint64_t>(std::partition_point(kept.begin(), kept.end(), is_below) - kept.begin());
    own.keep.store(keep_word(first), std::memory_order_relaxed);
    own.sequence.store(kept.size(), std::memory_order_relaxed);
    topic_control_of(ring).keeping.fetch_or(keeping_bit(ring, s), std::memory_order_relaxed);
  }
}

template <publishers Publishers>
constexpr slot_recovery recovery{
    .consumers_write_words = false,
    .has_later_words = true,
    .tail_offset = tail_offset<Publishers>,
    .released_offset = nullptr,  // whatever is whole is there for those that come
    .fill = fill_recovered<Publishers>,
    .keep_subscriptions = keep_subscriptions,
};

template <publishers Publishers>
constexpr auto bytes_recovery = of_any_length(recovery<Publishers>);

template <publishers Publishers>
constexpr part_kind row{
    .tag = topic_ring<Publishers>::kind,
    .name = Publishers == publishers::one ? "topic" : "topic-many",
    .is_topic = true,
    .producer_name = "publisher",
    .consumer_name = "subscriber",
    .producers = Publishers == publishers::one ? seat_limits{1, 1} : seat_limits{many_seats, max_topic_seats},
    .consumers = {many_seats, max_topic_seats},
    .for_more = "topic-many",
    .control_bytes = sizeof(topic_control),
    .form = form_topic<form_slots>,
    .is_sane = is_sane_topic<are_sane_slots>,
    .recall = recall_topic<recall_slots>,
    .bytes_in_slot = [](const part_descriptor& part) noexcept { return part.message_bytes; },
    .message_at = message_in_slot,
    .cursors = cursors_of<Publishers>,
    .describe_seat = describe_seat<Publishers>,
    .sequences_of_interest = sequences_of_interest<Publishers>,
    .sequences_still_there = sequences_still_there<Publishers, messages_lie::in_slots>,
    .look = look<Publishers, still_waits>,
    .read_message = read_message_in_slot,
    .recovery = &recovery<Publishers>,
};

template <publishers Publishers>
constexpr part_kind row_of_any_length() noexcept {
  auto made = of_any_length(row<Publishers>, topic_bytes_ring<Publishers>::kind,
                            Publishers == publishers::one ? "topic-bytes" : "topic-many-bytes",
                            look<Publishers, still_waits_with_arenas>, bytes_recovery<Publishers>);
  made.for_more = "topic-many-bytes";
  made.sequences_still_there = sequences_still_there<Publishers, messages_lie::in_arenas>;
  made.form = form_topic<form_bytes>;
  made.is_sane = is_sane_topic<are_sane_bytes>;
  made.recall = recall_topic<recall_bytes>;
  return made;
}

}  // namespace

constinit const part_kind topic_part = row<publishers::one>;
constinit const part_kind topic_many_part = row<publishers::many>;
constinit const part_kind topic_bytes_part = row_of_any_length<publishers::one>();
constinit const part_kind topic_many_bytes_part = row_of_any_length<publishers::many>();

}  // namespace sluice::detail
