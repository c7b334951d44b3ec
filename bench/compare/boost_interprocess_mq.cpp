// Peer: boost::interprocess::message_queue, the message queue that most people find first. It copies in and out
// under a process-shared mutex and keeps priorities.
#include <boost/interprocess/ipc/message_queue.hpp>

#include <vector>

#include "harness/blocking.hpp"
#include "harness/many.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

namespace bi = boost::interprocess;

template <std::size_t message_bytes>
class boost_interprocess_mq {
 public:
  static constexpr bool gives_core_away = true;  // its mutex yields and sleeps when it is taken

  explicit boost_interprocess_mq(const link_options& options)
      : name_(options.run_name + "_" + std::to_string(options.index)),
        removed_first_(bi::message_queue::remove(name_.c_str())),
        queue_(bi::create_only, name_.c_str(), slots_for(message_bytes, options.ring_bytes), message_bytes),
        staging_(message_bytes) {}
  ~boost_interprocess_mq() { bi::message_queue::remove(name_.c_str()); }
  boost_interprocess_mq(const boost_interprocess_mq&) = delete;
  boost_interprocess_mq& operator=(const boost_interprocess_mq&) = delete;

  void join(role) {}  // mapped before the fork; the warm-up walks through all slots

  template <class Fill>
  bool try_send(Fill&& fill) {
    if (!is_staged_) fill(staging_.data());
    is_staged_ = !queue_.try_send(staging_.data(), message_bytes, 0);
    return !is_staged_;
  }
  template <class Read>
  bool try_receive(Read&& read) {
    bi::message_queue::size_type length_bytes = 0;
    unsigned priority = 0;
    if (!queue_.try_receive(staging_.data(), message_bytes, length_bytes, priority)) return false;
    read(static_cast<const std::byte*>(staging_.data()));
    return true;
  }
  template <class Fill>
  void send(Fill&& fill) {
    fill(staging_.data());
    queue_.send(staging_.data(), message_bytes, 0);
  }
  template <class Read>
  void receive(Read&& read) {
    bi::message_queue::size_type length_bytes = 0;
    unsigned priority = 0;
    queue_.receive(staging_.data(), message_bytes, length_bytes, priority);
    read(static_cast<const std::byte*>(staging_.data()));
  }

 private:
  std::string name_;
  bool removed_first_;
  bi::message_queue queue_;
  std::vector<std::byte> staging_;
  bool is_staged_ = false;
};

const registered<boost_interprocess_mq> boost_interprocess_mq_entry{"Boost.Interprocess mq", origin::peer,
                                                                    "copies in and out under a mutex"};
const registered_blocking<boost_interprocess_mq> boost_interprocess_mq_blocking_entry{"Boost.Interprocess mq",
                                                                                      origin::peer};
const registered_many<boost_interprocess_mq> boost_interprocess_mq_many_entry{"Boost.Interprocess mq", origin::peer};

}  // namespace
}  // namespace sluice_bench
