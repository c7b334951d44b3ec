// A parent and the child it forks, both ways.

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "channel/channel_places.hpp"
#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/pipe_signal.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;

struct question {
  std::uint64_t number;
};
struct answer {
  std::uint64_t number;
  std::uint64_t square;
};

template <class Ring, class Segment>
struct duplex_in {
  using link = duplex<question, answer, Ring>;
  static constexpr const char* name = unnamed_name<Ring, Segment>();
  static link create() { return link::template create<Segment>({.capacity_slots = 4}); }
};

template <class Case>
class Duplex : public ::testing::Test {
 protected:
  watchdog dog_;
  typename Case::link both_ = Case::create();
};
using duplex_cases = ::testing::Types<        //
    duplex_in<spsc_ring, anonymous_segment>,  //
    duplex_in<spsc_ring, zero_segment>,       //
    duplex_in<mpmc_ring, anonymous_segment>,  //
    duplex_in<mpmc_ring, zero_segment>,       //
    duplex_in<spsc_ring, memfd_segment>,      //
    duplex_in<mpmc_ring, memfd_segment>>;
struct duplex_names {
  template <class Case>
  static std::string GetName(int) {
    return Case::name;
  }
};
TYPED_TEST_SUITE(Duplex, duplex_cases, duplex_names);

TYPED_TEST(Duplex, QuestionsGoOneWayAndAnswersTheOther) {
  auto child = child_process::fork([this] {
    auto end = this->both_.child();
    question asked{};
    while (end.in.receive(asked) == wait_result::ready)
      if (end.out.send({asked.number, asked.number * asked.number}) != wait_result::ready) return 1;
    return 0;
  });
  auto end = this->both_.parent();
  answer got;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(end.out.send({i}), wait_result::ready);
    ASSERT_EQ(end.in.receive(got), wait_result::ready);
    ASSERT_EQ(got.square, i * i);
  }
  end.out.close();
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST(Duplex, AKilledChildIsGoneForTheParent) {  // scenario 41
  pipe_signal up;
  auto child = child_process::fork([&] {
    auto end = this->both_.child();
    if (!end.out.try_send({1, 1}) || !up.tell()) return 1;
    for (;;) ::pause();
    return 0;
  });
  ASSERT_TRUE(up.is_told());
  auto end = this->both_.parent();
  child.kill();
  answer got;
  EXPECT_EQ(end.in.receive_for(got, 10s), wait_result::ready);
  // Its death is news to this end only if it was alive when this end came; the pipe made sure of that.
  EXPECT_EQ(end.in.receive_for(got, 10s), wait_result::peer_gone);
  EXPECT_EQ(end.in.peer(), peer_state::dead);
  EXPECT_EQ(end.out.peer(), peer_state::dead);
}

TYPED_TEST(Duplex, AKilledParentIsGoneForTheChild) {  // scenario 41
  pipe_signal parent_up, child_up, said;
  auto parent = child_process::fork([&] {
    if (::fork() == 0) {
      auto end = this->both_.child();
      child_up.tell();
      question asked;
      const auto first = end.in.receive_for(asked, 30s);
      const auto second = end.in.receive_for(asked, 30s);
      said.tell(static_cast<std::uint64_t>(first) * 10 + static_cast<std::uint64_t>(second));
      ::_exit(0);
    }
    auto end = this->both_.parent();
    if (!child_up.is_told() || !end.out.try_send({1}) || !parent_up.tell()) return 1;
    for (;;) ::pause();
    return 0;
  });
  ASSERT_TRUE(parent_up.is_told());
  parent.kill();
  EXPECT_EQ(said.wait(),
            static_cast<std::uint64_t>(wait_result::ready) * 10 + static_cast<std::uint64_t>(wait_result::peer_gone));
}

TYPED_TEST(Duplex, AnExecInTheChildIsALeaving) {
  pipe_signal up;
  auto child = child_process::fork([&] {
    auto end = this->both_.child();
    if (!up.tell()) return 1;
    ::execl("/bin/sleep", "sleep", "1000", nullptr);
    return 2;
  });
  ASSERT_TRUE(up.is_told());
  auto end = this->both_.parent();
  // The exec may have come before this end: then the death is known, and no news.
  if (end.in.peer() != peer_state::dead) {
    answer got;
    const auto result = end.in.receive_for(got, 10s);
    EXPECT_TRUE(result == wait_result::peer_gone) << to_string(result);
  }
  EXPECT_EQ(end.in.peer(), peer_state::dead);
  EXPECT_FALSE(child.try_wait().has_value());
}

TYPED_TEST(Duplex, AnEndTakenBeforeForkIsRefusedInTheChild) {
  auto end = this->both_.parent();
  auto child = child_process::fork([&] {
    try {
      (void)end.out.try_send({1});
      return 1;
    } catch (const error& problem) {
      return problem.reason() == errc::wrong_process ? 0 : 2;
    }
  });
  EXPECT_EQ(child.wait().code, 0);
  EXPECT_TRUE(end.out.try_send({1}));
}

TEST(DuplexEnd, OfAnSpscDuplexIsTakenOnce) {
  watchdog dog;
  const auto both = duplex<question, answer>::create();
  auto end = both.parent();
  try {
    (void)both.parent();
    FAIL();
  } catch (const error& problem) {
    EXPECT_EQ(problem.reason(), errc::seat_taken) << problem.what();
  }
}

}  // namespace
}  // namespace sluice::detail::test
