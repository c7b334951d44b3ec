// One line for each kind of segment.

#include <string>
#include <utility>

#include "conformance/segment_suite.hpp"
#include "sluice/detail/base/bytes.hpp"
#include "sluice/segment.hpp"
#include "support/temp_registry.hpp"

namespace sluice::detail::test {
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

struct memfd_maker {
  static constexpr auto kind = segment_kind::memfd;
  static segment make(std::uint64_t bytes) { return memfd_segment::create(bytes); }
};

/// Regions of one large file, one behind the other.
struct adopted_maker {
  static constexpr auto kind = segment_kind::adopted;
  segment make(std::uint64_t bytes) {
    const auto at = std::exchange(end, round_up(end + bytes, page));
    return adopted_segment::map(large.file().descriptor, bytes, at);
  }
  std::uint64_t page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  segment large = memfd_segment::create(64 * page);
  std::uint64_t end = page;
};

using segment_kinds = ::testing::Types<file_maker, anonymous_maker, zero_maker, memfd_maker, adopted_maker>;

struct kind_name {
  template <class Maker>
  static std::string GetName(int) {
    return to_string(Maker::kind);
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(Of, SegmentSuite, segment_kinds, kind_name);

}  // namespace
}  // namespace sluice::detail::test
