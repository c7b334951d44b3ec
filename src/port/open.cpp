// The ports of each kind of ring.

#include <array>
#include <utility>

#include "port/chosen_wait.hpp"
#include "sluice/detail/channel/access.hpp"
#include "sluice/detail/channel/raw_consumer.hpp"
#include "sluice/detail/channel/raw_producer.hpp"
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
  port_over(const attached_segment& attached, std::uint32_t ring_index, wait_kind wait)
      : holds_raw<Raw>{std::make_unique<Raw>(attached, ring_index, chosen_wait(wait))},
        Port(detail::access::owner_of(*this->raw_)) {}

  void close() override { this->raw_->close(); }
  [[nodiscard]] std::uint64_t size_approx() const override { return this->raw_->size_approx(); }
};

template <ring Ring>
class producer_port_of final : public port_over<producer_port, raw_producer<Ring, chosen_wait>> {
  using over = port_over<producer_port, raw_producer<Ring, chosen_wait>>;
  using over::raw_;

 public:
  using over::over;

  [[nodiscard]] bool is_drained() const override { return raw_->is_drained(); }
  [[nodiscard]] std::uint64_t position() const override { return raw_->position(); }
  [[nodiscard]] bool is_released_before(std::uint64_t position) const override {
    return raw_->is_released_before(position);
  }

 private:
  std::uint64_t take(std::uint64_t count) override { return raw_->try_lend_batch(count); }
  wait_result take_before(std::uint64_t deadline_ns, std::uint64_t count, std::uint64_t& taken,
                          const detail::stop_signal& stop) override {
    return raw_->lend_batch_until(deadline_ns, count, taken, stop);
  }
  [[nodiscard]] std::byte* slot(std::uint64_t i) const noexcept override { return raw_->claimed(i); }
  void end(std::uint64_t published) noexcept override { raw_->publish_batch(published); }
  bool leave_finished() override { return raw_->finish(); }
  wait_result wait_drained(std::uint64_t deadline_ns, const detail::stop_signal& stop) override {
    return raw_->drain_until(deadline_ns, stop);
  }
  wait_result wait_released(std::uint64_t position, std::uint64_t deadline_ns,
                            const detail::stop_signal& stop) override {
    return raw_->drain_before_until(position, deadline_ns, stop);
  }
};

template <ring Ring>
class consumer_port_of final : public port_over<consumer_port, raw_consumer<Ring, chosen_wait>> {
  using over = port_over<consumer_port, raw_consumer<Ring, chosen_wait>>;
  using over::raw_;

 public:
  using over::over;

  [[nodiscard]] bool is_finished() override { return raw_->is_finished(); }
  [[nodiscard]] bool empty() const override { return raw_->is_empty(); }

 private:
  std::uint64_t look(std::uint64_t count) override { return raw_->try_lend_batch(count); }
  wait_result look_before(std::uint64_t deadline_ns, std::uint64_t count, std::uint64_t& found,
                          const detail::stop_signal& stop) override {
    return raw_->lend_batch_until(deadline_ns, count, found, stop);
  }
  [[nodiscard]] const std::byte* message(std::uint64_t i) const noexcept override { return raw_->peeked(i); }
  [[nodiscard]] bool was_marked(std::uint64_t i) const noexcept override { return raw_->was_delivered_before(i); }
  void end(std::uint64_t released) noexcept override { raw_->release_batch(released); }
};

template <ring...>
struct kinds {};
/// A new kind of ring is one name here.
using all_kinds = kinds<spsc_ring, mpmc_ring>;

/// Null: the ring is of none of these kinds.
template <class Port, template <class> class PortOf, ring... Rings>
std::unique_ptr<Port> open(kinds<Rings...>, ring_kind kind, const attached_segment& attached, std::uint32_t ring_index,
                           wait_kind wait) {
  std::unique_ptr<Port> opened;
  (void)((Rings::kind == kind && (opened = std::make_unique<PortOf<Rings>>(attached, ring_index, wait)) != nullptr) ||
         ...);
  return opened;
}

template <class Port, template <class> class PortOf>
std::unique_ptr<Port> open(const attached_segment& attached, std::uint32_t ring_index, wait_kind wait) {
  const auto& header = attached.memory().header();
  if (ring_index >= header.part_count)
    throw error(errc::misuse, "open a port of " + attached.what() + ": there is no ring " + std::to_string(ring_index) +
                                  ", the segment has " + std::to_string(header.part_count) +
                                  "; rings are counted from 0");
  const auto kind = static_cast<ring_kind>(header.parts[ring_index].kind);
  if (auto opened = open<Port, PortOf>(all_kinds(), kind, attached, ring_index, wait)) return opened;
  throw error(errc::wrong_kind, "open a port of " + attached.what() + ": ring " + std::to_string(ring_index) +
                                    " is of a kind that this version does not know; use the version that made it");
}

}  // namespace

std::span<const ring_kind> port_kinds() noexcept {
  static constexpr auto all = []<ring... Rings>(kinds<Rings...>) { return std::array{Rings::kind...}; }
  (all_kinds());
  return all;
}

std::unique_ptr<producer_port> open_producer(const attached_segment& attached, std::uint32_t ring_index,
                                             wait_kind wait) {
  return open<producer_port, producer_port_of>(attached, ring_index, wait);
}

std::unique_ptr<consumer_port> open_consumer(const attached_segment& attached, std::uint32_t ring_index,
                                             wait_kind wait) {
  return open<consumer_port, consumer_port_of>(attached, ring_index, wait);
}

}  // namespace sluice
