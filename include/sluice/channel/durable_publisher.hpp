#pragma once

// What a producer of a durable channel does beside publishing: a checksum for every message, and a flush when it is due.
// A channel that is not durable has none of these and never asks: raw_producer.hpp tells how.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>

#include "sluice/layout/durability.hpp"
#include "sluice/segment/segment.hpp"

namespace sluice {

/// One thread at a time, as the producer that has it.
class durable_publisher {
 public:
  /// Null for a ring that is not durable.
  static std::unique_ptr<durable_publisher> of(const segment& memory, std::uint32_t ring_index,
                                               const std::string& what);

  /// Writes the checksum of a claimed and filled message into its slot. Before it is published.
  void seal(std::byte* message, std::uint64_t sequence) const noexcept;
  /// After `count` messages were published. Flushes when it is time to. Blocks: then, for the disk.
  void published(std::uint64_t count) noexcept;

  /// Writes everything back. @throws error what the disk says.
  void flush();
  /// The same where no caller can be told, and only if there is anything to write.
  void flush_the_rest() noexcept;

  /// @throws error what the disk said at an earlier flush, for good: after a failed write-back the kernel takes the pages
  /// for clean, and a later flush would succeed without them.
  void require_flushed() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  durable_publisher(segment memory, const part_descriptor& ring, std::string what);

  segment memory_;
  std::string what_;
  std::uint64_t creation_id_;
  std::uint64_t message_bytes_;
  std::uint64_t checksum_before_;  // how far before the message the checksum lies
  std::uint64_t flush_after_;      // so many messages
  std::uint64_t waiting_ = 0;      // published and not flushed
  std::exception_ptr failure_;
};

}  // namespace sluice
