#include "sluice/channel/durable_publisher.hpp"

#include <cstring>
#include <limits>
#include <span>
#include <utility>

#include "layout/checksum.hpp"
#include "sluice/base/error.hpp"

namespace sluice {

std::unique_ptr<durable_publisher> durable_publisher::of(const segment& memory, std::uint32_t ring_index,
                                                         const std::string& what) {
  const auto& ring = memory.header().parts[ring_index];
  if (durability_of(ring).is_none()) return nullptr;
  return std::unique_ptr<durable_publisher>(new durable_publisher(memory, ring, what));
}

durable_publisher::durable_publisher(segment memory, const part_descriptor& ring, std::string what)
    : memory_(std::move(memory)),
      what_(std::move(what)),
      creation_id_(memory_.header().creation_id),
      message_bytes_(ring.message_bytes),
      checksum_before_(ring.slots.payload_offset - ring.slots.checksum_offset),
      flush_after_(ring.flush_messages != 0 ? ring.flush_messages : std::numeric_limits<std::uint64_t>::max()) {}

void durable_publisher::seal(std::byte* message, std::uint64_t sequence) const noexcept {
  const auto checksum = slot_checksum(creation_id_, sequence, std::span(message, message_bytes_));
  std::memcpy(message - checksum_before_, &checksum, sizeof checksum);
}

void durable_publisher::published(std::uint64_t count) noexcept {
  waiting_ += count;
  if (waiting_ >= flush_after_) flush_the_rest();
}

void durable_publisher::flush() {
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

void durable_publisher::flush_the_rest() noexcept {
  if (waiting_ == 0) return;
  try {
    flush();
  } catch (const error&) {
    // Kept: require_flushed() says it before the next claim.
  }
}

}  // namespace sluice
