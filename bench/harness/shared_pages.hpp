// Anonymous MAP_SHARED memory that a runner maps before it forks. fork does not copy the page table of a shared
// mapping, so every process calls touch() before it measures; else the first lap measures page faults.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

namespace sluice_bench {

inline void touch_pages(std::byte* at, std::size_t length_bytes) noexcept {
  constexpr std::size_t page_bytes = 4096;
#ifdef MADV_POPULATE_WRITE
  if (::madvise(at, length_bytes, MADV_POPULATE_WRITE) == 0) return;
#endif
  // Older kernel: an atomic add of nothing writes the page and loses no other process's byte.
  for (std::size_t offset = 0; offset < length_bytes; offset += page_bytes)
    __atomic_fetch_add(reinterpret_cast<unsigned char*>(at + offset), 0, __ATOMIC_RELAXED);
}

class shared_pages {
 public:
  explicit shared_pages(std::size_t length_bytes) : length_bytes_((length_bytes + 4095) & ~std::size_t{4095}) {
    void* at = ::mmap(nullptr, length_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::system_error(errno, std::system_category(), "mmap of shared pages");
    data_ = static_cast<std::byte*>(at);
    touch();
  }
  shared_pages(shared_pages&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), length_bytes_(other.length_bytes_) {}
  shared_pages& operator=(shared_pages&&) = delete;
  ~shared_pages() {
    if (data_ != nullptr) ::munmap(data_, length_bytes_);
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t length_bytes() const noexcept { return length_bytes_; }
  void touch() const noexcept { touch_pages(data_, length_bytes_); }

 private:
  std::byte* data_ = nullptr;
  std::size_t length_bytes_;
};

}  // namespace sluice_bench
