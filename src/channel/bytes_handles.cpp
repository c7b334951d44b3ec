// What handles of messages of any length say of bad calls and of bad bytes.

#include <string>

#include "sluice/detail/channel/bytes_reach.hpp"
#include "sluice/detail/channel/participant.hpp"
#include "sluice/detail/channel/raw_bytes_producer.hpp"
#include "sluice/error.hpp"
#include "sluice/registry.hpp"

namespace sluice::detail {

void throw_wrong_extent(const participant& handle) {
  throw error(errc::corrupted,
              "read a message of " + handle.attached().what() +
                  ": its slot says a place or a length that no producer writes: a process that is no correct "
                  "participant wrote into the segment; look with inspect, then remove it and create it anew");
}

void throw_too_short(const participant& handle, std::uint64_t given, std::uint64_t bytes) {
  throw error(errc::misuse, "receive a message of " + handle.attached().what() + " into " + std::to_string(given) +
                                " bytes: it has " + std::to_string(bytes) + ", and stays where it is");
}

void throw_beyond_claim(const participant& handle, std::uint64_t bytes, std::uint64_t claimed) {
  throw error(errc::misuse, "publish a message of " + std::to_string(bytes) + " bytes in " + handle.attached().what() +
                                ": only " + std::to_string(claimed) + " are claimed; claim as many as it may need");
}

}  // namespace sluice::detail
