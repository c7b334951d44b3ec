#include <string>

#include "sluice/detail/channel/raw_client.hpp"
#include "sluice/detail/channel/raw_server.hpp"
#include "sluice/detail/part/service/service_ring.hpp"
#include "sluice/registry.hpp"

namespace sluice::detail {

void require_reply_bytes(const participant& owner, const desk_view& desks, std::uint64_t bytes) {
  if (desks.reply_bytes == bytes) return;
  throw error(errc::corrupted, "use " + owner.attached().what() + ": its replies have " +
                                   std::to_string(desks.reply_bytes) + " bytes and those of its type " +
                                   std::to_string(bytes) +
                                   ": no correct process made it; remove it and create it anew");
}

void throw_call_is_over() {
  throw error(errc::misuse, "respond to a call that is over or was moved from: a call has one last response");
}

void throw_reply_too_long(const participant& owner, std::uint64_t bytes, std::uint64_t max_bytes) {
  throw error(errc::bad_argument, "respond with " + std::to_string(bytes) + " bytes in " + owner.attached().what() +
                                      ": this service takes at most " + std::to_string(max_bytes) +
                                      "; respond in parts, or create it with a larger max_response_bytes");
}

void throw_responses_have_one_size() {
  throw error(errc::bad_argument,
              "max_response_bytes for responses of one size: it is for those of any length; leave it out");
}

void throw_all_lanes_open(const participant& owner, std::uint32_t lanes) {
  throw error(errc::misuse,
              "call " + owner.attached().what() + ": " + std::to_string(lanes) +
                  " calls of this client are open, which is as many as there may be: read their replies or "
                  "drop them first, or create the service with more calls_in_flight");
}

}  // namespace sluice::detail
