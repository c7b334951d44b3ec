// Why mapped files and shared memory are fast, as far as it is true on every machine: what the kernel is asked for. How
// fast they are on one machine is what bench_memory, bench_ping_pong and bench_throughput measure.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/segment.hpp"
#include "support/call_counter.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
namespace {

using test::count_system_calls;
using test::count_system_calls_of;

// ---- Row 19: a large file, visited again and again --------------------------------------------------------------------

constexpr std::uint64_t pages = 256, visits = 4;
const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));

std::uint64_t faults_so_far() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<std::uint64_t>(used.ru_minflt + used.ru_majflt);
}

struct SeedsRow19 : ::testing::Test {
  test::watchdog dog;
  test::temp_directory directory{"/var/tmp"};  // on a disk, where there is one
  std::string path = directory / "large";
  std::uint64_t sum = 0;  // of the first word of each page

  SeedsRow19() {
    const auto file = file_segment::create(path, pages * page);
    for (std::uint64_t i = 0; i < pages; ++i) {
      std::memcpy(file.bytes().data() + i * page, &i, sizeof i);
      sum += i;
    }
    file.flush();
  }
};

TEST_F(SeedsRow19, AMappedFileIsVisitedAgainWithoutAnyCallWhereReadNeedsOneForEachPage) {
  const auto by_pread = count_system_calls([&] {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    return [file, sum = sum] {  // not `this`, at which a sanitizer looks by system calls
      bool is_right = true;
      for (std::uint64_t visit = 0; visit < visits; ++visit) {
        std::uint64_t found = 0;
        for (std::uint64_t i = 0; i < pages; ++i) {
          std::uint64_t word = 0;
          is_right = is_right && ::pread(file, &word, sizeof word, static_cast<off_t>(i * page)) == sizeof word;
          found += word;
        }
        is_right = is_right && found == sum;
      }
      return is_right;
    };
  });
  EXPECT_TRUE(by_pread.was_right);
  EXPECT_EQ(by_pread.calls, visits * pages);

  const auto mapped = count_system_calls([&] {
    const auto file = file_segment::attach(path, {.access = view::read_only});
    return [file, sum = sum] {  // not `this`, at which a sanitizer looks by system calls
      bool is_right = true;
      for (std::uint64_t visit = 0; visit < visits; ++visit) {
        std::uint64_t found = 0;
        for (std::uint64_t i = 0; i < pages; ++i) {
          std::uint64_t word = 0;
          std::memcpy(&word, file.bytes().data() + i * page, sizeof word);
          found += word;
        }
        is_right = is_right && found == sum;
      }
      return is_right;
    };
  });
  EXPECT_TRUE(mapped.was_right);
  EXPECT_EQ(mapped.calls, 0U);
}

TEST_F(SeedsRow19, OnlyTheFirstVisitOfAMappedFileFaults) {
  const auto file = file_segment::attach(path, {.access = view::read_only});
  const auto visit = [&] {
    const auto before = faults_so_far();
    std::uint64_t found = 0;
    for (std::uint64_t i = 0; i < pages; ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, file.bytes().data() + i * page, sizeof word);
      found += word;
    }
    EXPECT_EQ(found, sum);
    return faults_so_far() - before;
  };
  const auto first = visit();
  EXPECT_GT(first, 0U);
  // The kernel may take a page back at any time; it does not take them all, as often as this asks.
  std::uint64_t fewest = first;
  for (int again = 0; again < 5; ++again) fewest = std::min(fewest, visit());
  EXPECT_LT(fewest, first);
}

// ---- Row 20: a message from one process to another ---------------------------------------------------------------------

/// So many as a POSIX queue holds without privileges. All are sent before any is received: no side waits.
constexpr std::uint64_t messages = 8;

struct message {
  std::uint64_t number;
  std::array<std::uint64_t, 7> content;
};
message message_of(std::uint64_t number) {
  message made{number, {}};
  for (auto& word : made.content) word = ++number * 0x9e3779b97f4a7c15;
  return made;
}
bool is_whole(const message& got, std::uint64_t number) {
  const auto expected = message_of(number);
  return std::memcmp(&got, &expected, sizeof got) == 0;
}

/// Sends from one child and receives in another; how many system calls both needed for a message.
template <class Send, class Receive>
double calls_a_message(Send send, Receive receive) {
  const auto sending = count_system_calls_of([&] {
    for (std::uint64_t i = 0; i < messages; ++i)
      if (!send(message_of(i))) return false;
    return true;
  });
  const auto receiving = count_system_calls_of([&] {
    for (std::uint64_t i = 0; i < messages; ++i) {
      message got{};
      if (!receive(got) || !is_whole(got, i)) return false;
    }
    return true;
  });
  EXPECT_TRUE(sending.was_right);
  EXPECT_TRUE(receiving.was_right) << "every message arrived whole, in order";
  return static_cast<double>(sending.calls + receiving.calls) / static_cast<double>(messages);
}

/// The same through descriptors for bytes.
double calls_a_message(int into, int out_of) {
  const auto size = static_cast<ssize_t>(sizeof(message));
  return calls_a_message([=](const message& one) { return ::write(into, &one, sizeof one) == size; },
                         [=](message& one) { return ::read(out_of, &one, sizeof one) == size; });
}

template <class Ring>
double calls_a_message_by_ring() {
  const auto shared = channel<message, Ring>::create_unnamed({.capacity_slots = 16});
  const auto sending = count_system_calls([&] {
    return [out = std::make_shared<producer<message, Ring, spin_then_park>>(shared.producer())] {
      for (std::uint64_t i = 0; i < messages; ++i)
        if (!out->try_send(message_of(i))) return false;
      return true;
    };
  });
  const auto receiving = count_system_calls([&] {
    return [in = std::make_shared<consumer<message, Ring, spin_then_park>>(shared.consumer())] {
      for (std::uint64_t i = 0; i < messages; ++i) {
        message got{};
        if (!in->try_receive(got) || !is_whole(got, i)) return false;
      }
      return true;
    };
  });
  EXPECT_TRUE(sending.was_right);
  EXPECT_TRUE(receiving.was_right) << "every message arrived whole, in order";
  return static_cast<double>(sending.calls + receiving.calls) / static_cast<double>(messages);
}

struct SeedsRow20 : ::testing::Test {
  test::watchdog dog;
};

TEST_F(SeedsRow20, AMessageThroughARingNeedsNoCall) {
  EXPECT_EQ(calls_a_message_by_ring<spsc_ring>(), 0.0);
  EXPECT_EQ(calls_a_message_by_ring<mpmc_ring>(), 0.0);
}

TEST_F(SeedsRow20, AMessageThroughAPipeNeedsTwo) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EXPECT_EQ(calls_a_message(ends[1], ends[0]), 2.0);
  for (const int end : ends) ::close(end);
}

TEST_F(SeedsRow20, AMessageThroughAUnixSocketNeedsTwo) {
  for (const int kind : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, kind | SOCK_CLOEXEC, 0, ends), 0);
    EXPECT_EQ(calls_a_message(ends[1], ends[0]), 2.0) << kind;
    for (const int end : ends) ::close(end);
  }
}

TEST_F(SeedsRow20, AMessageThroughAPosixQueueNeedsTwo) {
  const auto name = "/sluice-test-" + std::to_string(::getpid());
  mq_attr form{};
  form.mq_maxmsg = messages;
  form.mq_msgsize = sizeof(message);
  const auto queue = ::mq_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600, &form);
  if (queue < 0 && errno == ENOSYS) GTEST_SKIP() << "this kernel has no POSIX message queues";
  ASSERT_GE(queue, 0) << std::strerror(errno);
  ::mq_unlink(name.c_str());
  EXPECT_EQ(
      calls_a_message(
          [=](const message& one) { return ::mq_send(queue, reinterpret_cast<const char*>(&one), sizeof one, 0) == 0; },
          [=](message& one) {
            return ::mq_receive(queue, reinterpret_cast<char*>(&one), sizeof one, nullptr) == sizeof one;
          }),
      2.0);
  ::mq_close(queue);
}

}  // namespace
}  // namespace sluice::detail
