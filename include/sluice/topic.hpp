#pragma once

// Topics between processes: every subscriber sees every message.
//
//   auto ticks = sluice::topic<quote>::create_or_attach("ticks", {.capacity_slots = 1024});
//   auto out = ticks.publisher();                                        // in one process
//   if (auto slot = out.try_claim()) { *slot = {7, 1.0, 1.1}; slot.publish(); }
//
//   auto all = ticks.subscriber(sluice::history::all());                 // in others: misses nothing, and holds the
//   while (auto q = all.peek_for(1s)) use(*q);                           // publisher up when it is a ring behind
//
//   auto fast = ticks.lossy_subscriber();                                // or never holds it up, and is told its loss
//   for (quote q; fast.receive_for(q, 1s) == sluice::wait_result::ready; use(q))
//     if (const auto n = fast.lost()) report(n);
//
// One publisher at a time; `topic<T, publishers::many>` has up to 64. Subscribers come and go at any time, up to 4096 at once.
// Publishing without subscribers is allowed, and costs no wake-up. A message stays in the ring until its slot is needed.
// Threads: copies of a topic are independent; a publisher or subscriber belongs to one thread at a time. Processes, lifetime
// and errors: as channel.hpp says.
// Crash: killed at any instruction, what was published is seen by every subscriber, what was not is never seen. A dead
// lossless subscriber holds up a publisher until its next tick, 50 ms; a stopped one for as long as it is stopped, and
// `sluice inspect` names it.
// docs/format.md, tables 12 and 13; docs/decisions/0046-broadcast.md.

#include "sluice/detail/base/language.hpp"

#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "sluice/channel.hpp"
#include "sluice/detail/channel/access.hpp"
#include "sluice/detail/channel/raw_lossy_subscriber.hpp"
#include "sluice/detail/part/topic/topic_ring.hpp"

namespace sluice {

/// one or many: how many may publish at once.
using detail::publishers;
/// How much of what was published before it a subscriber wants: none(), last(count) or all(), as far as it is still there.
using detail::history;
/// Where a lossy subscriber goes on that was overtaken: at_oldest, the oldest message that is not overwritten next; or
/// at_newest, what is published from now on.
using detail::resumes;

/// What a topic is created with. All have defaults that serve.
struct topic_options {
  std::uint64_t capacity_slots = 0;  ///< as channel_options::capacity_slots
  footprint sized_for = footprint::latency;
  std::uint32_t publisher_seats = 0;   ///< publishers::many only: how many at once, 1 to 4096; 0: 64
  std::uint32_t subscriber_seats = 0;  ///< how many at once, 1 to 4096, lossy ones too; 0: 64
  sluice::lifetime lifetime = sluice::lifetime::persistent;
  std::uint32_t mode = 0600;  ///< permissions of the file, whatever the umask
  memory_options memory = {};
};

/// Puts messages of type T into a topic: a producer, of which one loan or one batch is open at a time. A claim waits while a
/// lossless subscriber has not released what lies in its slot. size_approx() says how far behind the slowest of them is.
template <class T, publishers Publishers = publishers::one, wait_strategy Wait = spin_then_park>
using publisher = producer<T, detail::topic_ring<Publishers>, Wait>;

/// Misses nothing from where it began: a consumer that shares no message with others. What it had not released when it was
/// killed is lost to it; its successor begins where it asks to.
template <class T, publishers Publishers = publishers::one, wait_strategy Wait = spin_then_park>
using subscriber = consumer<T, detail::topic_ring<Publishers>, Wait>;

/// Never holds up a publisher: it is overtaken, and told by how many messages. Made by topic<T>::lossy_subscriber().
/// One thread at a time; move-only. A message may be overwritten while it is read, so it is copied, and the copy is handed out
/// only if it was whole; in place, still_valid() says so afterwards.
template <class T, publishers Publishers = publishers::one, wait_strategy Wait = spin_then_park>
class lossy_subscriber : public detail::handle<detail::raw_lossy_subscriber<Publishers, Wait>, role::consumer> {
  static_assert(detail::require_message<T>::value);
  using raw_type = detail::raw_lossy_subscriber<Publishers, Wait>;
  using base = detail::handle<raw_type, role::consumer>;

 public:
  lossy_subscriber(const attached_segment& attached, std::uint32_t ring_index, Wait wait, history wanted, resumes where)
      : base(new raw_type(attached, ring_index, std::move(wait), wanted, where)) {}

  // ---- By copy -------------------------------------------------------------------------------------------------------

  /// The next message, whole. False: there is none yet. @throws error wrong_process; truncated.
  [[nodiscard, gnu::always_inline]] bool try_receive(T& into) {
    return usable().try_receive(reinterpret_cast<std::byte*>(&into));
  }
  [[nodiscard]] std::optional<T> try_receive() {
    std::optional<T> message(std::in_place);
    if (!try_receive(*message)) message.reset();
    return message;
  }
  /// Waits for it. ready; closed: and it got all that it was not overtaken by; peer_gone: all publishers died (said once);
  /// timed_out; interrupted.
  [[nodiscard]] wait_result receive(T& into, const detail::stop_signal& stop = {}) {
    return receive_before(into, detail::never, stop);
  }
  [[nodiscard]] wait_result receive_for(T& into, detail::timeout at_most, const detail::stop_signal& stop = {}) {
    return receive_before(into, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] wait_result receive_until(T& into, detail::time_limit when, const detail::stop_signal& stop = {}) {
    return receive_before(into, detail::deadline_at(when), stop);
  }

  /// The newest message, if it has not been received; those before it count as lost. For those that want the last value.
  [[nodiscard]] bool try_receive_newest(T& into) {
    usable().skip_to_newest();
    return try_receive(into);
  }

  // ---- In place ------------------------------------------------------------------------------------------------------

  /// The next message where it lies, or null. It may be overwritten at any moment: act upon nothing that was read of it, a
  /// length above all, before still_valid() has said yes. next() goes on.
  [[nodiscard]] const T* try_view() {
    auto& raw = usable();
    return raw.try_peek() ? std::launder(reinterpret_cast<const T*>(raw.peeked())) : nullptr;
  }
  /// Whether what was read of it so far was the message.
  [[nodiscard]] bool still_valid() const { return usable().is_intact(); }
  void next() { usable().release(); }

  // ---- What it lost --------------------------------------------------------------------------------------------------

  /// By how many messages it was overtaken since this was asked last.
  [[nodiscard]] std::uint64_t lost() {
    const auto all = usable().lost();
    return all - std::exchange(told_, all);
  }
  [[nodiscard]] std::uint64_t lost_in_all() const { return usable().lost(); }
  /// False: lost_in_all() is not more than that, as it may be where many publish and more than eight claims were given up while
  /// this subscriber was behind.
  [[nodiscard]] bool is_loss_exact() const { return usable().is_loss_exact(); }

 private:
  friend struct detail::access;
  using base::status_, base::usable;

  /// A message that was there may be overtaken before it is copied: then the wait goes on.
  wait_result receive_before(T& into, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    for (;;) {
      if (try_receive(into)) return status_ = wait_result::ready;
      status_ = usable().peek_until(deadline_ns, stop);
      if (status_ != wait_result::ready) return status_;
    }
  }

  std::uint64_t told_ = 0;  // of what was lost
};

/// A segment with one topic of messages T. Being attached keeps the name from being swept; it takes no seat.
template <class T, publishers Publishers = publishers::one>
class topic {
  using channel_type = channel<T, detail::topic_ring<Publishers>>;

 public:
  /// @throws error as channel<T>::create().
  static topic create(std::string_view name_or_path, const topic_options& options = {}) {
    return topic(channel_type::create(name_or_path, options_of(options)));
  }
  static topic create(const registry& where, const segment_name& name, const topic_options& options = {}) {
    return topic(channel_type::create(where, name, options_of(options)));
  }
  /// @throws error not_found; wrong_type; wrong_kind; and all of registry::attach().
  static topic attach(std::string_view name_or_path, const attach_options& options = {}) {
    return topic(channel_type::attach(name_or_path, options));
  }
  static topic attach(const registry& where, const segment_name& name, const attach_options& options = {}) {
    return topic(channel_type::attach(where, name, options));
  }
  /// The same, and waits until the name exists.
  static topic attach_for(std::string_view name_or_path, detail::timeout at_most, const attach_options& options = {},
                          const detail::stop_signal& stop = {}) {
    return topic(channel_type::attach_for(name_or_path, at_most, options, stop));
  }
  /// Whichever is possible; an existing topic must offer what was asked for by name.
  static topic create_or_attach(std::string_view name_or_path, const topic_options& options = {}) {
    return topic(channel_type::create_or_attach(name_or_path, options_of(options)));
  }
  static topic create_or_attach(const registry& where, const segment_name& name, const topic_options& options = {}) {
    return topic(channel_type::create_or_attach(where, name, options_of(options)));
  }
  /// Without a name, for this process and those it forks afterwards.
  static topic create_unnamed(const topic_options& options = {}) {
    return topic(channel_type::create_unnamed(options_of(options)));
  }

  /// Takes a publisher's seat. @throws error seat_taken, with the pid of the process that sits there.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::publisher<T, Publishers, Wait> publisher(Wait wait = {}) const {
    return channel_.template producer<Wait>(std::move(wait));
  }
  /// Joins, lossless: from what it gets first on it misses nothing. At most an eighth of the ring less than it wants of the
  /// past may be there. @throws error seat_taken.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::subscriber<T, Publishers, Wait> subscriber(history wanted = history::none(),
                                                                   Wait wait = {}) const {
    return {detail::access::attached(channel_), detail::access::ring_index(channel_), std::move(wait), wanted};
  }
  /// Joins, lossy: it holds up no publisher.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::lossy_subscriber<T, Publishers, Wait> lossy_subscriber(history wanted = history::none(),
                                                                               resumes where = resumes::at_oldest,
                                                                               Wait wait = {}) const {
    return {detail::access::attached(channel_), detail::access::ring_index(channel_), std::move(wait), wanted, where};
  }

  [[nodiscard]] std::uint64_t capacity_slots() const noexcept { return channel_.capacity_slots(); }
  [[nodiscard]] const segment_header& header() const noexcept { return channel_.header(); }
  [[nodiscard]] const segment& memory() const noexcept { return channel_.memory(); }
  [[nodiscard]] name_state name_now() const noexcept { return channel_.name_now(); }

  /// For segments made otherwise. @throws error wrong_type; wrong_kind.
  explicit topic(const attached_segment& attached, std::uint32_t ring_index = 0) : channel_(attached, ring_index) {}

 private:
  explicit topic(channel_type made) noexcept : channel_(std::move(made)) {}
  [[nodiscard]] static channel_options options_of(const topic_options& options) {
    channel_options how;
    how.capacity_slots = options.capacity_slots;
    how.sized_for = options.sized_for;
    how.producer_seats = options.publisher_seats;
    how.consumer_seats = options.subscriber_seats;
    how.lifetime = options.lifetime;
    how.mode = options.mode;
    how.memory = options.memory;
    return how;
  }

  channel_type channel_;
};

}  // namespace sluice
