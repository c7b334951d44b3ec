// Messages of any length, in place: claimed and peeked by length, as a program does that does not know it before.
#include "harness/many.hpp"
#include "harness/transports.hpp"
#include "ours/sluice_link.hpp"

#if __has_include("sluice/bytes.hpp")  // not in every version that one may compare with
#include "sluice/bytes.hpp"
#if __has_include("sluice/detail/part/topic/topic_bytes_ring.hpp")
#include "sluice/topic.hpp"
#define SLUICE_BENCH_TOPIC_BYTES 1
#endif

namespace sluice_bench {
namespace {

template <std::size_t message_bytes, sluice::ring Ring>
class sluice_any_length {
 public:
  static constexpr bool carries = message_bytes <= 65'536;

  explicit sluice_any_length(const link_options& options)
      : directory_("/dev/shm/" + options.run_name),
        name_("link" + std::to_string(options.index)),
        channel_(channel::create(sluice::registry(directory_), sluice::segment_name(name_), sizes(options))) {}
  ~sluice_any_length() {
    sluice::registry(directory_).remove(sluice::segment_name(name_), true);
    ::rmdir(directory_.c_str());  // fails while the other link of this run is there
  }
  sluice_any_length(const sluice_any_length&) = delete;
  sluice_any_length& operator=(const sluice_any_length&) = delete;

  void join(role as) {
    if (as == role::producer) {
      producer_.emplace(channel_.template producer<sluice::busy_spin>());
      touch_memory_of(channel_);
    } else {
      consumer_.emplace(channel_.template consumer<sluice::busy_spin>());
      touch_memory_of(channel_);
    }
  }

  template <class Fill>
  [[gnu::always_inline]] bool try_send(Fill&& fill) {
    auto room = producer_->try_claim(message_bytes);
    if (!room) return false;
    fill(room.bytes().data());
    while (!room.try_publish(message_bytes)) continue;  // the ring is full: the message is made, and waits for its slot
    return true;
  }
  template <class Read>
  [[gnu::always_inline]] bool try_receive(Read&& read) {
    auto message = consumer_->try_peek();
    if (!message) return false;
    read(message.bytes().data());
    message.release();
    return true;
  }
  template <class Fill>
  [[gnu::always_inline]] std::size_t try_send_batch(std::size_t count, Fill&& fill) {
    auto slots = producer_->try_claim_batch(count);
    std::size_t added = 0;
    for (; added < slots.size(); ++added) {
      const auto room = slots.try_add(message_bytes);
      if (room.data() == nullptr) break;
      fill(room.data(), added);
    }
    return slots.publish();
  }
  template <class Read>
  [[gnu::always_inline]] std::size_t try_receive_batch(std::size_t count, Read&& read) {
    auto slots = consumer_->try_peek_batch(count);
    const auto peeked = static_cast<std::size_t>(slots.size());
    for (std::size_t i = 0; i < peeked; ++i) read(slots.bytes(i).data(), i);
    slots.release();
    return peeked;
  }

 private:
  using channel = sluice::channel<sluice::bytes, Ring>;
  static sluice::channel_options sizes(const link_options& options) {
    sluice::channel_options how;
    if (Ring::has_many_seats) how.producer_seats = how.consumer_seats = 8;
    if (options.ring_bytes != 0 || !options.for_latency) {  // else the library's own choice
      how.capacity_slots = slots_for(message_bytes + 8, options.ring_bytes);
      how.capacity_bytes = std::max<std::size_t>(how.capacity_slots * message_bytes, 2 * message_bytes + 128);
    }
    return how;
  }
  static void touch_memory_of(const channel& made) {
    const auto memory = made.memory().bytes();
    touch_pages(memory.data(), memory.size());
  }

  std::string directory_;
  std::string name_;
  channel channel_;
  std::optional<sluice::producer<sluice::bytes, Ring, sluice::busy_spin>> producer_;
  std::optional<sluice::consumer<sluice::bytes, Ring, sluice::busy_spin>> consumer_;
};

template <std::size_t message_bytes>
using spsc_bytes = sluice_any_length<message_bytes, sluice::spsc_ring>;
template <std::size_t message_bytes>
using mpmc_bytes = sluice_any_length<message_bytes, sluice::mpmc_ring>;

const registered<spsc_bytes> spsc_entry{"sluice:spsc-bytes", origin::sluice};
const registered<mpmc_bytes> mpmc_entry{"sluice:mpmc-bytes", origin::sluice};
const registered_many<mpmc_bytes> mpmc_many_entry{"sluice:mpmc-bytes", origin::sluice};
#if defined(SLUICE_BENCH_TOPIC_BYTES)
template <std::size_t message_bytes>
using topic_bytes = sluice_any_length<message_bytes, sluice::detail::topic_ring<sluice::publishers::one>>;
const registered<topic_bytes> topic_entry{"sluice:topic-bytes", origin::sluice};
#endif

}  // namespace
}  // namespace sluice_bench
#endif
