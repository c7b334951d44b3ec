// A peer that may write may write anything. What looks at a segment must end, quickly, with an exit code of its table, and
// change no byte.

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/registry.hpp"
#include "support/header_bytes.hpp"
#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

class Hostile : public Cli {
 protected:
  /// An mpmc channel with some history: messages, a consumer that died with some in its hands.
  void make_mpmc(const std::string& name) const {
    auto channel = sluice::channel<std::uint64_t, mpmc_ring>::create(
        registry(registry_.string()), segment_name(name),
        {.capacity_slots = 64, .producer_seats = 8, .consumer_seats = 8});
    auto producer = channel.producer();
    for (std::uint64_t i = 0; i < 40; ++i) ASSERT_TRUE(producer.try_send(i));
    if (const pid_t child = ::fork(); child == 0) {
      auto consumer = channel.consumer();
      (void)consumer.try_peek_batch(10).size();
      ::raise(SIGKILL);
    } else {
      ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    }
  }
  /// Every command that only looks, and what may come of it: done, or the file called broken (clear: in use).
  void look_at(const std::string& name, const std::string& what) const {
    const auto before = read_all(file(name));
    for (const std::vector<std::string>& words : {std::vector<std::string>{"list"},
                                                  {"list", "--json"},
                                                  {"inspect", name},
                                                  {"inspect", name, "--slots"},
                                                  {"inspect", name, "--slots", "100000", "--bytes", "0", "--json"},
                                                  {"clear", name, "--dry-run"},
                                                  {"clear", "--dead", "--dry-run", "--json"}}) {
      const auto end = run(words);
      const bool is_in_use = words[0] == "clear" && end.code == 4;
      EXPECT_TRUE(end.code == 0 || end.code == 5 || is_in_use) << what << ": " << words[0] << "\n" << end;
      if (end.code == 0 && end.out.starts_with('{')) {
        EXPECT_TRUE(json::accept(end.out)) << what << "\n" << end;
      }
    }
    EXPECT_TRUE(read_all(file(name)) == before) << what;
  }
  static std::string word(std::uint64_t value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }
};

TEST_F(Hostile, RandomWordsInControlSeatsAndSlotsAreOnlyLookedAt) {
  make_mpmc("live");
  const auto keeper = sluice::attach<std::uint64_t, mpmc_ring>(file("live").string());  // so that it is live
  const auto whole = read_all(file("live"));
  const auto form = ring("live");
  const auto control = form["control_offset"].get<std::uint64_t>();
  std::mt19937_64 next(11);
  for (int round = 0; round < 25; ++round) {
    auto bytes = whole;
    // Words anywhere behind the header; every second round all of them.
    const auto changes = round % 2 == 0 ? bytes.size() / 8 : 20;
    for (std::size_t i = 0; i < changes; ++i) {
      const auto at = round % 2 == 0 ? control + i * 8 : control + next() % (bytes.size() - control - 8);
      if (at + 8 > bytes.size()) break;
      bytes.replace(at, 8, word(round % 4 == 0 ? next() : next() % 1000));
    }
    patch(file("live"), 0, bytes);  // in place: the file stays the one that is attached to
    look_at("live", "round " + std::to_string(round));
  }
  patch(file("live"), 0, whole);
  EXPECT_EQ(ring("live")["published_slots"], 40);
}

TEST_F(Hostile, CountersAtTheEdgesOfTheirRange) {
  make_mpmc("edges");
  const auto form = ring("edges");
  const auto control = form["control_offset"].get<std::uint64_t>();
  const std::uint64_t edges[] = {
      0, 1, 63, 64, 65, std::uint64_t{1} << 32, std::uint64_t{1} << 48, ~std::uint64_t{0} - 1, ~std::uint64_t{0}};
  for (const auto tail : edges)
    for (const auto head : edges) {
      patch(file("edges"), control + 512, word(tail));
      patch(file("edges"), control + 640, word(head));
      const auto end = run({"inspect", "edges", "--slots", "100000", "--json"});
      ASSERT_EQ(end.code, 0) << tail << " " << head << "\n" << end;
      const auto found = json::parse(end.out)["rings"][0];
      EXPECT_LE(found["fill_slots"], 64) << tail << " " << head;
      EXPECT_LE(found["slots"].size(), 128U) << tail << " " << head;
    }
}

/// The walk over the slots is bounded by what is looked at, not by what the header claims to have.
TEST_F(Hostile, ARingOf4BillionSlotsIsNotWalked) {
  make_mpmc("giant");
  auto bytes = read_all(file("giant"));
  const auto form = ring("giant");
  const auto slots_end = [](std::uint64_t offset, std::uint64_t stride) { return offset + (stride << 32); };
  const auto length =
      slots_end(form["slots_offset"].get<std::uint64_t>(), form["slot_stride_bytes"].get<std::uint64_t>());
  forge(std::as_writable_bytes(std::span(bytes)), [&](segment_header& header) {
    header.parts[0].slots.capacity_slots = std::uint64_t{1} << 32;
    header.parts[0].body_bytes = header.parts[0].slots.slot_stride_bytes << 32;
    header.asked_bytes = length;
    header.mapped_bytes = (length + 4095) / 4096 * 4096;
  });
  write_all(file("giant"), bytes);
  std::filesystem::resize_file(file("giant"), (length + 4095) / 4096 * 4096);
  const auto control = form["control_offset"].get<std::uint64_t>();
  for (const auto& [tail, head] : {std::pair{std::uint64_t{1} << 33, std::uint64_t{1} << 33},
                                   {std::uint64_t{1} << 33, std::uint64_t{1} << 32},
                                   {~std::uint64_t{0}, ~std::uint64_t{0}},
                                   {std::uint64_t{40}, std::uint64_t{1} << 33}}) {
    patch(file("giant"), control + 512, word(tail));
    patch(file("giant"), control + 640, word(head));
    const auto end = run({"inspect", "giant", "--slots", "1000000", "--json"});
    ASSERT_EQ(end.code, 0) << end;
    EXPECT_LE(json::parse(end.out)["rings"][0]["slots"].size(), 16'384U);
    EXPECT_EQ(run({"list"}).code, 0);
  }
}

TEST_F(Hostile, MessagesAreFoundWhereverTheyAreInALargeRing) {
  auto channel = sluice::channel<std::uint64_t, mpmc_ring>::create(registry(registry_.string()), segment_name("large"),
                                                                   {.capacity_slots = 1 << 16});
  auto producer = channel.producer();
  auto consumer = channel.consumer();
  std::uint64_t got = 0;
  for (std::uint64_t i = 0; i < (1 << 17); ++i) {
    ASSERT_TRUE(producer.try_send(i));
    ASSERT_TRUE(consumer.try_receive(got));
  }
  ASSERT_TRUE(producer.try_send(7U));
  const auto held = consumer.try_peek();
  ASSERT_TRUE(producer.try_send(8U));
  const auto found = json::parse(run({"inspect", "large", "--slots", "--json"}).out)["rings"][0];
  EXPECT_EQ(found["published_slots"], 2);
  ASSERT_EQ(found["slots"].size(), 2U);
  EXPECT_EQ(found["slots"][0]["holder_pid"], ::getpid());
  EXPECT_EQ(found["slots"][0]["message_hex"], "0700000000000000");
  EXPECT_TRUE(found["slots"][1]["holder_pid"].is_null());
}

}  // namespace
}  // namespace sluice::detail::test
