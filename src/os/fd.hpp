#pragma once

#include <utility>

namespace sluice::os {

/// Owns a file descriptor: close(2) when it goes. -1: none.
class fd {
 public:
  fd() noexcept = default;
  explicit fd(int value) noexcept : value_(value) {}
  /// What open(2) and its like returned, as a number of 3 or above: where a program runs with standard input, output or
  /// error closed, the kernel gives that number to the next file, and what is printed would be written into it. With
  /// close-on-exec. Empty, with errno set, when `opened` is -1 or no number is left.
  [[nodiscard]] static fd above_standard(int opened) noexcept;
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
