// Dies at every instruction of every operation at a topic.

#include <gtest/gtest.h>

#include "crash/tracer_topic.hpp"
#include "sluice/detail/base/clock.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

/// Publisher 0 has found the subscriber in seat `a` in its way, and drops it at its next tick.
template <class Cast>
act<Cast> stalled(std::uint32_t a, std::uint32_t sender, std::uint64_t capacity) {
  return [=](Cast& all) {
    leave_alone(all, a);
    all.construct_droppable(a, history::none());
    all.send(sender, capacity);
    all.out[0]->drop_stalled_after(1);
    told_keeper keeper(all.ring, all.dead);
    (void)all.out[0]->mend(keeper);
    for (const auto began = monotonic_coarse_ns(); monotonic_coarse_ns() == began;) continue;
  };
}
template <class Cast>
act<Cast> takes(std::uint32_t seat, std::uint64_t count) {
  return [=](Cast& all) {
    message m;
    for (std::uint64_t i = 0; i < count; ++i) (void)all.droppable[seat]->try_receive(reinterpret_cast<std::byte*>(&m));
  };
}

/// What is the same with one publisher and with many. `sender` is another publisher where there is another.
template <class Cast>
std::vector<topic_scene<Cast>> scenes_of(std::uint64_t capacity, std::uint32_t sender) {
  const auto a = Cast::subscriber_seat(0), b = Cast::subscriber_seat(1);
  const auto holding = [=](std::uint64_t count) { return [=](Cast& all) { all.send(sender, count); }; };
  const auto joins = [=](history wanted) {
    return [=](Cast& all) {
      all.construct(a, wanted);
      receives<Cast>(a, 2, 1)(all);
    };
  };
  const auto before_joining = [=](std::uint64_t count) {
    return [=](Cast& all) {
      all.in[a]->leave();
      all.in[a].reset();
      all.send(sender, count);
    };
  };
  const auto named_with = [=](std::uint64_t count) {
    return [=](Cast& all) {
      all.construct_named(a, history::none());
      all.send(sender, count);
    };
  };
  return {
      {"publish", 0, {}, sends<Cast>(0, 1, 1), 1},
      {"publish 3, one by one", 0, {}, sends_one_by_one<Cast>(0, 3), 3},
      {"publish a batch of 3", 0, {}, sends<Cast>(0, 3, 3), 3},
      {"publish into the last slot", 0, holding(capacity - 1), sends<Cast>(0, 1, 1), 1},
      {"a batch that does not fit", 0, holding(capacity - 2), sends<Cast>(0, 3, 3), 2},
      {"full", 0, holding(capacity), sends<Cast>(0, 1, 1)},
      {"abandon", 0, holding(1), sends<Cast>(0, 1, 0)},
      {"abandon 2 of 3", 0, {}, sends<Cast>(0, 3, 1), 1},
      {"publish where no subscriber is", 0,
       [=](Cast& all) {
         leave_alone(all, Cast::seats);
         all.send(sender, capacity);
       },
       sends<Cast>(0, 2, 2), 2},
      {"publish beside a slow subscriber", 0,
       [=](Cast& all) {
         all.send(sender, capacity - 1);
         all.in[b]->try_peek(1);
       },
       sends<Cast>(0, 1, 1), 1},
      {"is_drained, leave with an open claim", 0, [](Cast& all) { all.claim(0, 2); },
       [](Cast& all) {
         (void)all.out[0]->is_drained();
         all.out[0]->leave();
       }},
      {"mend where a subscriber died that keeps all", 0,
       [=](Cast& all) {
         all.send(sender, capacity);
         all.die(a);
       },
       [](Cast& all) {
         told_keeper keeper(all.ring, all.dead);
         (void)all.out[0]->mend(keeper);
       }},
      {"succeed and publish", 0,
       [=](Cast& all) {
         all.send(0, 2);
         all.die(0);
       },
       [](Cast& all) {
         told_keeper keeper(all.ring, all.dead);
         if (take_in_topic(all, 0, keeper)) sends<Cast>(0, 1, 1)(all);
       },
       1},
      {"succeed one that died with a batch", 0,
       [=](Cast& all) {
         all.claim(0, 2);
         all.die(0);
       },
       [](Cast& all) {
         told_keeper keeper(all.ring, all.dead);
         if (take_in_topic(all, 0, keeper)) sends<Cast>(0, 2, 2)(all);
       },
       2},
      {"peek", a, holding(2), receives<Cast>(a, 1, 0)},
      {"receive", a, holding(2), receives<Cast>(a, 1, 1)},
      {"receive a batch of 3", a, holding(3), receives<Cast>(a, 3, 3)},
      {"release 1 of 3", a, holding(capacity), receives<Cast>(a, 3, 1)},
      {"two messages, the younger released first", a, holding(3),
       [=](Cast& all) {
         auto& in = *all.in[a];
         if (in.try_peek(1) != 1) return;
         const auto* const older = in.peeked(0);
         const auto* const younger = in.peek_another();
         in.release_one(younger);
         in.release_one(older);
       }},
      {"leave", a, holding(2), [=](Cast& all) { all.in[a]->leave(); }},
      {"leave as the last one that keeps anything", a,
       [=](Cast& all) {
         leave_alone(all, a);
         all.send(sender, capacity);
       },
       [=](Cast& all) { all.in[a]->leave(); }},
      {"join for new messages", a, before_joining(2), joins(history::none())},
      {"join with history", a, before_joining(3), joins(history::last(2))},
      {"join with all there is", a, before_joining(capacity), joins(history::all())},
      {"join, with all there is, where no other keeps it", a,
       [=](Cast& all) {
         leave_alone(all, Cast::seats);
         all.send(sender, capacity + 1);
       },
       joins(history::all())},
      {"succeed a dead subscriber", a,
       [=](Cast& all) {
         all.send(sender, 3);
         all.die(a);
       },
       [=](Cast& all) {
         told_keeper keeper(all.ring, all.dead);
         if (take_in_topic(all, a, keeper)) receives<Cast>(a, 2, 2)(all);
       }},
      {"join by the name of a new subscription", a, before_joining(3),
       [=](Cast& all) {
         all.construct_named(a, history::last(2));
         receives<Cast>(a, 2, 1)(all);
       }},
      {"receive by name", a, named_with(3), receives<Cast>(a, 1, 1)},
      {"receive a batch by name, release 1 of 3", a, named_with(3), receives<Cast>(a, 3, 1)},
      {"leave a subscription", a, named_with(2), [=](Cast& all) { all.in[a]->leave(); }},
      {"end a subscription", a, named_with(capacity),
       [=](Cast& all) {
         all.in[a]->end_subscription();
         all.in[a]->leave();
       }},
      {"succeed in a subscription", a,
       [=](Cast& all) {
         named_with(3)(all);
         receives<Cast>(a, 2, 1)(all);
         all.die(a);
       },
       [=](Cast& all) {
         told_keeper keeper(all.ring, all.dead);
         if (take_in_topic(all, a, keeper)) receives<Cast>(a, 2, 1)(all);
       }},
      {"succeed in a subscription whose first subscriber died while it joined", a,
       [=](Cast& all) {
         before_joining(3)(all);
         set_subscription(topic_seat_of(all.ring, a), subscription_name("name"));
         topic_control_of(all.ring).keeping |= keeping_bit(all.ring, a);
         topic_seat_of(all.ring, a).keep = keep_word(claimed_up_to<Cast::rules::how_many>(all.ring) - capacity, true);
         all.die(a);
       },
       [=](Cast& all) {
         told_keeper keeper(all.ring, all.dead);
         if (take_in_topic(all, a, keeper, history::last(2))) receives<Cast>(a, 1, 1)(all);
       }},
      {"publish beside a subscription without a process", 0,
       [=](Cast& all) {
         named_with(capacity - 1)(all);
         all.die(a);
       },
       [](Cast& all) {
         told_keeper keeper(all.ring, all.dead);
         sends_one_by_one<Cast>(0, 2)(all);
         (void)all.out[0]->mend(keeper);
         sends<Cast>(0, 1, 1)(all);
       },
       1},
      {"drop a stalled subscriber and publish", 0, stalled<Cast>(a, sender, capacity),
       [](Cast& all) {
         told_keeper keeper(all.ring, all.dead);
         (void)all.out[0]->mend(keeper);
         sends<Cast>(0, 1, 1)(all);
       },
       1},
      {"receive as one that may be dropped", a,
       [=](Cast& all) {
         all.construct_droppable(a, history::none());
         all.send(sender, 2);
       },
       takes<Cast>(a, 2)},
      {"receive as one that was dropped", a,
       [=](Cast& all) {
         stalled<Cast>(a, sender, capacity)(all);
         told_keeper keeper(all.ring, all.dead);
         (void)all.out[0]->mend(keeper);
         all.send(0, 2);
       },
       takes<Cast>(a, capacity + 2)},
      {"join as one that may be dropped", a, before_joining(2),
       [=](Cast& all) {
         all.construct_droppable(a, history::all());
         takes<Cast>(a, 1)(all);
       }},
      {"leave as one that may be dropped", a,
       [=](Cast& all) {
         all.construct_droppable(a, history::none());
         all.send(sender, 2);
       },
       [=](Cast& all) { all.droppable[a]->leave(); }},
  };
}

template <std::uint64_t Capacity>
void trace_one() {
  topic_workbench<traced_topic<publishers::one>, Capacity> bench;
  bench.expect_kept(scenes_of<topic_cast<traced_topic<publishers::one>, Capacity>>(Capacity, 0));
}

template <std::uint64_t Capacity>
void trace_many() {
  using cast_type = topic_cast<traced_topic<publishers::many>, Capacity>;
  topic_workbench<traced_topic<publishers::many>, Capacity> bench;
  auto scenes = scenes_of<cast_type>(Capacity, 2);
  const auto a = cast_type::subscriber_seat(0);
  const auto mends = [=](cast_type& all) {
    told_keeper keeper(all.ring, all.dead);
    (void)all.in[a]->mend(keeper);
    receives<cast_type>(a, 1, 1)(all);
  };
  const auto dies_with = [](std::uint32_t seat, std::uint64_t count) {
    return [=](cast_type& all) {
      all.claim(seat, count);
      all.die(seat);
    };
  };
  scenes.push_back({"publish behind a dead one's claim", 0, dies_with(1, 1), sends<cast_type>(0, 2, 2), 2});
  scenes.push_back({"mend a dead one's claim", a,
                    [=](cast_type& all) {
                      dies_with(1, 2)(all);
                      all.send(2, 1);
                    },
                    mends});
  scenes.push_back({"mend the claims of two dead neighbours", a,
                    [=](cast_type& all) {
                      dies_with(0, 1)(all);
                      dies_with(1, 2)(all);
                    },
                    mends});
  scenes.push_back({"a publisher mends where it is needed a lap later", 0,
                    [=](cast_type& all) {
                      dies_with(1, 1)(all);
                      all.send(2, Capacity - 1);
                      leave_alone(all, cast_type::seats);
                    },
                    [](cast_type& all) {
                      told_keeper keeper(all.ring, all.dead);
                      (void)all.out[0]->mend(keeper);
                      sends<cast_type>(0, 1, 1)(all);
                    },
                    1});
  scenes.push_back({"claim beside a dead neighbour", 0,
                    [=](cast_type& all) {
                      dies_with(1, 1)(all);
                      dies_with(2, 1)(all);
                    },
                    sends<cast_type>(0, 1, 1), 1});
  scenes.push_back({"step over holes", a,
                    [=](cast_type& all) {
                      all.claim(1, 2);
                      all.out[1]->publish(0);
                      all.send(2, 1);
                    },
                    receives<cast_type>(a, 2, 2)});
  bench.expect_kept(scenes);
}

TEST(TracedTopic, OnePublisherAndItsSubscribersKeepThePromiseAtEveryInstruction) { trace_one<4>(); }
TEST(TracedTopic, TheSameWhereALookAtTheSubscribersIsGoodForSeveralSlots) { trace_one<16>(); }
TEST(TracedTopic, ManyPublishersAndTheirSubscribersKeepThePromiseAtEveryInstruction) { trace_many<4>(); }
TEST(TracedTopic, TheSameWithManyWhereALookIsGoodForSeveralSlots) { trace_many<16>(); }

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
