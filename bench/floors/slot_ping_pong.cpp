// Floor of latency for a payload: a word and the payload behind it, one slot each way, and no question whether the
// slot is free: in a ping-pong it is. The rotating form walks through 4 MiB of slots, so large payloads do not
// always hit the lines that the other core owns; it can be the faster one from 4 KiB on.
//
// Edges
//   P: word store (release) -> word load (acquire): the payload is visible.
#include <atomic>
#include <cstdint>

#include "harness/shared_pages.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

template <std::size_t message_bytes, bool rotating>
class slot_link {
 public:
  // Up to 56 bytes fit behind the word in its line; longer payloads begin in it and run on.
  static constexpr std::size_t stride_bytes = (message_bytes + 8 + 63) / 64 * 64;
  static constexpr std::size_t slots = rotating ? slots_for(stride_bytes, std::size_t{4} << 20) : 1;

  explicit slot_link(const link_options&) : pages_(slots * stride_bytes) {}
  void join(role) { pages_.touch(); }

  template <class Fill>
  bool try_send(Fill&& fill) {
    std::byte* at = slot();
    fill(at + 8);
    word(at).store(++next_, std::memory_order_release);  // P
    return true;
  }
  template <class Read>
  bool try_receive(Read&& read) {
    std::byte* at = slot();
    if (word(at).load(std::memory_order_acquire) != next_ + 1) return false;  // P
    ++next_;
    read(static_cast<const std::byte*>(at + 8));
    return true;
  }

 private:
  std::byte* slot() const noexcept { return pages_.data() + next_ % slots * stride_bytes; }
  static std::atomic<std::uint64_t>& word(std::byte* at) noexcept {
    return *reinterpret_cast<std::atomic<std::uint64_t>*>(at);
  }

  shared_pages pages_;
  std::uint64_t next_ = 0;
};

template <std::size_t message_bytes>
using one_slot = slot_link<message_bytes, false>;
template <std::size_t message_bytes>
struct rotating_slots : slot_link<message_bytes, true> {
  static constexpr bool carries = message_bytes >= 1024;
  using slot_link<message_bytes, true>::slot_link;
};

const registered<one_slot> one_slot_entry{"floor:slot", origin::floor, "", used_for::latency};
const registered<rotating_slots> rotating_entry{"floor:slot rotating 4M", origin::floor, "", used_for::latency};

}  // namespace
}  // namespace sluice_bench
