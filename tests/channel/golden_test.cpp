// Files that the first build of each format version wrote. docs/format.md promises that every later build of that version
// reads all messages out of them.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "os/process.hpp"
#include "sluice/channel.hpp"
#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/detail/part/topic/topic_bytes_ring.hpp"
#include "sluice/latest.hpp"
#include "sluice/registry.hpp"
#include "sluice/service.hpp"
#include "support/bytes_ends.hpp"
#include "support/disk.hpp"
#include "support/golden.hpp"
#include "support/temp_registry.hpp"
#include "support/topic_ends.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

const std::string kept = SLUICE_GOLDEN_DIR;
const segment_name golden("golden");

/// As if the machine had run ever since it was written: what memory held is still there.
image still_of_this_boot(image bytes) {
  const auto now = os::boot();
  forge(bytes, [&](segment_header& header) {
    std::copy(std::begin(now.words), std::end(now.words), header.boot_id);
    header.created_realtime_ns = realtime_now_ns();
  });
  return bytes;
}

struct delivery {
  golden_message message;
  bool was_delivered_before;
};

/// What is in there, by number: a consumer of an mpmc ring adopts what a dead one held at a tick, after newer messages.
template <class Ring>
std::vector<delivery> all_in(const registry& names) {
  auto in = channel<golden_message, Ring>::attach(names, golden).consumer();
  std::vector<delivery> all;
  while (all.size() < golden_sent - golden_released) {
    auto message = in.peek();
    all.push_back({*message, message.was_delivered_before()});
    message.release();
  }
  EXPECT_TRUE(in.empty());
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.message.number < b.message.number; });
  return all;
}

void expect_what_was_written(const std::vector<delivery>& all, std::uint64_t first, std::uint64_t marked) {
  ASSERT_EQ(all.size(), golden_sent - first);
  for (std::uint64_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].message, golden_message::of(first + i));
    EXPECT_EQ(all[i].was_delivered_before, i < marked) << i;
  }
}

template <class Ring>
class Golden : public ::testing::Test {
 protected:
  static inline const std::string name = to_string(Ring::kind);
  watchdog dog_;
};
using rings = ::testing::Types<spsc_ring, mpmc_ring>;
TYPED_TEST_SUITE(Golden, rings);

TYPED_TEST(Golden, MessagesOfAFileOfVersion2AreReadAsTheyWereLeft) {
  const temp_registry names;
  write_image(names.path("golden"), still_of_this_boot(image_of(kept + "/format2-" + this->name)));
  expect_what_was_written(all_in<TypeParam>(*names), golden_released, golden_held);
}

TYPED_TEST(Golden, DurableMessagesOfAFileOfVersion2OutlastAReset) {
  const auto folder = on_a_disk();
  if (!folder) GTEST_SKIP() << "no folder on a disk: nothing there survives a reset";
  const temp_registry names(*folder);
  write_image(names.path("golden"), after_a_reset(image_of(kept + "/format2-" + this->name + "-durable")));
  const auto all = all_in<TypeParam>(*names);
  // What mpmc consumers released is told by the slots; what an spsc consumer did, by its seat.
  expect_what_was_written(all, golden_released, all.size());
}

template <class Ring>
class GoldenBytes : public ::testing::Test {
 protected:
  static inline const std::string name = to_string(Ring::kind);

  /// All that is in there, which is everything from the first that was not released on; `marked` of it were handed out.
  static void expect_what_was_written(const registry& names, std::uint64_t marked) {
    bytes_segment<Ring> found(names.attach(golden));
    bytes_receiver<Ring> in(found);
    std::vector<typename bytes_receiver<Ring>::delivery> all;
    while (all.size() < golden_sent - golden_released) {
      auto got = in.receive();
      if (got) all.push_back(std::move(*got));
    }
    EXPECT_FALSE(in.receive());
    for (std::uint64_t i = golden_released; i < golden_sent; ++i) {
      const auto expected = golden_bytes_of(i);
      const auto got = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.message == expected; });
      ASSERT_NE(got, all.end()) << i;
      EXPECT_EQ(got->was_delivered_before, i < golden_released + marked) << i;
    }
    bytes_sender<Ring> out(found);  // takes an arena over that was in use
    EXPECT_TRUE(out.send(std::vector<std::byte>(8192)));
  }
  watchdog dog_;
};
using bytes_rings = ::testing::Types<spsc_bytes_ring, mpmc_bytes_ring>;
TYPED_TEST_SUITE(GoldenBytes, bytes_rings);

TYPED_TEST(GoldenBytes, MessagesOfAFileOfVersion2AreReadAsTheyWereLeft) {
  const temp_registry names;
  write_image(names.path("golden"), still_of_this_boot(image_of(kept + "/format2-" + this->name)));
  this->expect_what_was_written(*names, golden_held);
}

TYPED_TEST(GoldenBytes, DurableMessagesOfAFileOfVersion2OutlastAReset) {
  const auto folder = on_a_disk();
  if (!folder) GTEST_SKIP() << "no folder on a disk: nothing there survives a reset";
  const temp_registry names(*folder);
  write_image(names.path("golden"), after_a_reset(image_of(kept + "/format2-" + this->name + "-durable")));
  (void)names->recover(golden);
  this->expect_what_was_written(*names, golden_sent);
}

/// A new subscriber gets all of the history, and the one that died there holds no publisher up.
template <publishers Publishers>
void expect_topic_as_it_was_left() {
  const watchdog dog;
  const temp_registry names;
  write_image(names.path("golden"),
              still_of_this_boot(image_of(kept + "/format2-" + to_string(topic_ring<Publishers>::kind))));
  topic_segment<Publishers> found(names->attach(golden));
  lossy_reader<Publishers> reader(found.view, history::all());
  topic_receiver<Publishers> in(found);
  for (std::uint64_t i = 0; i < golden_sent; ++i) {
    golden_message read{};
    ASSERT_TRUE(reader.try_receive(reinterpret_cast<std::byte*>(&read)));
    EXPECT_EQ(read, golden_message::of(i));
    EXPECT_EQ(in.template receive<golden_message>(), golden_message::of(i));
  }
  EXPECT_EQ(reader.lost(), 0U);
  topic_sender<Publishers> out(found);
  for (std::uint64_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(out.send(golden_message::of(i))) << i;
    EXPECT_EQ(in.template receive<golden_message>(), golden_message::of(i));
  }
}
TEST(GoldenTopic, MessagesOfAFileOfVersion2AreReadAsTheyWereLeft) {
  expect_topic_as_it_was_left<publishers::one>();
  expect_topic_as_it_was_left<publishers::many>();
}

/// What is not gone is read, and the subscriber that died there does not keep the arena.
template <publishers Publishers>
void expect_topic_of_any_length_as_it_was_left() {
  const watchdog dog;
  const temp_registry names;
  using ring = topic_bytes_ring<Publishers>;
  write_image(names.path("golden"), still_of_this_boot(image_of(kept + "/format2-" + to_string(ring::kind))));
  bytes_segment<ring> found(names->attach(golden));
  bytes_receiver<ring> in(found, history::all());
  for (std::uint64_t i = golden_gone; i < golden_sent; ++i) {
    const auto got = in.receive();
    ASSERT_TRUE(got) << i;
    EXPECT_EQ(got->message, golden_bytes_of(i)) << i;
  }
  bytes_sender<ring> out(found);
  for (std::uint64_t i = 0; i < 40; ++i) {
    if (!out.send(golden_bytes_of(i))) {
      out.mend();
      ASSERT_TRUE(out.send(golden_bytes_of(i))) << i;
    }
    const auto got = in.receive();
    ASSERT_TRUE(got) << i;
    EXPECT_EQ(got->message, golden_bytes_of(i)) << i;
  }
}
TEST(GoldenTopic, MessagesOfAnyLengthInAFileOfVersion2AreReadAsTheyWereLeft) {
  expect_topic_of_any_length_as_it_was_left<publishers::one>();
  expect_topic_of_any_length_as_it_was_left<publishers::many>();
}

/// The last value is there, whole, and the successor of the writer that was killed in the next one goes on.
TEST(GoldenValues, AreReadFromFilesOfVersion2AsTheyWereLeft) {
  const watchdog dog;
  const temp_registry names;
  write_image(names.path("golden"), still_of_this_boot(image_of(kept + "/format2-latest")));
  auto in = latest<golden_message>::watch(*names, golden);
  EXPECT_EQ(in.get(), golden_message::of(golden_sent - 1));
  EXPECT_EQ(in.version(), golden_sent);
  auto out = latest<golden_message>::attach(*names, golden).writer();
  for (std::uint64_t i = 0; i < 10; ++i) {
    out.set(golden_message::of(i));
    EXPECT_EQ(in.get(), golden_message::of(i));
  }
}
TEST(GoldenValues, OfTablesAreReadFromFilesOfVersion2AsTheyWereLeft) {
  const watchdog dog;
  const temp_registry names;
  write_image(names.path("golden"), still_of_this_boot(image_of(kept + "/format2-table")));
  using link = table<golden_key, golden_message>;
  auto in = link::watch(*names, golden);
  EXPECT_EQ(in.keys().size(), golden_keys);
  for (auto i = golden_sent - golden_keys; i < golden_sent; ++i)
    EXPECT_EQ(in.get(golden_key_of(i)), golden_message::of(i));
  auto out = link::attach(*names, golden).writer();
  for (std::uint64_t i = 0; i < 10; ++i) {
    out.set(golden_key_of(i), golden_message::of(i));
    EXPECT_EQ(in.get(golden_key_of(i)), golden_message::of(i));
  }
  out.set("another", golden_message::of(77));
  EXPECT_EQ(in.get("another"), golden_message::of(77));
}

TEST(GoldenFiles, NoneIsWithoutATest) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kept)) files += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(files, 16U);
}

template <class Type, class Container>
const auto& message_of(const Container& made) {
  if constexpr (std::is_same_v<Type, sluice::bytes>)
    return made;
  else
    return made[0];
}

/// The words and bytes of a call that was under way, and that both sides of the service are taken by others.
template <class Type, class Made>
void expect_the_service_goes_on(const std::string& name, const Made& made) {
  const watchdog dog;
  const temp_registry names;
  write_image(names.path("golden"), still_of_this_boot(image_of(kept + "/format2-" + name)));
  const auto link = service<Type, Type>::attach(*names, golden);
  {
    const auto& part = link.header().parts[0];
    const auto ring = view_ring(link.memory().bytes(), part);
    const auto desks = desk_view::of(ring, part);
    for (std::uint32_t i = 0; i < 2; ++i) {
      auto& lane = desks.lane(0, i);
      EXPECT_EQ(lane.call.load(), 1U);
      EXPECT_EQ(lane.request.load(), 1 + i);
    }
    for (std::uint64_t i = 0; i < golden_parts; ++i) {
      auto& reply = desks.slot(desks.lane(0, 0), 1 + i);
      EXPECT_EQ(reply.word.load(), reply_word(1 + i, 1, reply_kind::part));
      EXPECT_EQ(reply.index, i);
      const auto expected = made(2 + i);
      const auto bytes = std::as_bytes(std::span(expected));
      ASSERT_EQ(reply.length, bytes.size());
      EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), desks.payload(reply)));
    }
  }
  auto client = link.client();
  auto server = link.server();
  const auto asked = made(7);
  auto pending = client.send(message_of<Type>(asked));
  const auto sent = std::as_bytes(std::span(asked));
  auto call = server.receive();
  while (call && !std::equal(sent.begin(), sent.end(), call.bytes().begin(), call.bytes().end())) {
    EXPECT_EQ(call.respond(message_of<Type>(asked)), wait_result::peer_gone) << "of the dead client";
    call = server.receive();
  }
  ASSERT_TRUE(call);
  EXPECT_EQ(call.respond(message_of<Type>(asked)), wait_result::ready);
  const auto response = pending.receive();
  ASSERT_TRUE(response);
  EXPECT_TRUE(std::equal(sent.begin(), sent.end(), response.bytes().begin(), response.bytes().end()));
}

TEST(GoldenService, OfVersion2IsReadAsItWasLeftAndGoesOn) {
  expect_the_service_goes_on<golden_message>(
      "service", [](std::uint64_t number) { return std::array{golden_message::of(number)}; });
}
TEST(GoldenService, OfAnyLengthOfVersion2IsReadAsItWasLeftAndGoesOn) {
  expect_the_service_goes_on<sluice::bytes>("service-bytes", golden_bytes_of);
}

}  // namespace
}  // namespace sluice::detail::test
