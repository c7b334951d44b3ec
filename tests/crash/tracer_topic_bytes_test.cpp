// Dies at every instruction of every operation at a topic of messages of any length.

#include <gtest/gtest.h>

#include "crash/tracer_topic_bytes.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

template <class Cast>
act<Cast> sends_long(std::uint64_t length, bool publishes = true) {
  return [=](Cast& all) { (void)all.out[0]->send(all.new_id(0), length, publishes); };
}
/// From that seat, whose arena is the one in question.
template <class Cast>
void put(Cast& all, std::uint32_t seat, std::uint64_t length) {
  if (!Cast::rules::send(all, seat, length)) throw std::logic_error("the scene has no room");
}

template <class Cast>
std::vector<topic_scene<Cast>> scenes_of(std::uint64_t capacity, std::uint32_t sender) {
  const auto a = Cast::subscriber_seat(0);
  const auto alone_with = [=](std::uint64_t count, std::uint64_t length) {
    return [=](Cast& all) {
      leave_alone(all, Cast::seats);
      for (std::uint64_t i = 0; i < count; ++i) put(all, 0, length);
    };
  };
  const auto succeeds = [](const act<Cast>& then) {
    return [=](Cast& all) {
      told_keeper keeper(all.ring, all.dead);
      if (take_in_topic(all, 0, keeper)) then(all);
    };
  };
  const auto joins = [=](Cast& all) {
    all.construct(a, history::all());
    receives<Cast>(a, 2, 1)(all);
  };
  return {
      {"a short message", 0, {}, sends_long<Cast>(30), 1},
      {"a long message", 0, {}, sends_long<Cast>(100), 1},
      {"a long one over bytes that all have released", 0,
       [=](Cast& all) {
         put(all, 0, 330);
         all.drain();
       },
       sends_long<Cast>(200), 1},
      {"a long one over bytes that only lossy readers want", 0, alone_with(2, 180), sends_long<Cast>(250), 1},
      {"two that each take bytes away", 0, alone_with(2, 180),
       [=](Cast& all) {
         sends_long<Cast>(250)(all);
         sends_long<Cast>(250)(all);
       },
       1},  // and one that it took away itself
      {"a long one over bytes whose slots are overwritten", 0,
       [=](Cast& all) {
         leave_alone(all, Cast::seats);
         put(all, 0, 300);
         for (std::uint64_t i = 0; i < capacity; ++i) put(all, sender, 24);
       },
       sends_long<Cast>(250), 1},
      {"a long one for which a subscriber keeps the arena", 0, [=](Cast& all) { put(all, 0, 330); },
       sends_long<Cast>(250)},
      {"mend where a subscriber died that keeps the arena, and publish", 0,
       [=](Cast& all) {
         leave_alone(all, a);
         put(all, 0, 330);
         all.die(a);
         (void)all.out[0]->send(all.new_id(0), 250);
       },
       [](Cast& all) {
         told_keeper keeper(all.ring, all.dead);
         (void)all.out[0]->mend(keeper);
         sends_long<Cast>(250)(all);
       },
       1},
      {"fill a long one and abandon", 0, alone_with(2, 180), sends_long<Cast>(250, false)},
      {"a batch of 3", 0, alone_with(2, 180), sends<Cast>(0, 3, 3), 3},
      {"abandon 2 of 3", 0, alone_with(2, 180), sends<Cast>(0, 3, 1), 1},
      {"succeed and publish beside what is kept", 0,
       [=](Cast& all) {
         put(all, 0, 100);
         put(all, 0, 30);
         all.die(0);
       },
       succeeds(sends_long<Cast>(60)), 1},
      {"succeed where a subscriber keeps the arena", 0,
       [=](Cast& all) {
         put(all, 0, 330);
         all.die(0);
       },
       succeeds(sends_long<Cast>(250))},
      {"succeed and take bytes away", 0,
       [=](Cast& all) {
         alone_with(3, 180)(all);
         all.die(0);
       },
       succeeds(sends_long<Cast>(250)), 1},
      {"receive a long one", a, [=](Cast& all) { put(all, 0, 330); }, receives<Cast>(a, 1, 1)},
      {"leave with an arena kept", a, [=](Cast& all) { put(all, 0, 330); }, [=](Cast& all) { all.in[a]->leave(); }},
      {"join with all there is, where bytes are gone", a, alone_with(3, 180), joins},
      {"join with all there is, where a predecessor took bytes away", a,
       [=](Cast& all) {
         alone_with(3, 180)(all);
         all.die(0);
         told_keeper keeper(all.ring, all.dead);
         if (!take_in_topic(all, 0, keeper)) throw std::logic_error("the scene has no seat");
         all.dead.clear();
         put(all, 0, 24);
       },
       joins},
  };
}

template <publishers Publishers, std::uint64_t Capacity>
void trace(std::uint32_t sender) {
  using rules = traced_topic_bytes<Publishers, Capacity>;
  topic_workbench<rules, Capacity> bench;
  bench.expect_kept(scenes_of<topic_cast<rules, Capacity>>(Capacity, sender));
}

TEST(TracedTopicBytes, OnePublisherAndItsSubscribersKeepThePromiseAtEveryInstruction) { trace<publishers::one, 4>(0); }
TEST(TracedTopicBytes, TheSameWhereALookIsGoodForSeveralSlots) { trace<publishers::one, 16>(0); }
TEST(TracedTopicBytes, ManyPublishersAndTheirSubscribersKeepThePromiseAtEveryInstruction) {
  trace<publishers::many, 4>(2);
}
TEST(TracedTopicBytes, TheSameWithManyWhereALookIsGoodForSeveralSlots) { trace<publishers::many, 16>(2); }

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
