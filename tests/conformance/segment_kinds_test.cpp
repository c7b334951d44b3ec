// One line for each kind of segment.

#include <string>

#include "conformance/segment_suite.hpp"
#include "sluice/segment.hpp"
#include "support/temp_registry.hpp"

namespace sluice::test {
namespace {

struct file_maker {
  static constexpr auto kind = segment_kind::file;
  segment make(std::uint64_t bytes) { return file_segment::create(directory / std::to_string(count++), bytes); }
  temp_directory directory;
  int count = 0;
};

struct anonymous_maker {
  static constexpr auto kind = segment_kind::anonymous;
  static segment make(std::uint64_t bytes) { return anonymous_segment::create(bytes); }
};

struct zero_maker {
  static constexpr auto kind = segment_kind::zero;
  static segment make(std::uint64_t bytes) { return zero_segment::create(bytes); }
};

using segment_kinds = ::testing::Types<file_maker, anonymous_maker, zero_maker>;

struct kind_name {
  template <class Maker>
  static std::string GetName(int) {
    return to_string(Maker::kind);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Of, SegmentSuite, segment_kinds, kind_name);

}  // namespace
}  // namespace sluice::test
