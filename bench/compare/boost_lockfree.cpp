// Peers: boost::lockfree::spsc_queue and boost::lockfree::queue, built in shared memory. Both need their capacity
// when compiled, so the ring option does not reach them: they always have default_ring_bytes. The MPMC queue must
// be fixed-sized (capacity<> implies it), else its nodes and their allocator would be private to one process.
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>

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

template <std::size_t message_bytes>
inline constexpr std::size_t lockfree_slots = std::min<std::size_t>(slots_for(message_bytes, 0),
                                                                    32'768);  // queue: 16-bit indices

template <std::size_t message_bytes>
class boost_spsc {
 public:
  explicit boost_spsc(const link_options&) : staging_(std::make_unique<message<message_bytes>>()) {}
  void join(role) { queue_.touch(); }

  template <class Fill>
  bool try_send(Fill&& fill) {
    if (!is_staged_) fill(staging_->bytes);
    is_staged_ = !queue_->push(*staging_);
    return !is_staged_;
  }
  template <class Read>
  bool try_receive(Read&& read) {
    return queue_->consume_one([&](const message<message_bytes>& m) { read(static_cast<const std::byte*>(m.bytes)); });
  }

 private:
  using queue =
      boost::lockfree::spsc_queue<message<message_bytes>, boost::lockfree::capacity<lockfree_slots<message_bytes>>>;
  shared_object<queue> queue_;
  std::unique_ptr<message<message_bytes>> staging_;
  bool is_staged_ = false;
};

template <std::size_t message_bytes>
class boost_mpmc {
 public:
  explicit boost_mpmc(const link_options&) : staging_(std::make_unique<message<message_bytes>>()) {}
  void join(role) { queue_.touch(); }

  template <class Fill>
  bool try_send(Fill&& fill) {
    if (!is_staged_) fill(staging_->bytes);
    is_staged_ = !queue_->bounded_push(*staging_);
    return !is_staged_;
  }
  template <class Read>
  bool try_receive(Read&& read) {
    if (!queue_->pop(*staging_)) return false;
    read(static_cast<const std::byte*>(staging_->bytes));
    return true;
  }

 private:
  using queue =
      boost::lockfree::queue<message<message_bytes>, boost::lockfree::capacity<lockfree_slots<message_bytes>>>;
  shared_object<queue> queue_;
  std::unique_ptr<message<message_bytes>> staging_;
  bool is_staged_ = false;
};

const registered<boost_spsc> boost_spsc_entry{"boost::lockfree::spsc_queue", origin::peer, "copies in, read in place"};
const registered<boost_mpmc> boost_mpmc_entry{"boost::lockfree::queue", origin::peer, "MPMC; copies in and out"};
const registered_many<boost_mpmc> boost_mpmc_many_entry{"boost::lockfree::queue", origin::peer};

}  // namespace
}  // namespace sluice_bench
