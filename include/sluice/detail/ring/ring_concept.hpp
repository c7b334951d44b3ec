#pragma once

// What every ring kind offers, and what it asks of the world. A ring is an algorithm over memory that is given to it: it
// makes no system call, takes no memory, waits for no process and throws nothing.

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/layout/ring_view.hpp"
#include "sluice/detail/ring/seat_keeper.hpp"

namespace sluice::detail {

/// A kind that keeps seats for subscriptions that outlive their subscribers.
template <class R>
concept has_subscriptions = requires {
  { R::subscriptions } -> std::convertible_to<subscription_rules>;
};
template <class Ring>
[[nodiscard]] constexpr const subscription_rules* subscription_rules_of() noexcept {
  if constexpr (has_subscriptions<Ring>)
    return &Ring::subscriptions;
  else
    return nullptr;
}

template <class Ring>
inline constexpr seat_rules seat_rules_of{Ring::settle,     Ring::holds_something,
                                          Ring::resumes_at, Ring::has_many_seats,
                                          Ring::kind,       subscription_rules_of<Ring>()};

/// What a ring's side owes the world after a call, because it may not do it itself.
struct ring_debt {
  std::uint64_t producers = 0;  // to be woken
  std::uint64_t consumers = 0;  // to be woken
};

/// Some sequences in a row.
struct sequence_run {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

/// A sequence that no ring reaches.
[[nodiscard]] constexpr std::uint64_t nothing_to_wait_for() noexcept { return ~std::uint64_t{0}; }

/// A kind whose consumers all wait for the same message: they sleep at one word of it, its bell (parking.hpp).
template <class R>
concept has_bell = requires(const ring_view& view) {
  { R::bell(view) } -> std::same_as<std::atomic<std::uint32_t>&>;
};

/// A ring kind: two sides, each used by one thread at a time, each made for a seat that its process holds.
template <class R>
concept ring = requires(const ring_view& view, std::uint32_t seat_index, seat_keeper& keeper, std::uint64_t count,
                        typename R::producer& producer, typename R::consumer& consumer, std::byte* message,
                        void (*seal)(std::byte*, std::uint64_t)) {
  { R::kind } -> std::convertible_to<ring_kind>;
  // Whether a death can stall the living, so that participants that wait must mend.
  { R::mends } -> std::convertible_to<bool>;
  // See seat_rules.
  { R::settle(view, seat_index, keeper) } -> std::same_as<bool>;
  { R::holds_something(view, seat_index) } -> std::same_as<bool>;
  { R::resumes_at(view, seat_index) } -> std::same_as<std::uint64_t>;
  { R::has_many_seats } -> std::convertible_to<bool>;

  // Whether the counters are such as correct participants leave them, at whatever moment one looks.
  { R::is_sane(view) } -> std::same_as<bool>;

  typename R::producer;
  requires std::constructible_from<typename R::producer, const ring_view&, std::uint32_t>;
  // Claims up to `count` slots; how many it got, 0 when full.
  { producer.try_claim(count) } -> std::same_as<std::uint64_t>;
  // After a claim: whether another producer may sleep although a further slot is free.
  { producer.must_pass_on_wake_up() } -> std::same_as<bool>;
  { producer.claimed(count) } -> std::same_as<std::byte*>;  // payload of the count-th claimed slot
  // Which sequences the first `count` of the claimed slots have; fewer when fewer are claimed.
  { producer.claimed_run(count) } -> std::same_as<sequence_run>;
  // Publishes the first `count` of the claimed slots and abandons the rest.
  { producer.publish(count) } -> std::same_as<void>;
  // Whether everything published so far was released.
  { producer.is_drained() } -> std::same_as<bool>;
  // The sequence behind all that was published so far, by any producer. mpmc: what is claimed lies below it as well.
  { producer.position() } -> std::same_as<std::uint64_t>;
  // The first sequence from `count` on that was not released, at most the second one; both at most position(), and not
  // further apart than the capacity.
  { producer.first_unreleased(count, count) } -> std::same_as<std::uint64_t>;
  // When it is full: the sequence of the oldest message, which must be released first.
  { producer.waits_for() } -> std::same_as<std::uint64_t>;
  // Leaves in order.
  { producer.leave() } -> std::same_as<void>;
  // Whether anything is claimed and not published.
  { producer.is_open() } -> std::same_as<bool>;
  // A second claim beside a single one. is_plain(): there is none, and try_claim() and publish() mean what is open, if
  // anything. Otherwise claims are made by claim_another(), while it has_room_for_another(), and end by settle_one(), each
  // by its message. It publishes or abandons that one, calls `seal` for each message before it becomes visible, and says
  // how many did.
  { producer.is_plain() } -> std::same_as<bool>;
  { producer.has_room_for_another() } -> std::same_as<bool>;
  { producer.claim_another() } -> std::same_as<std::byte*>;  // null: full
  { producer.settle_one(message, true, seal) } -> std::same_as<std::uint64_t>;

  typename R::consumer;
  requires std::constructible_from<typename R::consumer, const ring_view&, std::uint32_t>;
  // Up to `count` of the oldest messages; those peeked and not released come first. 0 when empty.
  { consumer.try_peek(count) } -> std::same_as<std::uint64_t>;
  { consumer.peeked(count) } -> std::same_as<const std::byte*>;    // payload of the count-th peeked message
  { consumer.was_delivered_before(count) } -> std::same_as<bool>;  // marked redelivered
  // When there is nothing to peek: the sequence that is claimed and not published; nothing_to_wait_for() when empty.
  { consumer.waits_for() } -> std::same_as<std::uint64_t>;
  // Hands the first `count` peeked slots back.
  { consumer.release(count) } -> std::same_as<void>;
  // When there is nothing to peek: whether nothing can come of what was begun: no claim of a living producer, no message
  // that another consumer, living or dead, has in its hands. Proves deaths where it must.
  { consumer.is_exhausted(keeper) } -> std::same_as<bool>;
  { consumer.is_exhausted(keeper, true) } -> std::same_as<bool>;  // the same, whatever other consumers hold
  // Something stalls: look for the dead and mend. True when it changed anything. Only consumers can: what stalls a
  // producer is an old message, and a consumer must get it.
  { consumer.mend(keeper) } -> std::same_as<bool>;
  // Whether anything is owed after a call: one look; then owed() pays it and tells which sleepers to wake.
  { consumer.owes() } -> std::same_as<bool>;
  { consumer.owed() } -> std::same_as<ring_debt>;
  { consumer.leave() } -> std::same_as<void>;
  // Whether anything is peeked and not released, and whether it is one message.
  { consumer.is_open() } -> std::same_as<bool>;
  { consumer.is_single() } -> std::same_as<bool>;
  // A second message beside a single one, likewise; of several that are peeked, the next.
  { consumer.is_plain() } -> std::same_as<bool>;
  { consumer.peek_another() } -> std::same_as<const std::byte*>;  // null: empty
  { consumer.was_delivered_before_one(message) } -> std::same_as<bool>;
  { consumer.release_one(message) } -> std::same_as<void>;
  // Whether a look would find anything, beside what is peeked or not. Changes nothing.
  { consumer.finds_something(true) } -> std::same_as<bool>;

  // How many messages were sent and not released, at about this moment.
  { R::size_approx(view) } -> std::same_as<std::uint64_t>;
};

}  // namespace sluice::detail
