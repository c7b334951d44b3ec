#pragma once

// What every kind of segment does. A kind joins by one line in segment_kinds_test.cpp: a maker with
//   static segment make(std::uint64_t bytes)    a fresh one
//   static constexpr segment_kind kind

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "sluice/segment.hpp"
#include "support/child_process.hpp"
#include "support/pipe_signal.hpp"
#include "support/proc_maps.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {

template <class Maker>
struct SegmentSuite : ::testing::Test {
  watchdog dog;
  Maker maker;
  [[nodiscard]] static std::uint64_t page() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }
};

TYPED_TEST_SUITE_P(SegmentSuite);

TYPED_TEST_P(SegmentSuite, IsOfItsKind) { EXPECT_EQ(this->maker.make(4096).kind(), TypeParam::kind); }

TYPED_TEST_P(SegmentSuite, BeginsAsZeroes) {
  const auto memory = this->maker.make(3 * this->page());
  EXPECT_TRUE(std::all_of(memory.bytes().begin(), memory.bytes().end(), [](auto b) { return b == std::byte{0}; }));
}

TYPED_TEST_P(SegmentSuite, LengthIsRoundedUpToPages) {  // seeds row 7
  EXPECT_EQ(this->maker.make(1).bytes().size(), this->page());
  EXPECT_EQ(this->maker.make(this->page()).bytes().size(), this->page());
  EXPECT_EQ(this->maker.make(5000).bytes().size(), (5000 + this->page() - 1) / this->page() * this->page());
}

TYPED_TEST_P(SegmentSuite, BeginsAtAPage) {
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this->maker.make(1).bytes().data()) % this->page(), 0U);
}

TYPED_TEST_P(SegmentSuite, EveryByteCanBeWritten) {
  const auto memory = this->maker.make(2 * this->page());
  std::fill(memory.bytes().begin(), memory.bytes().end(), std::byte{0xa5});
  EXPECT_EQ(memory.bytes().back(), std::byte{0xa5});
}

TYPED_TEST_P(SegmentSuite, ParentSeesWhatItsChildWrites) {
  const auto memory = this->maker.make(this->page());
  auto child = child_process::fork([&] { memory.bytes()[100] = std::byte{7}; });
  ASSERT_TRUE(child.wait().is_success());
  EXPECT_EQ(memory.bytes()[100], std::byte{7});
}

TYPED_TEST_P(SegmentSuite, ChildSeesWhatItsParentWritesAfterTheFork) {
  const auto memory = this->maker.make(this->page());
  pipe_signal written;
  auto child = child_process::fork([&] {
    written.only_wait();
    return written.is_told() && memory.bytes()[100] == std::byte{7} ? 0 : 1;
  });
  memory.bytes()[100] = std::byte{7};
  written.tell();
  EXPECT_TRUE(child.wait().is_success());
}

TYPED_TEST_P(SegmentSuite, StaysWithTheParentWhenItsChildIsKilled) {
  const auto memory = this->maker.make(this->page());
  pipe_signal written;
  auto child = child_process::fork([&] {
    memory.bytes()[1] = std::byte{9};
    written.tell();
    for (;;) ::pause();
  });
  written.only_wait();
  ASSERT_TRUE(written.is_told());
  child.kill();
  EXPECT_EQ(memory.bytes()[1], std::byte{9});
}

TYPED_TEST_P(SegmentSuite, IsUnmappedWhenTheLastCopyGoes) {  // seeds row 17
  const void* at = nullptr;
  {
    const auto memory = this->maker.make(4 * this->page());
    at = memory.bytes().data();
    { const auto copy = memory; }
    EXPECT_NE(mapping_at(at), "");
  }
  EXPECT_EQ(mapping_at(at), "");
}

TYPED_TEST_P(SegmentSuite, LeavesNoDescriptorOpen) {
  const auto next = [] {
    const int probe = ::dup(0);
    ::close(probe);
    return probe;
  };
  const int before = next();
  { const auto memory = this->maker.make(this->page()); }
  EXPECT_EQ(next(), before);
}

TYPED_TEST_P(SegmentSuite, TwoOfThemShareNothing) {
  const auto first = this->maker.make(this->page());
  const auto second = this->maker.make(this->page());
  first.bytes()[0] = std::byte{1};
  EXPECT_EQ(second.bytes()[0], std::byte{0});
}

TYPED_TEST_P(SegmentSuite, IsSharedAndReadableAndWritable) {
  const auto memory = this->maker.make(this->page());
  EXPECT_NE(mapping_at(memory.bytes().data()).find("rw-s"), std::string::npos);
}

REGISTER_TYPED_TEST_SUITE_P(SegmentSuite, IsOfItsKind, BeginsAsZeroes, LengthIsRoundedUpToPages, BeginsAtAPage,
                            EveryByteCanBeWritten, ParentSeesWhatItsChildWrites,
                            ChildSeesWhatItsParentWritesAfterTheFork, StaysWithTheParentWhenItsChildIsKilled,
                            IsUnmappedWhenTheLastCopyGoes, LeavesNoDescriptorOpen, TwoOfThemShareNothing,
                            IsSharedAndReadableAndWritable);

}  // namespace sluice::detail::test
