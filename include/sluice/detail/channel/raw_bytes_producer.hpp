#pragma once

// The producer of a ring of messages of any length, before types: raw_producer has the slots, a writer the arena.

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "sluice/detail/channel/access.hpp"
#include "sluice/detail/channel/raw_producer.hpp"
#include "sluice/detail/part/bytes/bytes_ring.hpp"

namespace sluice::detail {

/// @throws error misuse: a message of `bytes` was to be received into `given`.
[[noreturn]] void throw_too_short(const participant& handle, std::uint64_t given, std::uint64_t bytes);
/// @throws error misuse: the claim has `claimed` bytes, and `bytes` were to be published.
[[noreturn]] void throw_beyond_claim(const participant& handle, std::uint64_t bytes, std::uint64_t claimed);

/// One thread at a time; one claim or one batch at a time. Its seat is the process's that made it. Neither copied nor moved.
/// Killed at any instruction: the claim is void, and what was published is delivered.
///
/// A short message is claimed with its slot. A long one is claimed in the arena of this seat, and where others publish too
/// it gets its slot when it is published: so publishing may find the ring full, and waits. docs/decisions/0044.
template <bytes_ring Ring, wait_strategy Wait>
class raw_bytes_producer {
  using slots_type = raw_producer<Ring, Wait>;

 public:
  raw_bytes_producer(const attached_segment& attached, std::uint32_t ring_index, Wait wait = {})
      : slots_(attached, ring_index, std::move(wait)),
        bytes_(owner().ring(), owner().descriptor()),
        writer_(owner().ring(), bytes_, owner().seat_index()) {}

  /// What is not of messages: the channel, its end, its seats.
  [[nodiscard]] slots_type& slots() noexcept { return slots_; }
  [[nodiscard]] std::uint64_t max_bytes() const noexcept { return bytes_.max_bytes(); }
  [[nodiscard]] bool is_claiming() const noexcept { return what_ != claim_kind::none; }
  /// Whether the handle ended before its claim, which is void and must be abandoned.
  [[nodiscard]] bool is_retired() const noexcept { return what_ == claim_kind::retired; }

  // ---- One message: claim, fill, publish -----------------------------------------------------------------------------

  /// Room for one of up to `bytes`. Its data is null: full, or closed.
  /// @throws error misuse: a claim or a batch is open; bad_argument: no message can be so long; and as raw_producer.
  [[nodiscard, gnu::always_inline]] std::span<std::byte> try_claim(std::uint64_t bytes) {
    require_no_claim("claim a message");
    return opened(claim(bytes), bytes);
  }

  /// Waits for it; as raw_producer::claim_until().
  [[nodiscard]] wait_result claim_until(std::uint64_t deadline_ns, std::uint64_t bytes, std::span<std::byte>& room,
                                        const stop_signal& stop) {
    if ((room = try_claim(bytes)).data() != nullptr) return wait_result::ready;
    const auto result = wait_for_claim(deadline_ns, bytes, room, stop);
    (void)opened(room, bytes);
    return result;
  }

  /// Makes the first `bytes` of the claim visible. False: full, where others publish too; the claim stays open.
  /// @throws error misuse: the claim is shorter; wrong_process; truncated.
  [[nodiscard, gnu::always_inline]] bool try_publish(std::uint64_t bytes) {
    require_within_claim(bytes);
    if (!writer_.publish(slots_, bytes)) [[unlikely]]
      return false;
    what_ = claim_kind::none;
    return true;
  }
  /// Waits for the slot, where it must. ready: published; any other: the claim stays open.
  [[nodiscard]] wait_result publish_until(std::uint64_t deadline_ns, std::uint64_t bytes, const stop_signal& stop) {
    if (try_publish(bytes)) return wait_result::ready;
    const auto result = slots_.take_until(
        deadline_ns, [&] { return writer_.publish(slots_, bytes); }, owner().place(), oldest_in_ring(), stop);
    if (result == wait_result::ready) what_ = claim_kind::none;
    return result;
  }
  void abandon() noexcept {
    if (is_retired()) return end_retired();
    if (slots_.is_here()) writer_.abandon(slots_);
    what_ = claim_kind::none;
  }

  // ---- By copy -------------------------------------------------------------------------------------------------------

  /// False: full or closed. @throws error as try_claim().
  [[nodiscard, gnu::always_inline]] bool try_send(std::span<const std::byte> message) {
    require_no_claim("send");
    return is_long(message.size()) ? try_send_long(message) : writer_.try_send(slots_, message);
  }

  /// As many of `messages` as there is room for now, in order; how many. Short ones that follow each other are claimed and
  /// published together.
  template <class Messages>
  [[nodiscard]] std::uint64_t try_send_all(const Messages& messages) {
    std::uint64_t sent = 0;
    while (sent < messages.size()) {
      const auto run = short_run(messages, sent);
      if (run == 0) {
        if (!try_send(messages[sent])) break;
        ++sent;
        continue;
      }
      require_no_claim("send");
      const auto count = slots_.try_claim(run);
      for (std::uint64_t i = 0; i < count; ++i) {
        const std::span<const std::byte> message = messages[sent + i];
        const auto room = writer_.claim_room(slots_, i, message.size());
        copy_bytes(room.data(), message);
        writer_.finish_room(slots_, i, room, message.size());
      }
      if (count != 0) writer_.publish_batch(slots_, count, count);
      sent += count;
      if (count < run) break;
    }
    return sent;
  }

  /// ready: sent; any other: not sent.
  [[nodiscard]] wait_result send_until(std::uint64_t deadline_ns, std::span<const std::byte> message,
                                       const stop_signal& stop) {
    std::span<std::byte> room;
    auto result = claim_until(deadline_ns, message.size(), room, stop);
    if (room.data() == nullptr) return result;
    copy_bytes(room.data(), message);
    result = publish_until(deadline_ns, message.size(), stop);
    if (result != wait_result::ready) abandon();
    return result;
  }

  // ---- A batch: slots first, then a message for each -----------------------------------------------------------------

  [[nodiscard]] std::uint64_t try_claim_batch(std::uint64_t count) {
    require_no_claim("claim a batch");
    return batch_of(slots_.try_claim(count));
  }
  [[nodiscard]] wait_result claim_batch_until(std::uint64_t deadline_ns, std::uint64_t count, std::uint64_t& claimed,
                                              const stop_signal& stop) {
    require_no_claim("claim a batch");
    const auto result = slots_.claim_until(deadline_ns, count, claimed, stop);
    (void)batch_of(claimed);
    return result;
  }
  /// Room for the next message of the batch, which ends the one before. Its data is null: the batch has no further slot, or
  /// the arena no room. @throws error bad_argument: no message can be so long; wrong_process; truncated.
  [[nodiscard]] std::span<std::byte> try_add(std::uint64_t bytes) {
    require_here();
    finish_last();
    if (added_ == slots_in_batch_) return {};
    last_ = writer_.claim_room(slots_, added_, bytes);
    if (last_.data() == nullptr) return {};
    last_bytes_ = bytes;
    ++added_;
    return last_;
  }
  /// The message that was added last has its first `bytes`. @throws error misuse: it has fewer.
  void cut(std::uint64_t bytes) {
    if (is_retired()) return;
    if (last_.data() == nullptr || bytes > last_.size()) throw_beyond_claim(owner(), bytes, last_.size());
    last_bytes_ = bytes;
  }
  [[nodiscard]] std::uint64_t added() const noexcept { return added_; }
  /// Publishes what was added, at most the first `count`, and gives the other slots back.
  void publish_batch(std::uint64_t count) noexcept {
    if (is_retired()) return end_retired();
    what_ = claim_kind::none;
    if (!slots_.is_here()) return;
    finish_last();
    writer_.publish_batch(slots_, lesser(count, added_), added_);
  }

  // ---- The end -------------------------------------------------------------------------------------------------------

  /// As raw_producer::finish().
  bool finish() {
    require_no_claim("finish");
    return slots_.finish();
  }

  /// Ends a handle on the heap. A claim that outlives it is void: its end deletes it.
  static void retire(raw_bytes_producer* handle) noexcept {
    if (!handle->is_claiming()) {
      delete handle;
      return;
    }
    handle->what_ = claim_kind::retired;
    handle->slots_.leave_before_its_claim();
  }

 private:
  friend struct access;
  enum class claim_kind : std::uint8_t { none, message, batch, retired };

  [[nodiscard]] participant& owner() noexcept { return access::owner_of(slots_); }
  void require_here() { owner().require_here(); }
  void end_retired() noexcept { delete this; }

  [[gnu::always_inline]] void require_no_claim(const char* what) {
    if (is_claiming()) [[unlikely]]
      throw_claimed(what);
  }
  [[noreturn, gnu::noinline]] void throw_claimed(const char* what) {
    require_here();
    throw_lent(owner(), role::producer, what_ == claim_kind::batch, 1, what);
  }
  [[gnu::always_inline]] void require_within_claim(std::uint64_t bytes) {
    if (!slots_.is_here()) [[unlikely]]
      require_here();
    if (bytes > claimed_bytes_) [[unlikely]]
      throw_beyond_claim(owner(), bytes, claimed_bytes_);
  }

  [[gnu::always_inline]] std::span<std::byte> opened(std::span<std::byte> room, std::uint64_t bytes) noexcept {
    if (room.data() != nullptr) {
      what_ = claim_kind::message;
      claimed_bytes_ = bytes;
    }
    return room;
  }
  std::uint64_t batch_of(std::uint64_t claimed) noexcept {
    if (claimed == 0) return 0;
    what_ = claim_kind::batch;
    slots_in_batch_ = claimed;
    added_ = 0;
    last_ = {};
    return claimed;
  }
  void finish_last() noexcept {
    if (last_.data() != nullptr) writer_.finish_room(slots_, added_ - 1, last_, last_bytes_);
    last_ = {};
  }

  [[nodiscard]] bool is_long(std::uint64_t bytes) const noexcept { return bytes > bytes_.bounds.inline_bytes; }
  [[nodiscard]] bool claims_late(std::uint64_t bytes) const noexcept { return Ring::has_many_seats && is_long(bytes); }
  [[nodiscard]] bool has_free_slot() { return slots_.size_approx() < slots_.capacity_slots(); }
  /// False: closed; or the ring is full, which is asked before anything is copied; or the arena is.
  [[gnu::noinline]] bool try_send_long(std::span<const std::byte> message) {
    if (!slots_.may_claim()) return false;
    const bool has_slot = !Ring::has_many_seats || has_free_slot();
    if (has_slot && writer_.try_send(slots_, message)) return true;
    slots_.polled_in_vain([&] { return has_slot ? writer_.waits_for() : slots_.waits_for(); });
    return false;
  }

  [[gnu::always_inline]] std::span<std::byte> claim(std::uint64_t bytes) {
    if (is_long(bytes)) return claim_long(bytes);
    return writer_.try_claim(slots_, bytes);
  }
  /// Nothing that is shared is read for it while the arena has room: so it asks here what every claim asks.
  [[gnu::noinline]] std::span<std::byte> claim_long(std::uint64_t bytes) {
    if (!slots_.may_claim()) return {};
    const auto room = writer_.try_claim(slots_, bytes);
    if (room.data() == nullptr) slots_.polled_in_vain([this] { return writer_.waits_for(); });
    return room;
  }

  [[gnu::noinline]] wait_result wait_for_claim(std::uint64_t deadline_ns, std::uint64_t bytes,
                                               std::span<std::byte>& room, const stop_signal& stop) {
    const auto take = [&] { return (room = writer_.try_claim(slots_, bytes)).data() != nullptr; };
    const auto blocked_by = [&] {
      return is_long(bytes) && (Ring::has_many_seats || has_free_slot()) ? writer_.waits_for() : slots_.waits_for();
    };
    auto place = owner().place();
    if (claims_late(bytes)) place = place.that_waits_for(parked_for::arena);
    return slots_.take_until(deadline_ns, take, place, blocked_by, stop);
  }
  [[nodiscard]] auto oldest_in_ring() noexcept {
    return [this] { return slots_.waits_for(); };
  }
  template <class Messages>
  [[nodiscard]] std::uint64_t short_run(const Messages& messages, std::uint64_t from) const noexcept {
    auto end = from;
    while (end < messages.size() && !is_long(std::span<const std::byte>(messages[end]).size())) ++end;
    return end - from;
  }

  slots_type slots_;
  bytes_view bytes_;
  bytes_writer<Ring, slots_type> writer_;
  claim_kind what_ = claim_kind::none;
  std::uint64_t claimed_bytes_ = 0;   // of an open claim
  std::uint64_t slots_in_batch_ = 0;  // of an open batch
  std::uint64_t added_ = 0;
  std::span<std::byte> last_;  // the message that was added last, while it may be cut
  std::uint64_t last_bytes_ = 0;
};

/// Of the handle that has it.
template <class Ring, class Wait>
void dispose(raw_bytes_producer<Ring, Wait>* handle) noexcept {
  raw_bytes_producer<Ring, Wait>::retire(handle);
}

}  // namespace sluice::detail
