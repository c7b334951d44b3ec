// Tables of newest values by their keys: many writers, one for a key, and readers of one key or of all.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "channel/channel_places.hpp"
#include "sluice/detail/channel/access.hpp"
#include "sluice/detail/part/latest/latest_values.hpp"
#include "sluice/latest.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/pipe_signal.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

using namespace std::chrono_literals;
using name_key = key_text<16>;
using settings = table<name_key, numbered>;

struct seated {
  static constexpr const char* name = "Seated";
  template <class Wait = spin_then_park>
  static auto read(const temp_registry& names, const segment_name& segment, Wait wait = {}) {
    return settings::attach(*names, segment).reader(std::move(wait));
  }
};
struct watching_table {
  static constexpr const char* name = "Watching";
  template <class Wait = spin_then_park>
  static auto read(const temp_registry& names, const segment_name& segment, Wait wait = {}) {
    return settings::watch(*names, segment, std::move(wait));
  }
};

template <class How>
class Table : public ::testing::Test {
 protected:
  template <class... Wait>
  [[nodiscard]] auto read(Wait... wait) const {
    return How::read(names_, name_, std::move(wait)...);
  }

  watchdog dog_;
  temp_registry names_;
  segment_name name_{"settings"};
  settings table_ = settings::create(*names_, name_, {.keys = 10, .writer_seats = 4});
};
struct how_names {
  template <class How>
  static std::string GetName(int) {
    return How::name;
  }
};
using ways = ::testing::Types<seated, watching_table>;
TYPED_TEST_SUITE(Table, ways, how_names);

TYPED_TEST(Table, EachKeyHasItsNewestValueAndVersion) {
  auto out = this->table_.writer();
  auto in = this->read();
  numbered value;
  EXPECT_FALSE(in.try_get("speed", value));
  EXPECT_FALSE(in.has_changed("speed"));
  EXPECT_THAT(thrown_by([&] { (void)in.get("speed"); }), ThrewSaying(errc::not_found, "none was written yet"));
  for (std::uint64_t i = 1; i <= 20; ++i) {
    out.set("speed", numbered::of(i));
    out.set("mode", numbered::of(1000 + i));
  }
  EXPECT_EQ(in.get("speed"), numbered::of(20));
  EXPECT_EQ(in.get("mode"), numbered::of(1020));
  EXPECT_EQ(in.version("speed"), 20U);
  EXPECT_EQ(in.version("never"), 0U);
  EXPECT_EQ(in.age_ns("never"), 0U);
  EXPECT_FALSE(in.try_get("spee"));
  std::map<std::string, int> seen;
  for (const auto& key : in.keys()) ++seen[std::string(key.text())];
  EXPECT_EQ(seen, (std::map<std::string, int>{{"mode", 1}, {"speed", 1}}));
}

TYPED_TEST(Table, ChangesOfOneKeyAndOfAnyAreGotOnce) {
  auto out = this->table_.writer();
  auto in = this->read(), any = this->read();
  numbered value;
  name_key key;
  EXPECT_FALSE(any.try_get_any_change(key, value));
  out.set("a", numbered::of(1));
  out.set("b", numbered::of(2));
  EXPECT_TRUE(in.try_get_change("a", value));
  EXPECT_FALSE(in.try_get_change("a", value));
  out.set("b", numbered::of(3));
  EXPECT_FALSE(in.try_get_change("a", value));
  ASSERT_EQ(in.get_change_for("b", value, 10s), wait_result::ready);
  EXPECT_EQ(value, numbered::of(3));
  EXPECT_EQ(in.get_change_for("c", value, 1ms), wait_result::timed_out) << "it may be added later";

  std::map<std::string, std::uint64_t> got;
  while (any.try_get_any_change(key, value)) got[std::string(key.text())] = value.number;
  EXPECT_EQ(got, (std::map<std::string, std::uint64_t>{{"a", 1}, {"b", 3}}));
  EXPECT_EQ(any.get_any_change_for(key, value, 1ms), wait_result::timed_out);
  out.set("a", numbered::of(4));
  ASSERT_EQ(any.get_any_change(key, value), wait_result::ready);
  EXPECT_EQ(key.text(), "a");
  EXPECT_EQ(value, numbered::of(4));
}

TYPED_TEST(Table, AKeyThatChangesAllTheTimeHidesNoOther) {
  auto out = this->table_.writer();
  auto in = this->read();
  for (const char* key : {"a", "b", "c"}) out.set(key, numbered::of(1));
  std::map<std::string, int> got;
  for (int i = 0; i < 30; ++i) {
    numbered value;
    name_key key;
    ASSERT_TRUE(in.try_get_any_change(key, value));
    ++got[std::string(key.text())];
    out.set("a", numbered::of(2));
  }
  EXPECT_EQ(got["b"], 1);
  EXPECT_EQ(got["c"], 1);
}

TYPED_TEST(Table, ReadersThatSleepAreThereForAChangeAndForTheEnd) {
  auto out = this->table_.writer();
  std::atomic<std::uint64_t> one_key = 0, any_key = 0;
  std::thread first([&] {
    auto in = this->read(park());
    for (numbered value; in.get_change("b", value) == wait_result::ready;) one_key = value.number;
    EXPECT_EQ(in.status(), wait_result::closed);
  });
  std::thread second([&] {
    auto in = this->read(park());
    name_key key;
    for (numbered value; in.get_any_change(key, value) == wait_result::ready;) any_key = value.number;
    EXPECT_EQ(in.status(), wait_result::closed);
  });
  for (std::uint64_t i = 1; i <= 5; ++i) {
    out.set("b", numbered::of(i));
    while (one_key != i || any_key != i) std::this_thread::yield();
    out.set("a", numbered::of(100 + i));
    while (any_key != 100 + i) std::this_thread::yield();
  }
  out.close();
  first.join();
  second.join();
}

TYPED_TEST(Table, AKeyIsItsWritersUntilItLeavesOrDies) {
  std::optional<table_writer<name_key, numbered>> first(this->table_.writer());
  auto second = this->table_.writer();
  first->set("a", numbered::of(1));
  second.set("b", numbered::of(2));
  EXPECT_THAT(thrown_by([&] { second.set("a", numbered::of(3)); }),
              ThrewSaying(errc::seat_taken, "it is written by pid " + std::to_string(::getpid())));
  EXPECT_THAT(thrown_by([&] { (void)first->claim("b"); }), Threw(errc::seat_taken));
  first.reset();
  second.set("a", numbered::of(3));
  auto in = this->read();
  EXPECT_EQ(in.get("a"), numbered::of(3));
  EXPECT_EQ(in.version("a"), 2U);

  pipe_signal has_begun;
  auto child = child_process::fork([&] {
    auto out = this->table_.writer();
    out.set("c", numbered::of(7));
    auto slot = out.claim("c");
    slot->number = 8;
    (void)has_begun.tell();
    wait_for_the_end();
  });
  ASSERT_TRUE(has_begun.is_told());
  EXPECT_THAT(thrown_by([&] { second.set("c", numbered::of(9)); }),
              ThrewSaying(errc::seat_taken, std::to_string(child.pid())));
  child.kill();
  EXPECT_EQ(in.get("c"), numbered::of(7));
  second.set("c", numbered::of(9));
  EXPECT_EQ(in.get("c"), numbered::of(9));
  EXPECT_EQ(in.version("c"), 2U);
}

TYPED_TEST(Table, OnlyTheDeathOfAllWritersIsPeerGone) {
  auto in = this->read();
  pipe_signal has_set;
  auto child = child_process::fork([&] {
    auto out = this->table_.writer();
    out.set("a", numbered::of(1));
    (void)has_set.tell();
    wait_for_the_end();
  });
  ASSERT_TRUE(has_set.is_told());
  numbered value;
  EXPECT_EQ(in.get_change("a", value), wait_result::ready);
  {
    auto other = this->table_.writer();
    child.kill();
    EXPECT_EQ(in.get_change_for("a", value, 100ms), wait_result::timed_out);
  }
  EXPECT_EQ(in.get_change("a", value), wait_result::peer_gone);
}

TYPED_TEST(Table, KeysOfAnotherTypeAreRefused) {
  EXPECT_THAT(thrown_by([&] { (void)table<std::uint32_t, numbered>::attach(*this->names_, this->name_); }),
              ThrewSaying(errc::wrong_type, "its keys are of another type, of 16 bytes and not 4"));
  EXPECT_THAT(thrown_by([&] { (void)table<std::uint32_t, numbered>::watch(*this->names_, this->name_); }),
              Threw(errc::wrong_type));
  EXPECT_THAT(thrown_by([&] { (void)table<name_key, int>::attach(*this->names_, this->name_); }),
              Threw(errc::wrong_type));
  EXPECT_THAT(thrown_by([&] { (void)latest<numbered>::attach(*this->names_, this->name_); }), Threw(errc::wrong_kind));
  EXPECT_THAT(thrown_by([&] { (void)settings::create_or_attach(*this->names_, this->name_, {.keys = 100}); }),
              ThrewSaying(errc::wrong_kind, "a capacity of"));
}

TEST(TableKeys, WritersThatAddTheSameKeysAtOnceEndWithOneOfEach) {
  const watchdog dog;
  constexpr std::uint64_t keys = 200;
  using numbers_by_number = table<std::uint64_t, std::uint64_t>;
  const auto made = numbers_by_number::create_unnamed({.keys = keys});
  std::vector<std::thread> writers;
  std::atomic<int> ready = 0;
  for (int i = 0; i < 4; ++i)
    writers.emplace_back([&] {
      auto out = made.writer();
      ++ready;
      while (ready != 4) continue;
      for (std::uint64_t key = 0; key < keys; ++key) {
        try {
          out.set(key, key * key);
        } catch (const error& problem) {
          EXPECT_EQ(problem.reason(), errc::seat_taken) << problem.what();
        }
      }
    });
  for (auto& writer : writers) writer.join();
  auto in = made.reader();
  EXPECT_EQ(in.keys().size(), keys);
  for (std::uint64_t key = 0; key < keys; ++key) EXPECT_EQ(in.get(key), key * key);
}

TEST(TableKeys, ATableIsFullWhenEveryPlaceHasAKey) {
  const watchdog dog;
  const auto made = table<int, int>::create_unnamed({.keys = 5});
  auto out = made.writer();
  int added = 0;
  const auto why = thrown_by([&] {
    for (; added < 100; ++added) out.set(-added, added);
  });
  EXPECT_THAT(why, ThrewSaying(errc::no_space, "places have one, and keys are not removed"));
  EXPECT_GE(added, 5);
  auto in = made.reader();
  for (int i = 0; i < added; ++i) EXPECT_EQ(in.get(-i), i);
  EXPECT_FALSE(in.try_get(-100));
  out.set(0, 7);
  EXPECT_EQ(in.get(0), 7);
}

TEST(TableKeys, AWriterThatIsStoppedWhileItAddsAKeyIsNamed) {
  const watchdog dog;
  const auto made = table<int, int>::create_unnamed({.keys = 5});
  auto out = made.writer();
  auto other = made.writer();
  out.set(1, 1);
  auto& ring = detail::access::owner(out).ring();
  const auto seat = out.seat_index();
  latest_control_of(ring).adding = owner_word(seat, generation_of(ring.seats[seat].state));
  EXPECT_THAT(thrown_by([&] { other.set(2, 2); }), ThrewSaying(errc::in_use, "pid " + std::to_string(::getpid())));
  latest_control_of(ring).adding = 0;
  other.set(2, 2);
  EXPECT_EQ(made.reader().get(2), 2);
}

TEST(TableKeys, TextIsRefusedThatDoesNotFit) {
  EXPECT_EQ(key_text<4>("abcd").text(), "abcd");
  EXPECT_EQ(key_text<4>("ab"), key_text<4>(std::string_view("ab")));
  EXPECT_EQ(key_text<4>().text(), "");
  EXPECT_THAT(thrown_by([] { (void)key_text<4>("abcde"); }), ThrewSaying(errc::bad_argument, "at most 4"));
  EXPECT_THAT(thrown_by([] { (void)key_text<4>(std::string_view("a\0b", 3)); }), Threw(errc::bad_argument));
}

enum class colour : std::uint8_t { red, green };
struct place {
  std::uint32_t row, column;
};

TEST(TableKeys, AreWhatIsComparedByItsBytes) {
  EXPECT_EQ(kind_of_key<name_key>(), key_kind::text);
  EXPECT_EQ(kind_of_key<int>(), key_kind::signed_number);
  EXPECT_EQ(kind_of_key<colour>(), key_kind::unsigned_number);
  EXPECT_EQ(kind_of_key<place>(), key_kind::bytes);
  const auto made = table<place, double>::create_unnamed();
  auto out = made.writer();
  out.set({1, 2}, 0.5);
  out.set({2, 1}, 1.5);
  auto in = made.reader();
  EXPECT_EQ(in.get({1, 2}), 0.5);
  EXPECT_EQ(in.get({2, 1}), 1.5);
  EXPECT_FALSE(in.try_get({1, 1}));
}

}  // namespace
}  // namespace sluice::detail::test
