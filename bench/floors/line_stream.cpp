// Floor of throughput: messages are nothing but lines, and the first word of each line says that the line is there
// (the consumer knows which value comes next). No word beside the payload, no index but the consumer's progress
// every eighth of the ring. No real queue can do with less.
//
// Edges
//   L: store of a line's first word (release) -> its load (acquire): the rest of the line is visible.
//   F: consumer's progress store (release) -> producer's load (acquire): the lines before it may be overwritten.
#include <atomic>
#include <cstdint>
#include <cstring>

#include "harness/shared_pages.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

template <std::size_t message_bytes, std::size_t ring_bytes>
class line_stream {
 public:
  static constexpr std::size_t step_bytes = message_bytes < 64 ? message_bytes : 64;
  static constexpr std::size_t slots = ring_bytes / message_bytes;
  static constexpr bool carries = slots >= 2;

  explicit line_stream(const link_options&)
      : pages_(256 + slots * message_bytes), progress_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data())) {}
  void join(role) { pages_.touch(); }

  template <class Fill>
  bool try_send(Fill&&) {
    if (next_ - told_ == slots) [[unlikely]] {
      told_ = progress_->load(std::memory_order_acquire);  // F
      if (next_ - told_ == slots) return false;
    }
    // The lines are built here and not by the harness: the order inside a line is the point.
    std::byte* at = message(next_);
    const std::uint64_t base = base_word(next_);
    for (std::size_t offset = 0; offset < message_bytes; offset += step_bytes) {
      const std::uint64_t first = base + offset / 8;
      if constexpr (message_bytes >= 64) {
        const pair two[3] = {{first + 2, first + 3}, {first + 4, first + 5}, {first + 6, first + 7}};
        std::memcpy(at + offset + 48, &two[2], 16);
        std::memcpy(at + offset + 32, &two[1], 16);
        std::memcpy(at + offset + 16, &two[0], 16);
        const std::uint64_t second = first + 1;
        std::memcpy(at + offset + 8, &second, 8);
      }
      word(at + offset).store(first, std::memory_order_release);  // L
    }
    ++next_;
    return true;
  }

  template <class Read>
  bool try_receive(Read&& read) {
    const std::byte* at = message(next_);
    const std::uint64_t base = base_word(next_);
    if (word(message(next_)).load(std::memory_order_acquire) != base) return false;  // L
    for (std::size_t offset = step_bytes; offset < message_bytes; offset += step_bytes)
      while (word(message(next_) + offset).load(std::memory_order_acquire) != base + offset / 8) {
      }  // L
    read(at);
    ++next_;
    if (next_ % (slots < 8 ? 1 : slots / 8) == 0) progress_->store(next_, std::memory_order_release);  // F
    return true;
  }

 private:
  using pair [[gnu::vector_size(16)]] = std::uint64_t;

  std::byte* message(std::uint64_t sequence) const noexcept {
    return pages_.data() + 256 + sequence % slots * message_bytes;
  }
  static std::atomic<std::uint64_t>& word(std::byte* at) noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(at);
  }

  shared_pages pages_;
  std::atomic<std::uint64_t>* progress_;
  std::uint64_t next_ = 0;
  std::uint64_t told_ = 0;
};

template <std::size_t message_bytes>
using stream_256k = line_stream<message_bytes, std::size_t{256} << 10>;
template <std::size_t message_bytes>
using stream_2m = line_stream<message_bytes, std::size_t{2} << 20>;
template <std::size_t message_bytes>
using stream_8m = line_stream<message_bytes, std::size_t{8} << 20>;

const registered<stream_256k> stream_256k_entry{"floor:stream 256K ring", origin::floor, "", used_for::throughput};
const registered<stream_2m> stream_2m_entry{"floor:stream 2M ring", origin::floor, "", used_for::throughput};
const registered<stream_8m> stream_8m_entry{"floor:stream 8M ring", origin::floor, "", used_for::throughput};

}  // namespace
}  // namespace sluice_bench
