#pragma once

// Every memory a ring can live in, behind one interface: made from a request, gives a view.

#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/segment.hpp"
#include "support/temp_registry.hpp"

namespace sluice::detail::test {

/// Memory on the heap, exactly as long as the ring says it needs: the address sanitizer sees one byte too far.
class callers_memory {
 public:
  static constexpr const char* name = "CallersMemory";
  explicit callers_memory(const ring_request& request)
      : length_(ring_memory_bytes(request)),
        alignment_{std::max<std::size_t>(2 * cache_line_bytes, request.type.message_alignment)},
        begin_(static_cast<std::byte*>(::operator new(length_, alignment_))) {
    std::fill_n(begin_, length_, std::byte{0});
    view_ = view_memory(bytes(), request);
  }
  callers_memory(const callers_memory&) = delete;
  callers_memory& operator=(const callers_memory&) = delete;
  ~callers_memory() { ::operator delete(begin_, alignment_); }
  [[nodiscard]] const ring_view& view() const noexcept { return view_; }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {begin_, length_}; }

 private:
  std::size_t length_;
  std::align_val_t alignment_;
  std::byte* begin_;
  ring_view view_;
};

/// A whole segment with a header, seen through its descriptor as any process that attaches sees it.
class segment_memory {
 public:
  [[nodiscard]] const ring_view& view() const noexcept { return view_; }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return segment_.bytes(); }

 protected:
  void make(segment memory, const segment_plan& plan) {
    segment_ = std::move(memory);
    segment_origin origin;
    origin.kind = segment_.kind();
    format_segment(segment_.bytes(), plan, origin);
    validate_segment(segment_.bytes(), segment_.bytes().size(), "validate");
    view_ = view_ring(segment_.bytes(), segment_.header().parts[0]);
  }

 private:
  segment segment_;
  ring_view view_;
};

template <class Segment>
class unnamed_memory : public segment_memory {
 public:
  static constexpr const char* name = Segment::kind == segment_kind::zero ? "ZeroSegment" : "AnonymousSegment";
  explicit unnamed_memory(const ring_request& request) {
    const auto plan = plan_segment(request);
    make(Segment::create(plan.mapped_bytes), plan);
  }
};

class file_memory : public segment_memory {
 public:
  static constexpr const char* name = "FileSegment";
  explicit file_memory(const ring_request& request) {
    const auto plan = plan_segment(request);
    make(file_segment::create(directory_ / "ring", plan.mapped_bytes), plan);
  }

 private:
  temp_directory directory_;
};

}  // namespace sluice::detail::test
