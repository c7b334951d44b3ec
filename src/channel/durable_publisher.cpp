#include "sluice/detail/channel/durable_publisher.hpp"

#include <cstring>
#include <exception>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "layout/checksum.hpp"
#include "part/part_kind.hpp"
#include "sluice/detail/channel/participant.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/error.hpp"
#include "sluice/registry.hpp"
#include "sluice/segment.hpp"

namespace sluice::detail {
namespace {

class msync_publisher final : public durable_publisher {
 public:
  msync_publisher(segment memory, const ring_view& view, const part_descriptor& ring, std::string what)
      : memory_(std::move(memory)),
        view_(view),
        ring_(ring),
        what_(std::move(what)),
        creation_id_(memory_.header().creation_id),
        message_at_(part_kind_of(ring).message_at),
        checksum_before_(ring.slots.payload_offset - ring.slots.checksum_offset),
        flush_after_(ring.flush_messages != 0 ? ring.flush_messages : std::numeric_limits<std::uint64_t>::max()) {}

  void seal(std::byte* message, std::uint64_t sequence) const noexcept override {
    const auto checksum = slot_checksum(creation_id_, sequence, message_at_(view_, ring_, message));
    std::memcpy(message - checksum_before_, &checksum, sizeof checksum);
  }

  void published(std::uint64_t count) noexcept override {
    waiting_ += count;
    if (waiting_ >= flush_after_) flush_the_rest();
  }

  void flush() override {
    require_flushed();
    try {
      memory_.flush(flush_mode::wait);
      waiting_ = 0;
    } catch (const error& problem) {
      failure_ = std::make_exception_ptr(
          error(problem.reason(), std::string(problem.what()) + ": the last " + std::to_string(waiting_) +
                                      " message(s) or more of this producer of " + what_ +
                                      " may not survive a reset; look at the disk, then make a new producer"));
      throw;
    }
  }

  void flush_the_rest() noexcept override {
    if (waiting_ == 0) return;
    try {
      flush();
    } catch (const error&) {
      // Kept: require_flushed() says it before the next claim.
    }
  }

  void require_flushed() const override {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  segment memory_;
  ring_view view_;
  part_descriptor ring_;
  std::string what_;
  std::uint64_t creation_id_;
  decltype(part_kind::message_at) message_at_;
  std::uint64_t checksum_before_;  // how far before the message the checksum lies
  std::uint64_t flush_after_;      // so many messages
  std::uint64_t waiting_ = 0;      // published and not flushed
  std::exception_ptr failure_;
};

}  // namespace

owned<durable_publisher> durable_publisher::of(const participant& producer) {
  const auto& ring = producer.descriptor();
  if (durability_of(ring).is_none()) return {};
  const auto& attached = producer.attached();
  return owned<durable_publisher>(new msync_publisher(attached.memory(), producer.ring(), ring, attached.what()));
}

void dispose(durable_publisher* gone) noexcept { delete gone; }

}  // namespace sluice::detail
