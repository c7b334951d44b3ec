#pragma once

// What a producer of a durable channel does beside publishing: a checksum for every message, and a flush when it is due.
// A channel that is not durable has none of these and never asks: raw_producer.hpp tells how.

#include <cstddef>
#include <cstdint>

#include "sluice/detail/base/owned.hpp"

namespace sluice::detail {

class participant;

/// One thread at a time, as the producer that has it. Calls are virtual, because each is followed by a checksum or a disk.
class durable_publisher {
 public:
  /// None for a ring that is not durable.
  static owned<durable_publisher> of(const participant& producer);
  durable_publisher(const durable_publisher&) = delete;
  durable_publisher& operator=(const durable_publisher&) = delete;
  virtual ~durable_publisher() = default;

  /// Writes the checksum of a claimed and filled message into its slot. Before it is published.
  virtual void seal(std::byte* message, std::uint64_t sequence) const noexcept = 0;
  /// After `count` messages were published. Flushes when it is time to. Blocks: then, for the disk.
  virtual void published(std::uint64_t count) noexcept = 0;

  /// Writes everything back. @throws error what the disk says.
  virtual void flush() = 0;
  /// The same where no caller can be told, and only if there is anything to write.
  virtual void flush_the_rest() noexcept = 0;

  /// @throws error what the disk said at an earlier flush, for good: after a failed write-back the kernel takes the pages
  /// for clean, and a later flush would succeed without them.
  virtual void require_flushed() const = 0;

 protected:
  durable_publisher() = default;
};

void dispose(durable_publisher* gone) noexcept;

}  // namespace sluice::detail
