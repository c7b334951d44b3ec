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
//   auto eye = sluice::topic<quote>::watch("ticks");                     // or is not even seen: the kernel lets it only read
//
//   auto lines = sluice::topic<sluice::bytes>::create_or_attach("lines");  // messages of any length, and types with a
//   (void)lines.publisher().send("a line of any length");                // serializer: as bytes.hpp says
//
// One publisher at a time; `topic<T, publishers::many>` has up to 64. Subscribers come and go at any time, up to 4096 at once.
// Publishing without subscribers is allowed, and costs no wake-up. A message stays in the ring until its slot is needed.
// Threads: copies of a topic are independent; a publisher or subscriber belongs to one thread at a time. Processes, lifetime
// and errors: as channel.hpp says.
// Crash: killed at any instruction, what was published is seen by every subscriber, what was not is never seen. A dead
// lossless subscriber holds up a publisher until its next tick, 50 ms; a stopped one for as long as it is stopped, and
// `sluice inspect` names it. What a named subscription keeps stays until the next subscriber of its name has released it.
// docs/format.md, tables 12 and 13; docs/decisions/0046-broadcast.md, 0047-topics-of-any-length.md, 0050-named-subscriptions.md.

#include "sluice/detail/base/language.hpp"

#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/bytes.hpp"
#include "sluice/channel.hpp"
#include "sluice/detail/channel/access.hpp"
#include "sluice/detail/channel/raw_lossy_subscriber.hpp"
#include "sluice/detail/channel/raw_watcher.hpp"
#include "sluice/detail/part/topic/topic_bytes_ring.hpp"
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
  std::uint64_t capacity_bytes =
      0;  ///< messages of any length only: as channel_options::capacity_bytes, of each publisher
  std::uint64_t inline_bytes = 0;  ///< messages of any length only: as channel_options::inline_bytes
  footprint sized_for = footprint::latency;
  std::uint32_t publisher_seats = 0;   ///< publishers::many only: how many at once, 1 to 4096; 0: 64
  std::uint32_t subscriber_seats = 0;  ///< how many at once, 1 to 4096, lossy ones too; 0: 64
  sluice::lifetime lifetime = sluice::lifetime::persistent;
  /// What survives a reset of the machine, as history: by name and on a disk only. A durable topic is persistent.
  sluice::durability durability = {};
  std::uint32_t mode = 0600;  ///< permissions of the file, whatever the umask; 0644 for watchers of other users
  memory_options memory = {};
  /// Publishers wake watchers that sleep, which cannot say that they do: the price of a coarse clock with each message, and a
  /// system call for each of its steps.
  bool wakes_watchers = false;
  /// A subscriber that keeps messages and has released none for so long, while a publisher needed the slot, becomes a lossy
  /// one and is told. Such a topic has droppable_subscriber() and no subscriber(). Zero: none is dropped. To within two ticks.
  detail::timeout drop_stalled_after = detail::timeout::zero();
};

namespace detail {

/// Which ring a topic of messages of any length lies in.
template <any_length T, publishers Publishers>
struct ring_for<T, topic_ring<Publishers>> {
  using type = topic_bytes_ring<Publishers>;
};

/// What lossy subscribers and watchers have in common, whatever their messages are. `Base` is their handle.
template <class Base>
class lossy_handle : public Base {
 public:
  /// Whether what was read of the viewed message so far was the message.
  [[nodiscard]] bool still_valid() const { return usable().is_intact(); }
  void next() { usable().release(); }

  /// By how many messages it was overtaken since this was asked last.
  [[nodiscard]] std::uint64_t lost() {
    const auto all = usable().lost();
    return all - std::exchange(told_, all);
  }
  [[nodiscard]] std::uint64_t lost_in_all() const { return usable().lost(); }
  /// False: lost_in_all() is not more than that, as it may be where many publish and more than eight claims were given up while
  /// this subscriber was behind.
  [[nodiscard]] bool is_loss_exact() const { return usable().is_loss_exact(); }

 protected:
  using Base::Base;
  using Base::status_, Base::usable;

  /// Waits until `take` has received. A message that was there may be overtaken before it is copied: then the wait goes on.
  template <class Take>
  wait_result receive_before(std::uint64_t deadline_ns, const stop_signal& stop, const Take& take) {
    for (;;) {
      if (take()) return status_ = wait_result::ready;
      status_ = usable().peek_until(deadline_ns, stop);
      if (status_ != wait_result::ready) return status_;
    }
  }

 private:
  std::uint64_t told_ = 0;  // of what was lost
};

/// The calls by which they read. A message may be overwritten while it is read, so it is copied, and the copy is handed out
/// only if it was whole; in place, still_valid() says so afterwards.
template <class T, class Base>
class lossy_calls : public lossy_handle<Base> {
  static_assert(require_message<T>::value);

 public:
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
  [[nodiscard]] wait_result receive(T& into, const stop_signal& stop = {}) {
    return this->receive_before(never, stop, [&] { return try_receive(into); });
  }
  [[nodiscard]] wait_result receive_for(T& into, timeout at_most, const stop_signal& stop = {}) {
    return this->receive_before(deadline_after(at_most), stop, [&] { return try_receive(into); });
  }
  [[nodiscard]] wait_result receive_until(T& into, time_limit when, const stop_signal& stop = {}) {
    return this->receive_before(deadline_at(when), stop, [&] { return try_receive(into); });
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

 protected:
  using lossy_handle<Base>::lossy_handle;
  using Base::usable;

 private:
  friend struct access;
};

/// The same for messages of any length.
template <any_length T, class Base>
class lossy_calls<T, Base> : public lossy_handle<Base> {
 public:
  // ---- By copy -------------------------------------------------------------------------------------------------------

  /// The next message, whole: into a std::string, a std::vector<std::byte> or the like, which becomes as long as the message; or
  /// what the serializer's read() makes of a copy that stays until the next message is received. False: there is none yet.
  /// @throws error corrupted; wrong_process; truncated.
  template <receives<T> Into>
  [[nodiscard]] bool try_receive(Into& into) {
    if constexpr (byte_container<Into>) {
      return usable().try_receive_into([&](std::size_t size) {
        into.resize(size);
        return reinterpret_cast<std::byte*>(into.data());
      });
    } else {
      if (!try_receive(copy_)) return false;
      into = serializer<T>::read(copy_);
      return true;
    }
  }
  /// Into memory that is long enough: its length. @throws error misuse: it is not, and the message stays.
  [[nodiscard]] std::optional<std::size_t> try_receive(std::span<std::byte> into) {
    std::size_t length = 0;
    auto& raw = usable();
    const bool is_there = raw.try_receive_into([&](std::size_t size) {
      if (size > into.size()) raw.throw_too_short(into.size(), size);
      length = size;
      return into.data();
    });
    return is_there ? std::optional(length) : std::nullopt;
  }
  /// Waits for it, as where messages have one size.
  template <receives<T> Into>
  [[nodiscard]] wait_result receive(Into& into, const stop_signal& stop = {}) {
    return this->receive_before(never, stop, [&] { return try_receive(into); });
  }
  template <receives<T> Into>
  [[nodiscard]] wait_result receive_for(Into& into, timeout at_most, const stop_signal& stop = {}) {
    return this->receive_before(deadline_after(at_most), stop, [&] { return try_receive(into); });
  }
  template <receives<T> Into>
  [[nodiscard]] wait_result receive_until(Into& into, time_limit when, const stop_signal& stop = {}) {
    return this->receive_before(deadline_at(when), stop, [&] { return try_receive(into); });
  }

  /// The newest message, if it has not been received; those before it count as lost.
  template <receives<T> Into>
  [[nodiscard]] bool try_receive_newest(Into& into) {
    usable().skip_to_newest();
    return try_receive(into);
  }

  // ---- In place ------------------------------------------------------------------------------------------------------

  /// The next message where it lies; nothing: there is none yet. Its length is right. Its bytes may be overwritten at any moment:
  /// act upon nothing that was read of them before still_valid() has said yes. next() goes on.
  [[nodiscard]] std::optional<std::span<const std::byte>> try_view() {
    std::span<const std::byte> message;
    return usable().try_view(message) ? std::optional(message) : std::nullopt;
  }

  /// The longest message that there can be.
  [[nodiscard]] std::size_t max_message_bytes() const { return usable().reach().max_bytes(); }

 protected:
  using lossy_handle<Base>::lossy_handle;
  using Base::usable;

 private:
  friend struct access;

  std::vector<std::byte> copy_;  // that read() may refer to
};

template <class T, publishers Publishers, wait_strategy Wait>
using raw_lossy_subscriber_of = raw_lossy_subscriber<typename ring_for<T, topic_ring<Publishers>>::type, Wait>;
template <class T, publishers Publishers, wait_strategy Wait>
using raw_watcher_of = raw_watcher<typename ring_for<T, topic_ring<Publishers>>::type, Wait>;

}  // namespace detail

/// Puts messages of type T into a topic: a producer, of which one loan or one batch is open at a time. A claim waits while a
/// lossless subscriber has not released what lies in its slot. size_approx() says how far behind the slowest of them is.
template <class T, publishers Publishers = publishers::one, wait_strategy Wait = spin_then_park>
using publisher = producer<T, detail::topic_ring<Publishers>, Wait>;

/// Misses nothing from where it began: a consumer that shares no message with others. What it had not released when it was
/// killed is lost to it, and its successor begins where it asks to; unless it was a named_subscriber().
template <class T, publishers Publishers = publishers::one, wait_strategy Wait = spin_then_park>
using subscriber = consumer<T, detail::topic_ring<Publishers>, Wait>;

/// Never holds up a publisher: it is overtaken, and told by how many messages. Made by topic<T>::lossy_subscriber(). Has a
/// seat, so that `sluice inspect` shows where it is and what it lost. One thread at a time; move-only.
template <class T, publishers Publishers = publishers::one, wait_strategy Wait = spin_then_park>
class lossy_subscriber
    : public detail::lossy_calls<
          T, detail::seated_handle<detail::raw_lossy_subscriber_of<T, Publishers, Wait>, role::consumer>> {
  using raw_type = detail::raw_lossy_subscriber_of<T, Publishers, Wait>;
  using base = detail::lossy_calls<T, detail::seated_handle<raw_type, role::consumer>>;

 public:
  lossy_subscriber(const attached_segment& attached, std::uint32_t ring_index, Wait wait, history wanted, resumes where,
                   detail::holding what = detail::holding::nothing)
      : base(new raw_type(attached, ring_index, std::move(wait), wanted, where, what)) {}

  /// Of a droppable_subscriber(): whether a publisher made it lossy, because it held that up for too long. It finds out when it
  /// releases or skips a message. From then on it holds up none, may be overtaken, and lost() counts.
  [[nodiscard]] bool was_dropped() const { return this->usable().was_dropped(); }
};

/// A lossy subscriber that cannot disturb any process: the kernel lets it only read, and it takes no seat, no lock, and nothing
/// of the room for subscribers. No participant and no operator sees it. Made by topic<T>::watch(). It needs permission to
/// read the file and no more. A name that was removed stays readable to it. One thread at a time; move-only.
/// Its waits sleep, but it cannot say so: of a topic that does not wake watchers it sleeps for 50 us at first, then twice as
/// long each time, so what comes after a silence is seen at most as late again as the silence was long, and never more than
/// 90 ms late.
template <class T, publishers Publishers = publishers::one, wait_strategy Wait = spin_then_park>
class watcher
    : public detail::lossy_calls<T, detail::handle<detail::raw_watcher_of<T, Publishers, Wait>, role::consumer>> {
  using raw_type = detail::raw_watcher_of<T, Publishers, Wait>;
  using base = detail::lossy_calls<T, detail::handle<raw_type, role::consumer>>;

 public:
  /// Of a post that topic<T> found for it.
  watcher(detail::owned<detail::watch_post> post, Wait wait, history wanted, resumes where)
      : base(new raw_type(std::move(post), std::move(wait), wanted, where)) {}
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
  /// past may be there. @throws error seat_taken; wrong_kind: the topic drops stalled subscribers, see droppable_subscriber().
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::subscriber<T, Publishers, Wait> subscriber(history wanted = history::none(),
                                                                   Wait wait = {}) const {
    return {detail::access::attached(channel_), detail::access::ring_index(channel_), std::move(wait), wanted};
  }
  /// Joins, lossless, by the name of a subscription that stays when its subscriber leaves or dies: its seat is kept, and publishers
  /// overwrite nothing that it has not released, whether a process is there or not, until unsubscribe(). The first one begins
  /// with `if_new`. Each later one goes on where the one before released last; what that one had been handed and not released
  /// comes again, marked (redelivered). One process at a time. Name: 1 to 24 of A-Z a-z 0-9 . _ -, the first a letter or a
  /// digit. Other systems say durable subscription. It ends with the segment; it survives a reset of the machine where the
  /// topic does.
  /// @throws error seat_taken, with the pid of the process that has it, or when no seat is left for a new one; bad_name;
  ///         in_use: another process is subscribing by a name, and was stopped in it; wrong_kind: as subscriber().
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::subscriber<T, Publishers, Wait> named_subscriber(std::string_view subscription,
                                                                         history if_new = history::none(),
                                                                         Wait wait = {}) const {
    return {detail::access::attached(channel_), detail::access::ring_index(channel_), std::move(wait),
            detail::named_subscription{{detail::subscription_name(subscription)}, if_new}};
  }
  /// Ends a subscription in which no process is: what it kept is kept no more, and publishers that waited for it go on.
  /// @throws error not_found: there is none of this name; seat_taken, with the pid of the process that has it; bad_name.
  void unsubscribe(std::string_view subscription) const {
    detail::raw_consumer<typename detail::ring_for<T, detail::topic_ring<Publishers>>::type, park> last(
        detail::access::attached(channel_), detail::access::ring_index(channel_), {},
        detail::named_subscription{{detail::subscription_name(subscription), true}, {}});
    last.end_subscription();
  }
  /// Joins, lossless until a publisher drops it: topic_options::drop_stalled_after. Until then it is overtaken by none and
  /// holds publishers up. Because it may be dropped at any moment it reads as a lossy one does.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::lossy_subscriber<T, Publishers, Wait> droppable_subscriber(history wanted = history::none(),
                                                                                   resumes where = resumes::at_oldest,
                                                                                   Wait wait = {}) const {
    return {detail::access::attached(channel_), detail::access::ring_index(channel_), std::move(wait), wanted, where,
            detail::holding::until_dropped};
  }
  /// Joins, lossy: it holds up no publisher.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::lossy_subscriber<T, Publishers, Wait> lossy_subscriber(history wanted = history::none(),
                                                                               resumes where = resumes::at_oldest,
                                                                               Wait wait = {}) const {
    return {detail::access::attached(channel_), detail::access::ring_index(channel_), std::move(wait), wanted, where};
  }

  // ---- Watching, for which the process needs no more than permission to read ------------------------------------------

  /// @throws error not_found; no_permission; wrong_type; wrong_kind; and all of observer::attach().
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] static watcher<T, Publishers, Wait> watch(std::string_view name_or_path,
                                                          history wanted = history::none(),
                                                          resumes where = resumes::at_oldest, Wait wait = {}) {
    return {detail::watch_post::at(name_or_path, watched()), std::move(wait), wanted, where};
  }
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] static watcher<T, Publishers, Wait> watch(const registry& in, const segment_name& name,
                                                          history wanted = history::none(),
                                                          resumes where = resumes::at_oldest, Wait wait = {}) {
    return {detail::watch_post::at(in, name, watched()), std::move(wait), wanted, where};
  }
  /// The same, and waits until the name exists.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] static watcher<T, Publishers, Wait> watch_for(std::string_view name_or_path, detail::timeout at_most,
                                                              history wanted = history::none(),
                                                              resumes where = resumes::at_oldest,
                                                              const detail::stop_signal& stop = {}, Wait wait = {}) {
    return {detail::watch_post::at_before(detail::deadline_after(at_most), name_or_path, watched(), stop),
            std::move(wait), wanted, where};
  }
  /// In memory that was mapped with view::read_only, such as a memfd that was accepted. @throws error bad_argument: this process
  /// may write to it.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] static watcher<T, Publishers, Wait> watch_in(const segment& memory, history wanted = history::none(),
                                                             resumes where = resumes::at_oldest, Wait wait = {}) {
    return {detail::watch_post::in(memory, watched()), std::move(wait), wanted, where};
  }

  [[nodiscard]] std::uint64_t capacity_slots() const noexcept { return channel_.capacity_slots(); }
  [[nodiscard]] const segment_header& header() const noexcept { return channel_.header(); }
  [[nodiscard]] const segment& memory() const noexcept { return channel_.memory(); }
  [[nodiscard]] name_state name_now() const noexcept { return channel_.name_now(); }

  /// For segments made otherwise. @throws error wrong_type; wrong_kind.
  explicit topic(const attached_segment& attached, std::uint32_t ring_index = 0) : channel_(attached, ring_index) {}

 private:
  explicit topic(channel_type made) noexcept : channel_(std::move(made)) {}
  [[nodiscard]] static detail::watched_kind watched() noexcept {
    using ring = typename detail::ring_for<T, detail::topic_ring<Publishers>>::type;
    return {identity_of<T>(), ring::kind, &ring::bell, &ring::wakes_watchers};
  }
  [[nodiscard]] static channel_options options_of(const topic_options& options) {
    channel_options how;
    how.capacity_slots = options.capacity_slots;
    how.capacity_bytes = options.capacity_bytes;
    how.inline_bytes = options.inline_bytes;
    how.sized_for = options.sized_for;
    how.producer_seats = options.publisher_seats;
    how.consumer_seats = options.subscriber_seats;
    how.lifetime = options.lifetime;
    how.durability = options.durability;
    how.mode = options.mode;
    how.memory = options.memory;
    how.topic = {options.drop_stalled_after.ns(), options.wakes_watchers};
    return how;
  }

  channel_type channel_;
};

}  // namespace sluice
