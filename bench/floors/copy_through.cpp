// Floor of queues that copy: into one of four slots and out of it again, and nothing but a word a slot beside it. The
// messages are built and read in memory of each process's own.
//
// Edges
//   P: producer's word store (release) -> consumer's word load (acquire): the payload is visible.
//   F: consumer's word store (release) -> producer's word load (acquire): the slot may be overwritten.
#include <atomic>
#include <cstdint>
#include <cstring>
#include <vector>

#include "harness/shared_pages.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

template <std::size_t message_bytes>
class copy_through {
 public:
  static constexpr bool carries = message_bytes >= 4096;

  explicit copy_through(const link_options&) : pages_(slots * stride_bytes), own_(message_bytes) {}
  void join(role) { pages_.touch(); }

  template <class Fill>
  bool try_send(Fill&& fill) {
    std::byte* at = slot();
    if (word(at).load(std::memory_order_acquire) != 2 * (next_ / slots)) return false;  // F
    fill(own_.data());
    std::memcpy(at + 64, own_.data(), message_bytes);
    word(at).store(2 * (next_++ / slots) + 1, std::memory_order_release);  // P
    return true;
  }
  template <class Read>
  bool try_receive(Read&& read) {
    std::byte* at = slot();
    if (word(at).load(std::memory_order_acquire) != 2 * (next_ / slots) + 1) return false;  // P
    std::memcpy(own_.data(), at + 64, message_bytes);
    word(at).store(2 * (next_++ / slots) + 2, std::memory_order_release);  // F
    read(static_cast<const std::byte*>(own_.data()));
    return true;
  }

 private:
  static constexpr std::size_t slots = 4;
  static constexpr std::size_t stride_bytes = message_bytes + 64;

  std::byte* slot() const noexcept { return pages_.data() + next_ % slots * stride_bytes; }
  static std::atomic<std::uint64_t>& word(std::byte* at) noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(at);
  }

  shared_pages pages_;
  std::vector<std::byte> own_;
  std::uint64_t next_ = 0;
};

const registered<copy_through> copy_through_entry{"floor:copy through 4 slots", origin::floor, "",
                                                  used_for::throughput};

}  // namespace
}  // namespace sluice_bench
