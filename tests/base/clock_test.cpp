#include "sluice/detail/base/clock.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>

#include "sluice/detail/base/stop_signal.hpp"
#include "sluice/stop_token.hpp"

namespace sluice::detail {
namespace {

using namespace std::chrono_literals;

/// Steady, but counts from another moment and in another unit.
struct other_steady_clock {
  using duration = std::chrono::duration<double, std::milli>;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<other_steady_clock>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept {
    return time_point(duration(std::chrono::steady_clock::now().time_since_epoch()) - duration(5'000'000.0));
  }
};

TEST(Timeout, CountsNanosecondsOfEveryUnit) {
  EXPECT_EQ(timeout(1ns).ns(), 1U);
  EXPECT_EQ(timeout(250us).ns(), 250'000U);
  EXPECT_EQ(timeout(3s).ns(), 3'000'000'000U);
  EXPECT_EQ(timeout(2h).ns(), 7'200'000'000'000U);
  EXPECT_EQ(timeout(std::chrono::duration<std::int8_t, std::ratio<1, 3>>(2)).ns(), 666'666'666U);
  EXPECT_EQ(timeout(std::chrono::duration<std::uint32_t>(4'000'000'000U)).ns(), 4'000'000'000'000'000'000U);
}

TEST(Timeout, KeepsEveryNanosecondOfALongOne) {
  EXPECT_EQ(timeout(std::chrono::nanoseconds(9'007'199'254'740'993)).ns(), 9'007'199'254'740'993U);
}

TEST(Timeout, TakesFractions) {
  EXPECT_EQ(timeout(std::chrono::duration<double>(0.25)).ns(), 250'000'000U);
  EXPECT_EQ(timeout(std::chrono::duration<float, std::milli>(0.5F)).ns(), 500'000U);
}

TEST(Timeout, IsOverAtOnceWhenNegativeOrNoNumber) {
  EXPECT_EQ(timeout(-1ns).ns(), 0U);
  EXPECT_EQ(timeout(std::chrono::nanoseconds::min()).ns(), 0U);
  EXPECT_EQ(timeout(0s).ns(), 0U);
  EXPECT_EQ(timeout(std::chrono::duration<double>(std::nan(""))).ns(), 0U);
}

TEST(Timeout, IsNeverOverAfterCenturies) {
  EXPECT_EQ(timeout(std::chrono::hours::max()).ns(), never);
  EXPECT_EQ(timeout(std::chrono::years(1000)).ns(), never);
  EXPECT_EQ(timeout(std::chrono::nanoseconds::max()).ns(), never);
  EXPECT_EQ(timeout(std::chrono::duration<double>(std::numeric_limits<double>::infinity())).ns(), never);
  EXPECT_EQ(deadline_after(std::chrono::hours::max()), never);
}

TEST(TimeLimit, IsTheSameMomentOnTheMonotonicClock) {
  const auto before = monotonic_now_ns();
  const auto limit = deadline_at(std::chrono::steady_clock::now() + 1h);
  const auto after = monotonic_now_ns();
  EXPECT_GE(limit, before + 3'600'000'000'000U);
  EXPECT_LE(limit, after + 3'600'000'000'000U);
}

TEST(TimeLimit, TakesAnySteadyClock) {
  const auto before = monotonic_now_ns();
  const auto limit = deadline_at(other_steady_clock::now() + 1h);
  EXPECT_GE(limit, before + 3'599'000'000'000U) << "it counts from another moment";
  EXPECT_LE(limit, monotonic_now_ns() + 3'601'000'000'000U);
}

TEST(TimeLimit, OfThePastIsOver) {
  EXPECT_LE(deadline_at(std::chrono::steady_clock::now() - 1s), monotonic_now_ns());
  EXPECT_LE(deadline_at(std::chrono::steady_clock::time_point::min()), monotonic_now_ns());
}

TEST(TimeLimit, OfTheEndOfTimeIsNeverOver) {
  EXPECT_GE(deadline_at(std::chrono::steady_clock::time_point::max()), std::uint64_t{1} << 62);
}

template <class P>
constexpr bool is_limit = detail::steady_time_point<P>;
static_assert(is_limit<std::chrono::steady_clock::time_point>);
static_assert(!is_limit<std::chrono::system_clock::time_point>, "a clock that is set is no limit");

TEST(StopSignal, OfNothingIsNeverRequested) {
  const detail::stop_signal none;
  EXPECT_FALSE(none.is_requested());
  int calls = 0;
  const detail::stop_watch watch(none, {[](void* count) noexcept { ++*static_cast<int*>(count); }, &calls});
  EXPECT_EQ(calls, 0);
}

TEST(StopSignal, CallsWhileItIsWatchedAndNotAfterwards) {
  int calls = 0;
  const detail::stop_call call{[](void* count) noexcept { ++*static_cast<int*>(count); }, &calls};
  std::stop_source first, second;
  const auto token = first.get_token(), other = second.get_token();
  {
    const detail::stop_watch watch(token, call);
    EXPECT_EQ(calls, 0);
    first.request_stop();
    EXPECT_EQ(calls, 1);
  }
  EXPECT_TRUE(detail::stop_signal(token).is_requested());
  { const detail::stop_watch late(token, call); }
  EXPECT_EQ(calls, 2) << "a request that came before calls at once";
  { const detail::stop_watch watch(other, call); }
  second.request_stop();
  EXPECT_EQ(calls, 2) << "nothing watches any more";
}

}  // namespace
}  // namespace sluice::detail
