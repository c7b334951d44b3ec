#include "sluice/port.hpp"

#include <algorithm>

#include "sluice/detail/channel/participant.hpp"
#include "sluice/detail/channel/seat_list.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

port::port(participant& self) noexcept : self_(&self), message_bytes_(self.ring().message_bytes) {}
port::port(participant& self, std::size_t longest_message_bytes) noexcept
    : self_(&self), message_bytes_(longest_message_bytes), any_length_(true) {}

role port::role() const noexcept { return self_->own(); }
ring_kind port::kind() const noexcept { return static_cast<ring_kind>(self_->descriptor().kind); }
std::size_t port::message_alignment() const noexcept { return self_->descriptor().message_alignment; }
std::uint64_t port::capacity_slots() const noexcept { return self_->ring().capacity(); }
std::uint32_t port::seat_count(sluice::role whose) const noexcept { return self_->ring().seat_count(whose); }
const std::string& port::what() const noexcept { return self_->attached().what(); }

void port::end_waits_on_signals(bool is_wanted) noexcept { self_->place().end_on_signals(is_wanted); }

peer_state port::peer() { return self_->peer(); }
name_state port::name_now() const noexcept { return self_->attached().name_now(); }
std::vector<seat_report> port::seats() const {
  const auto seats = self_->seats();
  return {seats.begin(), seats.end()};
}
std::uint32_t port::seat_index() const noexcept { return self_->seat_index(); }

repair_counts port::repairs() const noexcept {
  const auto& control = *self_->ring().control;  // counters for people
  return {control.holes.load(std::memory_order_relaxed), control.redelivered.load(std::memory_order_relaxed),
          control.settled.load(std::memory_order_relaxed)};
}

void port::require_whole() { self_->require_sane(true); }
void port::require_here() const { self_->require_here(); }

void port::throw_misuse(const std::string& tried, const std::string& why) const {
  throw error(errc::misuse, tried + " with a " + std::string(to_string(role())) + " port of " + what() + ": " + why);
}

void port::throw_wrong_index(const char* tried, std::uint64_t index, std::uint64_t count) const {
  throw_misuse(
      std::string(tried) + " of index " + std::to_string(index),
      std::to_string(count) + (role() == role::producer ? " are claimed" : " are peeked") + "; indices count from 0");
}

void port::throw_wrong_count(const char* tried, std::uint64_t asked, std::uint64_t count) const {
  throw_misuse(std::string(tried) + " " + std::to_string(asked) + " messages",
               "only " + std::to_string(count) + (role() == role::producer ? " are claimed" : " are peeked"));
}

void port::throw_wrong_size(const char* tried, std::size_t given) const {
  throw_misuse(std::string(tried) + " a message in " + std::to_string(given) + " bytes",
               "its messages have " + std::to_string(message_bytes()) + " bytes");
}

void producer_port::throw_claimed_bytes(const char* tried) const {
  throw_misuse(tried, "its messages have any length: claim_bytes() and publish_bytes() say which");
}

void producer_port::require_used(std::size_t used) const {
  require_here();
  require_size("publish", used);
  if (claimed_ == 0) throw_misuse("publish " + std::to_string(used) + " bytes", "nothing is claimed");
  if (used > room_.size())
    throw_misuse("publish " + std::to_string(used) + " bytes", "only " + std::to_string(room_.size()) + " are claimed");
}

bool producer_port::try_claim_bytes(std::size_t bytes) {
  require_size("claim", bytes);
  room_ = take_room(bytes);
  claimed_ = room_.data() != nullptr ? 1 : 0;
  return claimed_ != 0;
}

bool producer_port::claim_bytes_before(std::size_t bytes, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
  require_size("claim", bytes);
  room_ = {};
  status_ = take_room_before(deadline_ns, bytes, room_, stop);
  claimed_ = room_.data() != nullptr ? 1 : 0;
  return claimed_ != 0;
}

wait_result producer_port::publish_bytes_before(std::size_t used, std::uint64_t deadline_ns,
                                                const detail::stop_signal& stop) {
  require_used(used);
  status_ = end_room_before(deadline_ns, used, stop);
  if (status_ == wait_result::ready) claimed_ = 0;
  return status_;
}

// Of one size: a message is a slot.

std::span<std::byte> producer_port::take_room(std::size_t bytes) {
  if (take(1) == 0) return {};
  return {slot(0), bytes};
}

wait_result producer_port::take_room_before(std::uint64_t deadline_ns, std::size_t bytes, std::span<std::byte>& room,
                                            const detail::stop_signal& stop) {
  std::uint64_t taken = 0;
  const auto result = take_before(deadline_ns, 1, taken, stop);
  if (taken != 0) room = {slot(0), bytes};
  return result;
}

bool producer_port::try_end_room(std::size_t) {
  end(1);
  require_here();
  return true;
}

wait_result producer_port::end_room_before(std::uint64_t, std::size_t used, const detail::stop_signal&) {
  (void)try_end_room(used);
  return wait_result::ready;
}

std::uint64_t producer_port::claim_before(std::uint64_t count, std::uint64_t deadline_ns,
                                          const detail::stop_signal& stop) {
  if (has_any_length()) throw_claimed_bytes("claim slots");
  status_ = wait_result::ready;
  std::uint64_t taken = 0;
  if (count != 0) status_ = take_before(deadline_ns, count, taken, stop);
  return claimed_ = taken;
}

bool producer_port::try_send(std::span<const std::byte> message) {
  require_size("send", message.size());
  if (!try_claim_bytes(message.size())) return false;
  copy_bytes(room_.data(), message);
  if (!try_end_room(message.size())) {
    abandon();
    return false;
  }
  claimed_ = 0;
  return true;
}

wait_result producer_port::send_before(std::span<const std::byte> message, std::uint64_t deadline_ns,
                                       const detail::stop_signal& stop) {
  require_size("send", message.size());
  if (!claim_bytes_before(message.size(), deadline_ns, stop)) return status_;
  copy_bytes(room_.data(), message);
  if (publish_bytes_before(message.size(), deadline_ns, stop) != wait_result::ready) abandon();
  return status_;
}

std::uint64_t consumer_port::peek_before(std::uint64_t count, std::uint64_t deadline_ns,
                                         const detail::stop_signal& stop) {
  status_ = wait_result::ready;
  std::uint64_t found = 0;
  if (count != 0) status_ = look_before(deadline_ns, count, found, stop);
  return peeked_ = found;
}

std::size_t consumer_port::take_copy(std::span<std::byte> into) {
  const auto from = peeked(0);
  if (into.size() < from.size()) {
    keep();
    throw_misuse("receive a message in " + std::to_string(into.size()) + " bytes",
                 "it has " + std::to_string(from.size()) + ", and stays where it is");
  }
  copy_bytes(into.data(), from);
  was_redelivered_ = was_marked(0);
  release(1);
  return from.size();
}

std::optional<std::size_t> consumer_port::try_receive(std::span<std::byte> into) {
  require_room(into.size());
  if (try_peek(1) == 0) return std::nullopt;
  return take_copy(into);
}

std::optional<std::size_t> consumer_port::receive_before(std::span<std::byte> into, std::uint64_t deadline_ns,
                                                         const detail::stop_signal& stop) {
  require_room(into.size());
  if (peek_before(1, deadline_ns, stop) == 0) return std::nullopt;
  return take_copy(into);
}

}  // namespace sluice
