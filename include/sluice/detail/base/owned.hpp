#pragma once

// One owner of an object whose type need not be complete where the owner is: std::unique_ptr with a function in place of a
// deleter, because <memory> alone costs a program that includes channel.hpp as much as channel.hpp (docs/decisions/0045).

#include <utility>

namespace sluice::detail {

/// Destroys what it points to by `dispose(T*) noexcept`, which stands beside the declaration of T. May be empty.
template <class T>
class owned {
 public:
  owned() noexcept = default;
  explicit owned(T* object) noexcept : object_(object) {}
  owned(owned&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  owned& operator=(owned&& other) noexcept {
    if (this != &other) reset(std::exchange(other.object_, nullptr));
    return *this;
  }
  ~owned() { reset(); }

  [[nodiscard]] T& operator*() const noexcept { return *object_; }
  [[nodiscard]] T* operator->() const noexcept { return object_; }
  [[nodiscard]] explicit operator bool() const noexcept { return object_ != nullptr; }
  void reset(T* object = nullptr) noexcept {
    if (T* const old = std::exchange(object_, object)) dispose(old);
  }

 private:
  T* object_ = nullptr;
};

}  // namespace sluice::detail
