#pragma once

#include <utility>

namespace sluice::os {

/// Owns a file descriptor: close(2) when it goes. -1: none.
class fd {
 public:
  fd() noexcept = default;
  explicit fd(int value) noexcept : value_(value) {}
  fd(fd&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  fd& operator=(fd&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~fd();

  [[nodiscard]] int get() const noexcept { return value_; }
  [[nodiscard]] explicit operator bool() const noexcept { return value_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(value_, -1); }

 private:
  int value_ = -1;
};

}  // namespace sluice::os
