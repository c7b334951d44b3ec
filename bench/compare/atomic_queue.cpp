// Peer: max0x7ba's atomic_queue, AtomicQueue2 for messages that are no atomic word, in shared memory, as MPMC and in
// its SPSC mode. Capacity is fixed when compiled: always default_ring_bytes.
#include <atomic_queue/atomic_queue.h>

#include <memory>

#include "harness/many.hpp"
#include "harness/shared_object.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

template <std::size_t message_bytes>
struct message {
  alignas(8) std::byte bytes[message_bytes];
};

template <std::size_t message_bytes, bool single_producer_single_consumer>
class atomic_queue_link {
 public:
  explicit atomic_queue_link(const link_options&) : staging_(std::make_unique<message<message_bytes>>()) {}
  void join(role) { queue_.touch(); }

  template <class Fill>
  bool try_send(Fill&& fill) {
    if (!is_staged_) fill(staging_->bytes);
    is_staged_ = !queue_->try_push(*staging_);
    return !is_staged_;
  }
  template <class Read>
  bool try_receive(Read&& read) {
    if (!queue_->try_pop(*staging_)) return false;
    read(static_cast<const std::byte*>(staging_->bytes));
    return true;
  }

 private:
  using queue = ::atomic_queue::AtomicQueue2<message<message_bytes>, slots_for(message_bytes, 0), true, true, false,
                                             single_producer_single_consumer>;
  shared_object<queue> queue_;
  std::unique_ptr<message<message_bytes>> staging_;
  bool is_staged_ = false;
};

template <std::size_t message_bytes>
using mpmc = atomic_queue_link<message_bytes, false>;
template <std::size_t message_bytes>
using spsc = atomic_queue_link<message_bytes, true>;

const registered<mpmc> mpmc_entry{"atomic_queue (MPMC)", origin::peer, "copies in and out"};
const registered<spsc> spsc_entry{"atomic_queue (SPSC)", origin::peer, "copies in and out"};
const registered_many<mpmc> mpmc_many_entry{"atomic_queue (MPMC)", origin::peer};

}  // namespace
}  // namespace sluice_bench
