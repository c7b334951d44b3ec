// Real SIGKILLs in the middle of what happens to names: they are absent or whole, and no living process loses anything.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "crash/tracer_real.hpp"
#include "crash/tracer_trial.hpp"
#include "sluice/channel.hpp"
#include "sluice/detail/channel/planning.hpp"
#include "sluice/registry.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

#if SLUICE_TRACES

namespace sluice::detail::test::tracer {
namespace {

using orders = channel<message>;

const segment_name name("orders");
const segment_name bystander("bystander");

enum class before { absent, idle, ephemeral, dead };
enum class after { absent, present, either };

struct action {
  std::string what;
  before orders_is;
  after completed;  // what becomes of the name without a death
  std::function<void(const marks&, const registry&)> act;
  std::uint32_t mode = 0600;  // 0644: a lock file stands beside the segment
};

/// Deaths that left a file which was still being built under a name of its own.
int begun_files_seen = 0;
/// Deaths that left a lock file, with its segment or without.
int lock_files_seen = 0;

/// `orders` is what the child works on. `bystander` is in use by the living and has a message in it; `idle` has one too,
/// and no process is attached to it.
class registry_world final : public world {
 public:
  explicit registry_world(const action& what) : what_(what) {
    put_message(*bystander_);
    { put_message(orders::create(*names_, segment_name("idle"), options())); }
    if (what.orders_is == before::absent) return;
    const bool persists = what.orders_is == before::idle;
    auto left = child_process::fork([&] {
      const auto made =
          orders::create(*names_, name, options(persists ? lifetime::persistent : lifetime::ephemeral, what_.mode));
      const auto in = made.consumer();
      if (!persists) ::_exit(0);  // no destructor: it might have been killed here
    });
    if (!left.wait().is_success()) throw std::logic_error("the name could not be made");
  }

  void child(const marks& here) override { what_.act(here, *names_); }
  [[nodiscard]] std::span<const std::byte> shared() const override { return {}; }

  [[nodiscard]] std::string survive(std::uint64_t which_death) override {
    try {
      look(which_death);
    } catch (const error& problem) {
      complain(problem.what());
    }
    return broken_;
  }

 private:
  static channel_options options(lifetime how_long = lifetime::persistent, std::uint32_t mode = 0600) {
    return {.capacity_slots = capacity, .lifetime = how_long, .mode = mode};
  }
  static void put_message(const orders& into) {
    if (!into.producer().try_send(message_of(7))) throw std::logic_error("no room in a new channel");
  }

  void complain(const std::string& what) { broken_ += (broken_.empty() ? "" : "; ") + what; }

  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(names_.directory()))
      all.push_back(entry.path().filename());
    std::sort(all.begin(), all.end());
    return all;
  }

  void look(std::uint64_t which_death) {
    for (const auto& file : files()) {
      begun_files_seen += file.starts_with(".sluice-new-");
      lock_files_seen += file.starts_with(".sluice-locks-");
    }
    bool is_there = false;
    for (const auto& info : names_->list()) {
      if (info.state == segment_state::broken) complain("half made: " + info.name + ": " + info.problem);
      is_there |= info.name == name.str();
    }
    if (which_death == 0 && what_.completed != after::either && is_there != (what_.completed == after::present))
      complain("the operation did not do what it is for");
    // One half of the deaths is swept up first, the other is met by a process that just wants to work.
    if (which_death % 2 == 0) (void)names_->sweep();
    const bool stays = use_the_name() == lifetime::persistent;
    check_others();
    if (stays) names_->remove(name);  // else its last participant took it along
    (void)names_->sweep();
    if (files() != std::vector<std::string>{"bystander", "idle"}) {
      std::string left;
      for (const auto& file : files()) left += " " + file;
      complain("left behind:" + left);
    }
  }

  lifetime use_the_name() {
    const auto channel = orders::create_or_attach(*names_, name, options());
    auto in = channel.consumer();
    auto out = channel.producer();
    message m{};
    while (in.try_receive(m)) continue;
    std::uint64_t room = 0;
    while (room <= capacity && out.try_send(message_of(room + 1))) ++room;
    if (room != capacity) complain("capacity is " + std::to_string(room));
    for (std::uint64_t i = 1; i <= room; ++i)
      if (!in.try_receive(m) || m.id != i || !is_whole(m)) complain("a message did not come");
    return static_cast<lifetime>(channel.header().lifetime);
  }

  void check_others() {
    const auto all = names_->list();
    const auto state_of = [&](const char* whose) {
      const auto found = std::find_if(all.begin(), all.end(), [&](const auto& info) { return info.name == whose; });
      return found == all.end() ? segment_state::broken : found->state;
    };
    if (state_of("bystander") != segment_state::live) complain("the bystander's name is gone");
    if (state_of("idle") != segment_state::idle) complain("the idle name is gone");
    message m{};
    auto in = bystander_->consumer();
    if (!in.try_receive(m) || m.id != 7) complain("the bystander's message is gone");
    auto idle_in = orders::attach(*names_, segment_name("idle")).consumer();
    if (!idle_in.try_receive(m) || m.id != 7) complain("the idle name's message is gone");
  }

  const action what_;
  temp_registry names_;
  std::optional<orders> bystander_ = orders::create(*names_, bystander, options());
  std::string broken_;
};

void expect_names_whole(const std::vector<action>& actions, bool refuses_unnamed_files, std::uint64_t at_most) {
  const watchdog limit(std::chrono::seconds(is_full() ? 1000 : 110));
  std::ostringstream complaints;
  tally all;
  print_head();
  for (const auto& what : actions) {
    const auto row =
        die_everywhere({what.what, [&] { return std::make_unique<registry_world>(what); }, refuses_unnamed_files},
                       at_most, complaints);
    print_row(what.what, row);
    EXPECT_GT(row.states, 2U) << what.what;
    EXPECT_TRUE(!is_optimised || row.instructions > 0) << what.what;
    all += row;
  }
  print_row("all", all);
  EXPECT_EQ(all.broken, 0U) << complaints.str();
}

segment_plan plan() { return plan_channel<message>({.capacity_slots = capacity}); }

const auto create = [](const marks& here, const registry& names) {
  here.begin();
  const auto made = names.create(name, plan());
  here.end();
};
constexpr std::uint32_t others_read = 0644;
const auto create_for_readers = [](const marks& here, const registry& names) {
  here.begin();
  const auto made = names.create(name, plan(), {.mode = others_read});
  here.end();
};
const auto attach = [](const marks& here, const registry& names) {
  here.begin();
  const auto found = names.attach(name);
  here.end();
};
const auto leave = [](const marks& here, const registry& names) {
  std::optional found(names.attach(name));
  here.begin();
  found.reset();
  here.end();
};
const auto remove = [](const marks& here, const registry& names) {
  here.begin();
  names.remove(name);
  here.end();
};
const auto sweep = [](const marks& here, const registry& names) {
  here.begin();
  (void)names.sweep();
  here.end();
};
const auto create_or_attach = [](const marks& here, const registry& names) {
  here.begin();
  const auto found = names.create_or_attach(name, plan());
  here.end();
};

TEST(TracedRegistry, ANameIsAbsentOrWholeWhereverItsCreatorDies) {
  expect_names_whole({{"create", before::absent, after::present, create},
                      {"create_or_attach, absent", before::absent, after::present, create_or_attach},
                      {"create an ephemeral one and leave it", before::absent, after::absent,
                       [](const marks& here, const registry& names) {
                         here.begin();
                         { const auto made = names.create(name, plan(), {.lifetime = lifetime::ephemeral}); }
                         here.end();
                       }}},
                     false, 60);
}

TEST(TracedRegistry, ANameIsAbsentOrWholeWithoutUnnamedFilesToo) {
  expect_names_whole({{"create, no O_TMPFILE", before::absent, after::present, create}}, true, 60);
  EXPECT_GT(begun_files_seen, 0);
}

TEST(TracedRegistry, WhoeverDiesComingOrGoingLeavesTheNameUsable) {
  expect_names_whole({{"attach", before::idle, after::present, attach},
                      {"create_or_attach, present", before::idle, after::present, create_or_attach},
                      {"leave", before::idle, after::present, leave},
                      {"leave as the last one of an ephemeral one", before::ephemeral, after::absent, leave}},
                     false, 60);
}

TEST(TracedRegistry, WhoeverDiesRemovingLeavesTheNameWholeOrAbsent) {
  expect_names_whole(
      {{"remove", before::idle, after::absent, remove}, {"sweep up a dead one", before::dead, after::absent, sweep}},
      false, 60);
}

TEST(TracedRegistry, ALockFileGoesWithItsNameWhereverAProcessDies) {
  expect_names_whole({{"create, lock file", before::absent, after::present, create_for_readers, others_read},
                      {"attach, lock file", before::idle, after::present, attach, others_read},
                      {"leave as the last one, lock file", before::ephemeral, after::absent, leave, others_read},
                      {"remove, lock file", before::idle, after::absent, remove, others_read},
                      {"sweep up a dead one, lock file", before::dead, after::absent, sweep, others_read}},
                     false, 60);
  expect_names_whole(
      {{"create, lock file, no O_TMPFILE", before::absent, after::present, create_for_readers, others_read}}, true, 60);
  EXPECT_GT(lock_files_seen, 0);
}

}  // namespace
}  // namespace sluice::detail::test::tracer

#endif
