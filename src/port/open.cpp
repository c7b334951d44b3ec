// The ports of each kind of ring.

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "port/chosen_wait.hpp"
#include "sluice/detail/channel/access.hpp"
#include "sluice/detail/channel/bytes_reach.hpp"
#include "sluice/detail/channel/handle.hpp"
#include "sluice/detail/channel/raw_bytes_producer.hpp"
#include "sluice/detail/channel/raw_consumer.hpp"
#include "sluice/detail/channel/raw_lossy_subscriber.hpp"
#include "sluice/detail/channel/raw_producer.hpp"
#include "sluice/detail/part/topic/topic_bytes_ring.hpp"
#include "sluice/detail/part/topic/topic_ring.hpp"
#include "sluice/error.hpp"
#include "sluice/port.hpp"
#include "sluice/ring.hpp"

namespace sluice {

using namespace detail;

namespace {

/// Made before the base class, which refers to the participant in it. On the heap, because a raw handle may outlive its
/// owner, for loans; a port has none.
template <class Raw>
struct holds_raw {
  std::unique_ptr<Raw> raw_;
};

/// What ports of both roles pass on to their raw handle.
template <class Port, class Raw>
class port_over : protected holds_raw<Raw>, public Port {
 public:
  /// `how` is for the handle, if it takes anything.
  template <class... How>
  port_over(const attached_segment& attached, std::uint32_t ring_index, wait_kind wait, const How&... how)
      : holds_raw<Raw>{std::make_unique<Raw>(attached, ring_index, chosen_wait(wait), how...)},
        Port(detail::access::owner_of(*this->raw_)) {}
  /// Of messages of any length; `longest` asks the handle for the longest.
  template <class... How>
  port_over(std::size_t (*longest)(const Raw&), const attached_segment& attached, std::uint32_t ring_index,
            wait_kind wait, const How&... how)
      : holds_raw<Raw>{std::make_unique<Raw>(attached, ring_index, chosen_wait(wait), how...)},
        Port(detail::access::owner_of(*this->raw_), longest(*this->raw_)) {}

  void close() override { channel_of(*this->raw_).close(); }
  [[nodiscard]] std::uint64_t size_approx() const override { return channel_of(*this->raw_).size_approx(); }
};

/// What producers of all kinds have in common.
template <class Raw>
class producer_port_over : public port_over<producer_port, Raw> {
 public:
  using port_over<producer_port, Raw>::port_over;

  [[nodiscard]] bool is_drained() const override { return channel_of(*this->raw_).is_drained(); }
  [[nodiscard]] std::uint64_t position() const override { return channel_of(*this->raw_).position(); }
  [[nodiscard]] bool is_released_before(std::uint64_t position) const override {
    return channel_of(*this->raw_).is_released_before(position);
  }

 private:
  bool leave_finished() override { return this->raw_->finish(); }
  wait_result wait_drained(std::uint64_t deadline_ns, const detail::stop_signal& stop) override {
    return channel_of(*this->raw_).drain_until(deadline_ns, stop);
  }
  wait_result wait_released(std::uint64_t position, std::uint64_t deadline_ns,
                            const detail::stop_signal& stop) override {
    return channel_of(*this->raw_).drain_before_until(position, deadline_ns, stop);
  }
};

template <ring Ring>
class producer_port_of final : public producer_port_over<raw_producer<Ring, chosen_wait>> {
  using over = producer_port_over<raw_producer<Ring, chosen_wait>>;
  using over::raw_;

 public:
  using over::over;

 private:
  std::uint64_t take(std::uint64_t count) override { return raw_->try_lend_batch(count); }
  wait_result take_before(std::uint64_t deadline_ns, std::uint64_t count, std::uint64_t& taken,
                          const detail::stop_signal& stop) override {
    return raw_->lend_batch_until(deadline_ns, count, taken, stop);
  }
  [[nodiscard]] std::byte* slot(std::uint64_t i) const noexcept override { return raw_->claimed(i); }
  void end(std::uint64_t published) noexcept override { raw_->publish_batch(published); }
};

/// What consumers of all kinds have in common.
template <ring Ring>
class consumer_port_over : public port_over<consumer_port, raw_consumer<Ring, chosen_wait>> {
  using over = port_over<consumer_port, raw_consumer<Ring, chosen_wait>>;

 public:
  using raw_type = raw_consumer<Ring, chosen_wait>;
  using over::over;

  [[nodiscard]] bool is_finished() override { return raw_->is_finished(); }
  [[nodiscard]] bool empty() const override { return raw_->is_empty(); }
  void end_subscription() requires has_subscriptions<Ring> { raw_->end_subscription(); }

 protected:
  using over::raw_;

 private:
  std::uint64_t look(std::uint64_t count) override { return raw_->try_lend_batch(count); }
  wait_result look_before(std::uint64_t deadline_ns, std::uint64_t count, std::uint64_t& found,
                          const detail::stop_signal& stop) override {
    return raw_->lend_batch_until(deadline_ns, count, found, stop);
  }
  [[nodiscard]] bool was_marked(std::uint64_t i) const noexcept override { return raw_->was_delivered_before(i); }
  void end(std::uint64_t released) noexcept override { raw_->release_batch(released); }
};

template <ring Ring>
class consumer_port_of final : public consumer_port_over<Ring> {
 public:
  using consumer_port_over<Ring>::consumer_port_over;

 private:
  [[nodiscard]] std::span<const std::byte> message(std::uint64_t i) const override {
    return {this->raw_->peeked(i), this->message_bytes()};
  }
};

// ---- Messages of any length ------------------------------------------------------------------------------------------

template <bytes_ring Ring>
class bytes_producer_port final : public producer_port_over<raw_bytes_producer<Ring, chosen_wait>> {
  using raw_type = raw_bytes_producer<Ring, chosen_wait>;
  using over = producer_port_over<raw_type>;
  using over::raw_;

 public:
  bytes_producer_port(const attached_segment& attached, std::uint32_t ring_index, wait_kind wait)
      : over([](const raw_type& raw) { return std::size_t{raw.max_bytes()}; }, attached, ring_index, wait) {}

 private:
  // Slots are not claimed by number, and the port refuses that before it comes here.
  std::uint64_t take(std::uint64_t) override { return 0; }
  wait_result take_before(std::uint64_t, std::uint64_t, std::uint64_t&, const detail::stop_signal&) override {
    return wait_result::timed_out;
  }
  [[nodiscard]] std::byte* slot(std::uint64_t) const noexcept override { return nullptr; }
  void end(std::uint64_t) noexcept override { raw_->abandon(); }
  std::span<std::byte> take_room(std::size_t bytes) override { return raw_->try_claim(bytes); }
  wait_result take_room_before(std::uint64_t deadline_ns, std::size_t bytes, std::span<std::byte>& room,
                               const detail::stop_signal& stop) override {
    return raw_->claim_until(deadline_ns, bytes, room, stop);
  }
  bool try_end_room(std::size_t used) override { return raw_->try_publish(used); }
  wait_result end_room_before(std::uint64_t deadline_ns, std::size_t used, const detail::stop_signal& stop) override {
    return raw_->publish_until(deadline_ns, used, stop);
  }
};

template <bytes_ring Ring>
class bytes_consumer_port final : public consumer_port_over<Ring> {
  using over = consumer_port_over<Ring>;
  using over::raw_;

 public:
  template <class... How>
  bytes_consumer_port(const attached_segment& attached, std::uint32_t ring_index, wait_kind wait, const How&... how)
      : over([](const typename over::raw_type& raw) { return std::size_t{raw.reach().max_bytes()}; }, attached,
             ring_index, wait, how...) {}

 private:
  [[nodiscard]] std::span<const std::byte> message(std::uint64_t i) const override {
    const auto found = raw_->reach().message(raw_->peeked(i));
    if (found.data() == nullptr) throw_wrong_extent(detail::access::owner_of(*raw_));
    return found;
  }
};

// ---- Lossy subscribers -----------------------------------------------------------------------------------------------

/// A lossless one is copied too, where publishers drop those that stall.
holding holding_of(const subscription& how) noexcept { return how.lossy ? holding::nothing : holding::until_dropped; }

/// A message may be overwritten in the ring at any moment, so a peek copies: what is peeked and not released is a copy, which
/// the next peek gives out again.
template <class Raw>
class lossy_port_over : public port_over<consumer_port, Raw> {
  using over = port_over<consumer_port, Raw>;

 public:
  using over::over;

  [[nodiscard]] bool is_finished() override { return count_ == 0 && raw_->is_finished(); }
  [[nodiscard]] bool empty() const override {
    this->require_here();
    return count_ == this->peeked_count() && !raw_->try_peek();
  }
  [[nodiscard]] std::uint64_t lost() const override { return raw_->lost(); }
  [[nodiscard]] bool is_loss_exact() const override { return raw_->is_loss_exact(); }
  [[nodiscard]] bool was_dropped() const override { return raw_->was_dropped(); }

 protected:
  using over::raw_;
  static constexpr std::uint64_t max_copied_bytes = 1 << 20;

  std::uint64_t first_ = 0;  // of the copies that were not released
  std::uint64_t count_ = 0;  // of them

 private:
  std::uint64_t look(std::uint64_t count) override = 0;
  wait_result look_before(std::uint64_t deadline_ns, std::uint64_t count, std::uint64_t& found,
                          const detail::stop_signal& stop) override {
    while ((found = look(count)) == 0) {  // what a wait found may be overtaken before it is copied
      if (const auto result = raw_->peek_until(deadline_ns, stop); result != wait_result::ready) return result;
    }
    return wait_result::ready;
  }
  [[nodiscard]] bool was_marked(std::uint64_t) const noexcept override { return false; }
  void end(std::uint64_t released) noexcept override {
    first_ += released;
    count_ -= released;
    if (count_ == 0) first_ = 0;
  }
};

template <publishers Publishers>
class lossy_port final : public lossy_port_over<raw_lossy_subscriber<topic_ring<Publishers>, chosen_wait>> {
  using over = lossy_port_over<raw_lossy_subscriber<topic_ring<Publishers>, chosen_wait>>;
  using over::count_, over::first_, over::raw_;

 public:
  lossy_port(const attached_segment& attached, std::uint32_t ring_index, wait_kind wait, const subscription& how)
      : over(attached, ring_index, wait, how.from, how.lossy.value_or(resumes::at_oldest), holding_of(how)),
        max_copies_(std::max<std::uint64_t>(1, over::max_copied_bytes / this->message_bytes())),
        memory_(max_copies_ * this->message_bytes() + this->message_alignment()) {
    void* begin = memory_.data();
    auto bytes = memory_.size();
    copies_ = static_cast<std::byte*>(
        std::align(this->message_alignment(), max_copies_ * this->message_bytes(), begin, bytes));
  }

 private:
  std::uint64_t look(std::uint64_t count) override {
    this->require_here();
    count = std::min(count, max_copies_);
    if (first_ + count > max_copies_) {
      std::memmove(copies_, copy(0), count_ * this->message_bytes());
      first_ = 0;
    }
    while (count_ < count && raw_->try_receive(copy(count_))) ++count_;
    return std::min(count, count_);
  }
  [[nodiscard]] std::byte* copy(std::uint64_t i) const noexcept {
    return copies_ + (first_ + i) * this->message_bytes();
  }
  [[nodiscard]] std::span<const std::byte> message(std::uint64_t i) const override {
    return {copy(i), this->message_bytes()};
  }

  std::uint64_t max_copies_;
  std::vector<std::byte> memory_;
  std::byte* copies_;  // in it, aligned as messages are
};

template <publishers Publishers>
class lossy_bytes_port final : public lossy_port_over<raw_lossy_subscriber<topic_bytes_ring<Publishers>, chosen_wait>> {
  using raw_type = raw_lossy_subscriber<topic_bytes_ring<Publishers>, chosen_wait>;
  using over = lossy_port_over<raw_type>;
  using over::count_, over::first_, over::raw_;

 public:
  lossy_bytes_port(const attached_segment& attached, std::uint32_t ring_index, wait_kind wait, const subscription& how)
      : over([](const raw_type& raw) { return std::size_t{raw.reach().max_bytes()}; }, attached, ring_index, wait,
             how.from, how.lossy.value_or(resumes::at_oldest), holding_of(how)) {}

 private:
  std::uint64_t look(std::uint64_t count) override {
    this->require_here();
    std::uint64_t bytes = 0;
    for (std::uint64_t i = 0; i < count_; ++i) bytes += message(i).size();
    while (count_ < count && bytes < over::max_copied_bytes) {
      auto& copy = next_copy();
      const bool is_there = raw_->try_receive_into([&](std::size_t size) {
        copy.resize(size);
        return copy.data();
      });
      if (!is_there) break;
      bytes += copy.size();
      ++count_;
    }
    return std::min(count, count_);
  }
  /// The place of one more; its memory is used again and again.
  [[nodiscard]] std::vector<std::byte>& next_copy() {
    if (first_ + count_ == copies_.size()) {
      std::rotate(copies_.begin(), copies_.begin() + static_cast<std::ptrdiff_t>(first_), copies_.end());
      first_ = 0;
      if (count_ == copies_.size()) copies_.emplace_back();
    }
    return copies_[first_ + count_];
  }
  [[nodiscard]] std::span<const std::byte> message(std::uint64_t i) const override { return copies_[first_ + i]; }

  std::vector<std::vector<std::byte>> copies_;
};

// ---- The ports of each kind ------------------------------------------------------------------------------------------

template <ring Ring>
struct ports_of {
  using producer = producer_port_of<Ring>;
  using consumer = consumer_port_of<Ring>;
};
template <bytes_ring Ring>
struct ports_of<Ring> {
  using producer = bytes_producer_port<Ring>;
  using consumer = bytes_consumer_port<Ring>;
};
template <publishers Publishers>
struct ports_of<topic_ring<Publishers>> {
  using producer = producer_port_of<topic_ring<Publishers>>;
  using consumer = consumer_port_of<topic_ring<Publishers>>;
  using lossy_consumer = lossy_port<Publishers>;
};
template <publishers Publishers>
struct ports_of<topic_bytes_ring<Publishers>> {
  using producer = bytes_producer_port<topic_bytes_ring<Publishers>>;
  using consumer = bytes_consumer_port<topic_bytes_ring<Publishers>>;
  using lossy_consumer = lossy_bytes_port<Publishers>;
};

template <ring...>
struct kinds {};
/// A new kind of ring is one name here.
using all_kinds =
    kinds<spsc_ring, mpmc_ring, spsc_bytes_ring, mpmc_bytes_ring, topic_ring<publishers::one>,
          topic_ring<publishers::many>, topic_bytes_ring<publishers::one>, topic_bytes_ring<publishers::many>>;

/// Calls `open_of` with the kind of the ring as its template argument.
template <class Port, class Open>
std::unique_ptr<Port> open(const attached_segment& attached, std::uint32_t ring_index, const Open& open_of) {
  const auto& header = attached.memory().header();
  if (ring_index >= header.part_count)
    throw error(errc::misuse, "open a port of " + attached.what() + ": there is no ring " + std::to_string(ring_index) +
                                  ", the segment has " + std::to_string(header.part_count) +
                                  "; rings are counted from 0");
  const auto kind = static_cast<ring_kind>(header.parts[ring_index].kind);
  std::unique_ptr<Port> opened;
  const auto try_each = [&]<ring... Rings>(kinds<Rings...>) {
    (void)((Rings::kind == kind && (opened = open_of.template operator()<Rings>()) != nullptr) || ...);
  };
  try_each(all_kinds());
  if (opened) return opened;
  std::string known;
  for (const auto one : port_kinds()) known += (known.empty() ? "" : ", ") + std::string(to_string(one));
  throw error(errc::wrong_kind, "open a port of " + attached.what() + ": ring " + std::to_string(ring_index) +
                                    " is of kind " + to_string(kind) + ", and ports are of " + known +
                                    "; use the handles of its kind, or the version that made it");
}

}  // namespace

std::span<const ring_kind> port_kinds() noexcept {
  static constexpr auto all = []<ring... Rings>(kinds<Rings...>) { return std::array{Rings::kind...}; }
  (all_kinds());
  return all;
}

std::unique_ptr<producer_port> open_producer(const attached_segment& attached, std::uint32_t ring_index,
                                             wait_kind wait) {
  return open<producer_port>(attached, ring_index, [&]<ring Ring>() -> std::unique_ptr<producer_port> {
    return std::make_unique<typename ports_of<Ring>::producer>(attached, ring_index, wait);
  });
}

std::unique_ptr<consumer_port> open_consumer(const attached_segment& attached, std::uint32_t ring_index, wait_kind wait,
                                             const subscription& how) {
  return open<consumer_port>(attached, ring_index, [&]<ring Ring>() -> std::unique_ptr<consumer_port> {
    using ports = ports_of<Ring>;
    if constexpr (has_bell<Ring>) {
      // Where publishers drop those that stall, a message may be overwritten under one that is lossless so far.
      const bool is_copied =
          how.lossy || Ring::drop_stalled_after_ns(attached.memory().header().parts[ring_index]) != 0;
      if (is_copied && !how.name.empty())
        throw error(errc::misuse, "open a port of " + attached.what() + " for subscription \"" + how.name +
                                      "\": " + (how.lossy ? "it is lossy" : "this topic drops subscribers that stall") +
                                      ", and a subscription that has a name keeps all until it is released; leave out "
                                      "the name, or subscribe lossless in a topic that drops none");
      if (is_copied) return std::make_unique<typename ports::lossy_consumer>(attached, ring_index, wait, how);
      if (!how.name.empty())
        return std::make_unique<typename ports::consumer>(attached, ring_index, wait,
                                                          named_subscription{{subscription_name(how.name)}, how.from});
      return std::make_unique<typename ports::consumer>(attached, ring_index, wait, how.from);
    } else {
      if (how.from.count != 0 || how.lossy || !how.name.empty())
        throw error(errc::misuse, "open a port of " + attached.what() + " with a subscription: its ring is of kind " +
                                      to_string(Ring::kind) +
                                      ", in which each message goes to one consumer, and those that wait come first; "
                                      "only a topic has subscriptions");
      return std::make_unique<typename ports::consumer>(attached, ring_index, wait);
    }
  });
}

void end_subscription(const attached_segment& attached, std::string_view name, std::uint32_t ring_index) {
  const auto last = open<consumer_port>(attached, ring_index, [&]<ring Ring>() -> std::unique_ptr<consumer_port> {
    if constexpr (has_subscriptions<Ring>) {
      auto port = std::make_unique<typename ports_of<Ring>::consumer>(
          attached, ring_index, wait_kind::park, named_subscription{{subscription_name(name), true}, {}});
      port->end_subscription();
      return port;
    } else {
      throw error(errc::misuse, "end a subscription of " + attached.what() + ": its ring is of kind " +
                                    to_string(Ring::kind) + "; only a topic has subscriptions");
    }
  });
}

}  // namespace sluice
