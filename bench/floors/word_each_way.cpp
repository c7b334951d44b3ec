// Floor of latency for one word: each direction has a line of its own, and the word is the whole message.
//
// Edges
//   W: word store (release) -> word load (acquire): nothing but the word is handed over.
#include <atomic>
#include <cstdint>
#include <cstring>

#include "harness/shared_pages.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

template <std::size_t message_bytes>
class word_each_way {
 public:
  static constexpr bool carries = message_bytes == 8;

  explicit word_each_way(const link_options&)
      : pages_(4096), word_(reinterpret_cast<std::atomic<std::uint64_t>*>(pages_.data())) {}
  void join(role) { pages_.touch(); }

  template <class Fill>
  bool try_send(Fill&& fill) {
    std::uint64_t value = 0;
    fill(reinterpret_cast<std::byte*>(&value));
    word_->store(value, std::memory_order_release);  // W
    return true;
  }
  template <class Read>
  bool try_receive(Read&& read) {
    const std::uint64_t value = word_->load(std::memory_order_acquire);  // W
    if (value == seen_) return false;
    seen_ = value;
    read(reinterpret_cast<const std::byte*>(&value));
    return true;
  }

 private:
  shared_pages pages_;
  std::atomic<std::uint64_t>* word_;
  std::uint64_t seen_ = 0;
};

const registered<word_each_way> word_each_way_entry{"floor:word each way", origin::floor, "", used_for::latency};

}  // namespace
}  // namespace sluice_bench
