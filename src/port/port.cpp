#include "sluice/port.hpp"

#include <algorithm>
#include <cstring>

#include "sluice/detail/channel/participant.hpp"
#include "sluice/detail/channel/seat_list.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

port::port(participant& self) noexcept : self_(&self), message_bytes_(self.ring().message_bytes) {}

role port::role() const noexcept { return self_->own(); }
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

void producer_port::publish(std::span<const std::size_t> lengths) {
  for (const auto length : lengths)
    if (length != message_bytes()) throw_wrong_size("publish", length);
  publish(lengths.size());
}

std::uint64_t producer_port::claim_before(std::uint64_t count, std::uint64_t deadline_ns,
                                          const detail::stop_signal& stop) {
  status_ = wait_result::ready;
  std::uint64_t taken = 0;
  if (count != 0) status_ = take_before(deadline_ns, count, taken, stop);
  return claimed_ = taken;
}

bool producer_port::try_send(std::span<const std::byte> message) {
  if (message.size() != message_bytes()) throw_wrong_size("send", message.size());
  if (try_claim(1) == 0) return false;
  std::memcpy(slot(0), message.data(), message.size());
  publish(1);
  return true;
}

wait_result producer_port::send_before(std::span<const std::byte> message, std::uint64_t deadline_ns,
                                       const detail::stop_signal& stop) {
  if (message.size() != message_bytes()) throw_wrong_size("send", message.size());
  if (claim_before(1, deadline_ns, stop) == 0) return status_;
  std::memcpy(slot(0), message.data(), message.size());
  publish(1);
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
  std::memcpy(into.data(), message(0), message_bytes());
  was_redelivered_ = was_marked(0);
  release(1);
  return message_bytes();
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
