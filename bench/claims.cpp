// bench_claims: three ways to find a claim's owner, which may be dead: an intent in the seat (the library's ring, used
// bare), the owner in the slot, a grace period by counters. What each costs while no participant dies, and how long a
// dead claim stays in the way. See docs/decisions/0011. One process; what crosses cores is bench_ping_pong's and
// bench_throughput's: --only ref:,sluice:mpmc.
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <vector>

#include "harness/clock.hpp"
#include "harness/link.hpp"
#include "harness/payload.hpp"
#include "harness/shared_pages.hpp"
#include "harness/statistics.hpp"
#include "reference/grace_counter_mpmc.hpp"
#include "reference/owner_slot_mpmc.hpp"
#include "reference/vyukov_mpmc.hpp"
#if __has_include("sluice/inspect.hpp")  // not in every version that one may compare with
#include "sluice/inspect.hpp"
#endif
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/ring.hpp"

using namespace sluice_bench;

namespace {

constexpr std::size_t ring_bytes = 64 << 10;
// The participants of a trial. As seats of a role for the library's ring, as numbers for the references.
constexpr std::uint32_t own_number = 1, dead_number = 3, slow_number = 4;

/// Seats whose owners die by hand: a death is known at once, so that only what follows it is timed.
class known_deaths final : public sluice::detail::seat_keeper {
 public:
  explicit known_deaths(const sluice::ring_view& ring) : ring_(ring) {}

  void sit(std::uint32_t seat_index) { ring_.seats[seat_index].state.store(taken, std::memory_order_relaxed); }
  void die(std::uint32_t seat_index) { dead_ = seat_index; }

  bool is_dead(std::uint32_t seat_index, std::uint64_t word) noexcept override {
    if (word != taken || seat_index != dead_) return sluice::detail::state_of(word) == sluice::seat_state::dead;
    ring_.seats[seat_index].state.store(dead, std::memory_order_relaxed);
    return true;
  }
  bool try_lock(std::uint32_t) noexcept override { return true; }
  void unlock(std::uint32_t) noexcept override {}
  void record(sluice::repair_kind, std::uint32_t, std::uint64_t, std::uint64_t) noexcept override {}

 private:
  static constexpr std::uint64_t taken = sluice::detail::seat_word(sluice::seat_state::taken, 1);
  static constexpr std::uint64_t dead = sluice::detail::seat_word(sluice::seat_state::dead, 1);
  sluice::ring_view ring_;
  std::uint32_t dead_ = ~0U;
};

/// The library's ring without channel, seat table and wake-ups: what the claim alone costs. 64 seats a role.
template <std::size_t message_bytes>
class bare_intent_ring {
 public:
  explicit bare_intent_ring(const link_options& options)
      : request_(request_for(options)),
        pages_(sluice::ring_memory_bytes(request_)),
        view_(sluice::view_memory({pages_.data(), sluice::ring_memory_bytes(request_)}, request_)),
        keeper_(view_),
        producer_(view_, seat_of(role::producer, own_number)),
        consumer_(view_, seat_of(role::consumer, own_number)) {}

  void join(role) {}

  template <class Fill>
  [[gnu::always_inline]] bool try_send(Fill&& fill) {
    if (producer_.try_claim(1) == 0) return false;
    fill(producer_.claimed(0));
    producer_.publish(1);
    return true;
  }
  template <class Read>
  [[gnu::always_inline]] bool try_receive(Read&& read) {
    if (consumer_.try_peek(1) == 0) return false;
    read(consumer_.peeked(0));
    consumer_.release(1);
    return true;
  }

  bool claim_as(role as, std::uint32_t number, std::uint64_t&) {
    keeper_.sit(seat_of(as, number));
    if (as == role::producer) return sluice::mpmc_ring::producer(view_, seat_of(as, number)).try_claim(1) != 0;
    slow_.emplace(view_, seat_of(as, number));
    return slow_->try_peek(1) != 0;
  }
  void release_as(std::uint32_t, std::uint64_t) { slow_->release(1); }

  template <class IsDead>
  bool try_mend(IsDead&&) {
    keeper_.die(seat_of(role::producer, dead_number));
    return consumer_.mend(keeper_);
  }

 private:
  [[nodiscard]] std::uint32_t seat_of(role as, std::uint32_t number) const noexcept {
    return number + (as == role::producer ? 0 : view_.producer_seats);
  }
  static sluice::ring_request request_for(const link_options& options) {
    sluice::ring_request request;
    request.type.name = "bench";
    request.type.message_bytes = message_bytes;
    request.type.message_alignment = 8;
    request.options.kind = sluice::ring_kind::mpmc;
    request.options.capacity_slots = slots_for(message_bytes + 8, options.ring_bytes);
    return request;
  }

  sluice::ring_request request_;
  shared_pages pages_;
  sluice::ring_view view_;
  known_deaths keeper_;
  sluice::mpmc_ring::producer producer_;
  sluice::mpmc_ring::consumer consumer_;
  std::optional<sluice::mpmc_ring::consumer> slow_;
};

// ---- What it costs while no participant dies ------------------------------------------------------------------------

template <class Ring, std::size_t message_bytes>
[[gnu::noinline]] double push_and_pop_ns(Ring& ring) {
  constexpr std::size_t pairs = 20'000;
  bool all_right = true;
  const std::uint64_t began = ticks();
  for (std::size_t i = 0; i < pairs; ++i) {
    all_right &= ring.try_send([&](std::byte* at) { fill_payload<message_bytes>(at, i); });
    all_right &= ring.try_receive([&](const std::byte* at) { all_right &= payload_is<message_bytes>(at, i); });
  }
  const std::uint64_t took = ticks() - began;
  if (!all_right) throw std::runtime_error("a message was lost or damaged");
  return static_cast<double>(took) * ns_per_tick() / static_cast<double>(pairs);
}

template <std::size_t message_bytes>
void print_pairs(int rounds) {
  vyukov_mpmc<message_bytes> vyukov({ring_bytes, 0, ""});
  bare_intent_ring<message_bytes> intent({ring_bytes, 0, ""});
  owner_slot_mpmc<message_bytes> owner({ring_bytes, 0, ""});
  grace_counter_mpmc<message_bytes> grace({ring_bytes, 0, ""});
  owner.join(role::producer);
  grace.join(role::producer);
  std::vector<double> base, by_intent, by_owner, by_grace;
  for (int round = 0; round < rounds; ++round) {
    base.push_back(push_and_pop_ns<decltype(vyukov), message_bytes>(vyukov));
    by_intent.push_back(push_and_pop_ns<decltype(intent), message_bytes>(intent) / base.back());
    by_owner.push_back(push_and_pop_ns<decltype(owner), message_bytes>(owner) / base.back());
    by_grace.push_back(push_and_pop_ns<decltype(grace), message_bytes>(grace) / base.back());
  }
  std::printf("push + pop, %2zu B: Vyukov %.2f ns; intent in the seat x %.2f, owner in the slot x %.2f, grace x %.2f\n",
              message_bytes, median(base), median(by_intent), median(by_owner), median(by_grace));
}

// ---- How long a dead claim stays in the way -------------------------------------------------------------------------

/// A producer dies with a claim, another publishes behind it. From the death being known to the message in hand, while
/// a third participant holds a message that it received earlier for `held_ns`.
template <template <std::size_t> class Ring>
double recovery_ns(std::uint64_t held_ns) {
  Ring<8> ring({ring_bytes, 0, ""});
  std::uint64_t held = 0, lost = 0;
  const auto send = [&](std::uint64_t i) {
    ring.join(role::producer);
    return ring.try_send([&](std::byte* at) { fill_payload<8>(at, i); });
  };
  const bool is_set_up = send(0) && (held_ns == 0 || ring.claim_as(role::consumer, slow_number, held)) &&
                         ring.claim_as(role::producer, dead_number, lost) && send(1);
  if (!is_set_up) throw std::runtime_error("the trial could not be set up");
  ring.join(role::consumer);
  if (held_ns == 0 && !ring.try_receive([](const std::byte*) {})) throw std::runtime_error("nothing came");
  bool is_right = false;
  const std::uint64_t began_ns = monotonic_ns(), began = ticks();
  while (!ring.try_receive([&](const std::byte* at) { is_right = payload_is<8>(at, 1); })) {
    (void)ring.try_mend([](std::uint64_t number) { return number == dead_number; });
    if (held_ns != 0 && monotonic_ns() - began_ns >= held_ns) {
      ring.release_as(slow_number, held);
      ring.join(role::consumer);
      held_ns = 0;
    }
  }
  const std::uint64_t took = ticks() - began;
  if (!is_right) throw std::runtime_error("the wrong message came");
  return static_cast<double>(took) * ns_per_tick();
}

template <template <std::size_t> class Ring>
void print_recovery(const char* what, int rounds) {
  std::vector<double> idle, held;
  for (int round = 0; round < rounds; ++round) idle.push_back(recovery_ns<Ring>(0));
  for (int round = 0; round < 7; ++round) held.push_back(recovery_ns<Ring>(20'000'000));
  std::printf("recovery, %-18s %8.2f us;  %8.2f us while a third holds a message for 20 ms\n", what, median(idle) / 1e3,
              median(held) / 1e3);
}

}  // namespace

int main() {
  (void)ns_per_tick();
  print_pairs<8>(101);
  print_pairs<64>(101);
  print_recovery<bare_intent_ring>("intent in the seat", 201);
  print_recovery<owner_slot_mpmc>("owner in the slot", 201);
  print_recovery<grace_counter_mpmc>("grace by counters", 201);
  return 0;
}
