#pragma once

namespace sluice {
class attached_segment;
}

namespace sluice::detail {

/// An attachment as channel<T> keeps it: by a pointer, so that a program that includes channel.hpp need not know what it is
/// made of. Copies share the attachment. It may be empty, and is once it was moved from.
class kept_attachment {
 public:
  kept_attachment() noexcept = default;
  explicit kept_attachment(const attached_segment& attached);
  kept_attachment(const kept_attachment& other);
  kept_attachment(kept_attachment&& other) noexcept : kept_(other.kept_) { other.kept_ = nullptr; }
  kept_attachment& operator=(kept_attachment other) noexcept {
    auto* const old = kept_;
    kept_ = other.kept_;
    other.kept_ = old;
    return *this;
  }
  ~kept_attachment();

  [[nodiscard]] attached_segment& operator*() const noexcept { return *kept_; }

 private:
  attached_segment* kept_ = nullptr;
};

}  // namespace sluice::detail
