// The library as its users have it: channel<T> in a segment that was created before the fork, each process taking its
// own seat afterwards. Three ways to use it:
//   in_place   try_claim, fill, publish; try_peek, read, release: the harness polls. Batches likewise.
//   by_copy    try_send and try_receive of whole objects: the harness polls.
//   waiting    claim and wait with a wait strategy of ours: the library polls or sleeps.
#pragma once

#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "harness/link.hpp"
#include "harness/shared_pages.hpp"
#include "sluice/channel.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "sluice/segment.hpp"
#include "sluice/wait.hpp"
#if __has_include("sluice/options.hpp") || \
                  __has_include("sluice/segment/memfd_segment.hpp")  // not in every version that one may compare with
#define SLUICE_BENCH_HAS_MEMFD 1
#endif

#if __has_include("sluice/detail/channel/access.hpp")  // as above
#define SLUICE_BENCH_HAS_ACCESS 1
#include "sluice/detail/channel/access.hpp"
#elif __has_include("sluice/channel/access.hpp")
#define SLUICE_BENCH_HAS_ACCESS 1
#include "sluice/channel/access.hpp"
#endif

namespace sluice_bench {

/// What a handle's participant is made of, as only measuring needs it.
template <class Handle>
[[nodiscard]] auto& details_of(Handle& handle) {
#ifdef SLUICE_BENCH_HAS_ACCESS
  return sluice::detail::access::owner(handle);
#else
  return handle.raw().details();
#endif
}

template <std::size_t message_bytes>
struct plain_message {
  alignas(8) std::byte bytes[message_bytes];
};

enum class memory_kind { file, anonymous, zero, memfd };

/// All that a ring uses, from its control words to its last slot.
[[nodiscard]] inline std::span<std::byte> memory_of(const sluice::ring_view& ring) noexcept {
  auto* const begin = reinterpret_cast<std::byte*>(ring.control);
  std::byte* const end = ring.slots + ring.capacity() * ring.stride_bytes;
  return {begin, static_cast<std::size_t>(end - begin)};
}

/// In the process that will use it: fork does not copy the page table of a shared mapping.
inline void touch_memory_of(const sluice::ring_view& ring) noexcept {
  const std::span<std::byte> memory = memory_of(ring);
  const std::size_t beyond_page = reinterpret_cast<std::uintptr_t>(memory.data()) % 4096;
  touch_pages(memory.data() - beyond_page, memory.size() + beyond_page);
}

/// Creates the channel and takes it away again: the part that all three ways share.
template <std::size_t message_bytes, sluice::ring Ring, memory_kind kind>
class sluice_channel {
 public:
  using message = plain_message<message_bytes>;
  using channel = sluice::channel<message, Ring>;

  explicit sluice_channel(const link_options& options)
      : directory_("/dev/shm/" + options.run_name),
        name_("link" + std::to_string(options.index)),
        channel_(create(options)) {}
  ~sluice_channel() {
    if (kind != memory_kind::file) return;
    sluice::registry(directory_).remove(sluice::segment_name(name_), true);
    ::rmdir(directory_.c_str());  // fails while the other link of this run is there
  }
  sluice_channel(const sluice_channel&) = delete;
  sluice_channel& operator=(const sluice_channel&) = delete;

  [[nodiscard]] const channel& get() const noexcept { return channel_; }

 private:
  [[nodiscard]] channel create(const link_options& options) const {
    sluice::channel_options how;
    if (options.ring_bytes != 0 || !options.for_latency)  // else the library's own choice
      how.capacity_slots = slots_for(message_bytes + 8, options.ring_bytes);
    if constexpr (kind == memory_kind::anonymous)
      return channel::create_unnamed(how);
    else if constexpr (kind == memory_kind::zero)
      return channel::template create_unnamed<sluice::zero_segment>(how);
#ifdef SLUICE_BENCH_HAS_MEMFD
    else if constexpr (kind == memory_kind::memfd)
      return channel::template create_unnamed<sluice::memfd_segment>(how);
#endif
    else
      return channel::create(sluice::registry(directory_), sluice::segment_name(name_), how);
  }

  std::string directory_;
  std::string name_;
  channel channel_;
};

/// Both ends of a channel, of which a process takes one.
template <std::size_t message_bytes, sluice::ring Ring, memory_kind kind, class Wait>
class sluice_ends {
 public:
  explicit sluice_ends(const link_options& options) : channel_(options) {}

  void join(role as) {
    if (as == role::producer) {
      producer_.emplace(channel_.get().template producer<Wait>());
      touch_memory_of(details_of(*producer_).ring());
    } else {
      consumer_.emplace(channel_.get().template consumer<Wait>());
      touch_memory_of(details_of(*consumer_).ring());
    }
  }

 protected:
  using message = plain_message<message_bytes>;
  sluice_channel<message_bytes, Ring, kind> channel_;
  std::optional<sluice::producer<message, Ring, Wait>> producer_;
  std::optional<sluice::consumer<message, Ring, Wait>> consumer_;
};

template <std::size_t message_bytes, sluice::ring Ring, memory_kind kind>
class sluice_in_place : public sluice_ends<message_bytes, Ring, kind, sluice::busy_spin> {
 public:
  using sluice_ends<message_bytes, Ring, kind, sluice::busy_spin>::sluice_ends;

  template <class Fill>
  [[gnu::always_inline]] bool try_send(Fill&& fill) {
    auto slot = this->producer_->try_claim();
    if (!slot) return false;
    fill(slot->bytes);
    slot.publish();
    return true;
  }
  template <class Read>
  [[gnu::always_inline]] bool try_receive(Read&& read) {
    auto slot = this->consumer_->try_peek();
    if (!slot) return false;
    read(static_cast<const std::byte*>(slot->bytes));
    slot.release();
    return true;
  }
  template <class Fill>
  [[gnu::always_inline]] std::size_t try_send_batch(std::size_t count, Fill&& fill) {
    auto slots = this->producer_->try_claim_batch(count);
    const auto claimed = static_cast<std::size_t>(slots.size());
    for (std::size_t i = 0; i < claimed; ++i) fill(slots[i].bytes, i);
    if (claimed != 0) slots.publish();
    return claimed;
  }
  template <class Read>
  [[gnu::always_inline]] std::size_t try_receive_batch(std::size_t count, Read&& read) {
    auto slots = this->consumer_->try_peek_batch(count);
    const auto peeked = static_cast<std::size_t>(slots.size());
    for (std::size_t i = 0; i < peeked; ++i) read(static_cast<const std::byte*>(slots[i].bytes), i);
    slots.release();
    return peeked;
  }
};

/// In a channel with `idle_a_side` idle handles on each side: the runner, which sleeps, holds their seats.
template <std::size_t message_bytes, std::size_t idle_a_side>
class sluice_beside_idle_seats : public sluice_in_place<message_bytes, sluice::mpmc_ring, memory_kind::file> {
 public:
  static constexpr bool carries = message_bytes == 64;
  explicit sluice_beside_idle_seats(const link_options& options)
      : sluice_in_place<message_bytes, sluice::mpmc_ring, memory_kind::file>(options) {
    for (std::size_t i = 0; i < idle_a_side; ++i) {
      producers_.push_back(this->channel_.get().producer());
      consumers_.push_back(this->channel_.get().consumer());
    }
  }

 private:
  using message = plain_message<message_bytes>;
  std::vector<sluice::producer<message, sluice::mpmc_ring>> producers_;
  std::vector<sluice::consumer<message, sluice::mpmc_ring>> consumers_;
};

/// With as many other channels in the same directory, to which the runner is attached.
template <std::size_t message_bytes, std::size_t others>
class sluice_beside_idle_channels : public sluice_in_place<message_bytes, sluice::spsc_ring, memory_kind::file> {
 public:
  static constexpr bool carries = message_bytes == 64;
  explicit sluice_beside_idle_channels(const link_options& options)
      : sluice_in_place<message_bytes, sluice::spsc_ring, memory_kind::file>(options),
        where_("/dev/shm/" + options.run_name),
        prefix_("other" + std::to_string(options.index) + "_") {
    for (std::size_t i = 0; i < others; ++i)
      others_.push_back(channel::create(where_, name_of(i), {.capacity_slots = 16}));
  }
  ~sluice_beside_idle_channels() {
    for (std::size_t i = 0; i < others_.size(); ++i) where_.remove(name_of(i), true);
  }
  sluice_beside_idle_channels(const sluice_beside_idle_channels&) = delete;
  sluice_beside_idle_channels& operator=(const sluice_beside_idle_channels&) = delete;

 private:
  using channel = sluice::channel<plain_message<message_bytes>>;
  [[nodiscard]] sluice::segment_name name_of(std::size_t i) const {
    return sluice::segment_name(prefix_ + std::to_string(i));
  }
  sluice::registry where_;
  std::string prefix_;
  std::vector<channel> others_;
};

template <std::size_t message_bytes, sluice::ring Ring>
class sluice_by_copy : public sluice_ends<message_bytes, Ring, memory_kind::file, sluice::busy_spin> {
 public:
  using sluice_ends<message_bytes, Ring, memory_kind::file, sluice::busy_spin>::sluice_ends;

  template <class Fill>
  [[gnu::always_inline]] bool try_send(Fill&& fill) {
    if (!is_staged_) fill(staging_->bytes);
    is_staged_ = !this->producer_->try_send(*staging_);
    return !is_staged_;
  }
  template <class Read>
  [[gnu::always_inline]] bool try_receive(Read&& read) {
    if (!this->consumer_->try_receive(*staging_)) return false;
    read(static_cast<const std::byte*>(staging_->bytes));
    return true;
  }

 private:
  std::unique_ptr<plain_message<message_bytes>> staging_ = std::make_unique<plain_message<message_bytes>>();
  bool is_staged_ = false;
};

/// The calls that wait, with any strategy. As a polling link it comes back now and then to ask whether the run is over.
template <std::size_t message_bytes, sluice::ring Ring, class Wait>
class sluice_waiting : public sluice_ends<message_bytes, Ring, memory_kind::file, Wait> {
 public:
  using sluice_ends<message_bytes, Ring, memory_kind::file, Wait>::sluice_ends;

  template <class Fill>
  [[gnu::always_inline]] void send(Fill&& fill) {
    auto slot = this->producer_->claim();
    if (!slot) [[unlikely]]
      throw std::runtime_error(std::string("claim: ") + sluice::to_string(this->producer_->status()));
    fill(slot->bytes);
    slot.publish();
  }
  template <class Read>
  [[gnu::always_inline]] void receive(Read&& read) {
    auto slot = this->consumer_->peek();
    if (!slot) [[unlikely]]
      throw std::runtime_error(std::string("wait: ") + sluice::to_string(this->consumer_->status()));
    read(static_cast<const std::byte*>(slot->bytes));
    slot.release();
  }
  template <class Fill>
  [[gnu::always_inline]] bool try_send(Fill&& fill) {
    auto slot = this->producer_->claim_for(std::chrono::milliseconds(2));
    if (!slot) return false;
    fill(slot->bytes);
    slot.publish();
    return true;
  }
  template <class Read>
  [[gnu::always_inline]] bool try_receive(Read&& read) {
    auto slot = this->consumer_->peek_for(std::chrono::milliseconds(2));
    if (!slot) return false;
    read(static_cast<const std::byte*>(slot->bytes));
    slot.release();
    return true;
  }
};

}  // namespace sluice_bench
