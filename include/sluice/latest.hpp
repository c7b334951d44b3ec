#pragma once

// The newest value, and tables of them by keys: what a process set last, for any number of readers.
//
//   sluice::latest<pose>::create_or_attach("pose").writer().set(p);        // in one process
//   pose now = sluice::latest<pose>::attach("pose").reader().get();        // in others: the newest, whole
//   auto eye = sluice::latest<pose>::watch("pose");                        // or one that the kernel lets only read
//   for (pose p; eye.get_change(p) == sluice::wait_result::ready; use(p))  // waits for one that is newer
//     if (eye.age_ns() > 1'000'000'000) complain();
//
//   using settings = sluice::table<sluice::key_text<32>, double>;          // many values, each by its key
//   auto out = settings::create_or_attach("settings", {.keys = 100}).writer();
//   out.set("speed", 1.5);                                                 // adds the key, if need be
//   auto in = settings::attach("settings").reader();
//   in.get("speed");
//   sluice::key_text<32> key;
//   for (double value; in.get_any_change(key, value) == sluice::wait_result::ready;) apply(key, value);
//
// One writer at a time for each value; the next one takes over when it has left or died. Setting a value waits for nothing
// and costs the same with any number of readers. A value that is overwritten before a reader looks is never seen by it:
// for every message, take a topic.
// Threads: copies of a latest or a table are independent; a writer or reader belongs to one thread at a time. Processes,
// lifetime and errors: as channel.hpp says.
// Crash: killed at any instruction, a writer leaves the value that it set last, whole; and the next writer goes on.
// docs/format.md, tables 15 to 19; docs/decisions/0051-latest-values.md.

#include "sluice/detail/base/language.hpp"

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/detail/channel/access.hpp"
#include "sluice/detail/channel/handle.hpp"
#include "sluice/detail/channel/key_text.hpp"
#include "sluice/detail/channel/message.hpp"
#include "sluice/detail/channel/opening.hpp"
#include "sluice/detail/channel/raw_latest_reader.hpp"
#include "sluice/detail/channel/raw_latest_writer.hpp"
#include "sluice/detail/channel/watch_post.hpp"
#include "sluice/error.hpp"
#include "sluice/message.hpp"
#include "sluice/options.hpp"
#include "sluice/wait.hpp"

namespace sluice {

using detail::identity_of;
using detail::segment_header;
using detail::wait_strategy;

/// A key that people read: up to N bytes of text, none of them zero. Made of a string literal or a string_view.
using detail::key_text;

/// What a latest value is created with. All have defaults that serve.
struct latest_options {
  /// A reader repeats its look when the writer sets all but one of them while it copies one: more for values of megabytes. A
  /// power of two from 2 to 1024; 0: 4.
  std::uint64_t slots = 0;
  std::uint32_t reader_seats = 0;  ///< how many at once, 1 to 4096; 0: 64. Watchers take none
  sluice::lifetime lifetime = sluice::lifetime::persistent;
  std::uint32_t mode = 0600;  ///< permissions of the file, whatever the umask; 0644 for watchers of other users
  memory_options memory = {};
  /// The writer wakes watchers that sleep, which cannot say that they do: a system call for each step of the coarse clock in
  /// which it sets a value. Otherwise watchers look by themselves, 90 ms late at most.
  bool wakes_watchers = false;
};

/// The same of a table.
struct table_options {
  std::uint64_t keys = 0;          ///< there is room for at least so many, up to 524,288; 0: 64
  std::uint64_t slots = 0;         ///< of each value, as latest_options::slots
  std::uint32_t writer_seats = 0;  ///< how many writers at once, 1 to 4096, each for any number of keys; 0: 64
  std::uint32_t reader_seats = 0;
  sluice::lifetime lifetime = sluice::lifetime::persistent;
  std::uint32_t mode = 0600;
  memory_options memory = {};
  bool wakes_watchers = false;
};

namespace detail {

template <class T>
struct require_value {
  static_assert(!any_length<T>, "sluice: values have one size: take a type that is trivially copyable.");
  static constexpr bool value = require_message<T>::value;
};

/// Where a reader copies a value to.
template <class T>
[[nodiscard, gnu::always_inline]] inline auto copy_to(T& into) noexcept {
  return [&into](const std::byte* from, const std::atomic<std::uint64_t>& word, std::uint64_t expected) {
    return copy_if_intact<sizeof(T)>(reinterpret_cast<std::byte*>(&into), from, word, expected);
  };
}

[[nodiscard]] inline std::uint64_t age_of(const value_stamp& got) noexcept {
  const auto now_ns = monotonic_coarse_ns();
  return got.version == 0 || now_ns < got.written_ns ? 0 : now_ns - got.written_ns;
}

/// A slot that is filled in place. Dropped without publish() it leaves the value as it is.
template <class T>
class [[nodiscard]] value_loan {
 public:
  value_loan() noexcept = default;
  value_loan(raw_latest_writer& raw, std::byte* value) noexcept
      : raw_(&raw), value_(std::launder(reinterpret_cast<T*>(value))) {}
  value_loan(value_loan&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)), value_(other.value_) {}
  value_loan& operator=(value_loan&& other) noexcept {
    std::swap(raw_, other.raw_);
    std::swap(value_, other.value_);
    return *this;
  }
  ~value_loan() { abandon(); }

  [[nodiscard]] explicit operator bool() const& noexcept { return raw_ != nullptr; }
  explicit operator bool() && = delete;  // `if (auto slot = out.claim())`
  /// The value, with the bytes of an older one: fill all of it.
  [[nodiscard]] T& operator*() const noexcept { return *value_; }
  [[nodiscard]] T* operator->() const noexcept { return value_; }

  /// Makes it the newest value; the loan is empty afterwards.
  void publish() noexcept {
    if (raw_ != nullptr) std::exchange(raw_, nullptr)->end_loan(true);
  }
  void abandon() noexcept {
    if (raw_ != nullptr) std::exchange(raw_, nullptr)->end_loan(false);
  }

 private:
  raw_latest_writer* raw_ = nullptr;
  T* value_ = nullptr;
};

/// The calls of a reader, whether it has a seat or only watches. `Base` is its handle.
template <class T, class Base>
class latest_calls : public Base {
  static_assert(require_value<T>::value);

 public:
  /// The newest value, whole. False: none was set yet. @throws error wrong_process; truncated; corrupted.
  [[nodiscard, gnu::always_inline]] bool try_get(T& into) { return usable().template try_get_only<T>(copy_to(into)); }
  [[nodiscard]] std::optional<T> try_get() {
    std::optional<T> value(std::in_place);
    if (!try_get(*value)) value.reset();
    return value;
  }
  /// @throws error not_found: none was set yet; and as try_get().
  [[nodiscard]] T get() {
    T value;
    if (!try_get(value)) usable().throw_no_value();
    return value;
  }

  /// The same, if it is newer than the one that this reader got last.
  [[nodiscard]] bool try_get_change(T& into) { return usable().has_news(0) && try_get(into); }
  /// Waits for that. ready; closed: and this reader has got the newest; peer_gone: the writer died, said once, and a
  /// successor may come; timed_out; interrupted. Values that are overwritten meanwhile are not seen.
  [[nodiscard]] wait_result get_change(T& into, const stop_signal& stop = {}) {
    return get_change_before(into, never, stop);
  }
  [[nodiscard]] wait_result get_change_for(T& into, timeout at_most, const stop_signal& stop = {}) {
    return get_change_before(into, deadline_after(at_most), stop);
  }
  [[nodiscard]] wait_result get_change_until(T& into, time_limit when, const stop_signal& stop = {}) {
    return get_change_before(into, deadline_at(when), stop);
  }
  /// Whether the newest value is newer than the one that this reader got last.
  [[nodiscard]] bool has_changed() const { return usable().has_news(0); }

  /// Of the value that it got last: how many were set up to it; 0: it got none.
  [[nodiscard]] std::uint64_t version() const { return usable().got(0).version; }
  /// How long ago that was set, by CLOCK_MONOTONIC, to within a step of the coarse clock (4 ms, clock_getres(2)).
  [[nodiscard]] std::uint64_t age_ns() const { return age_of(usable().got(0)); }

 protected:
  using Base::Base;
  using Base::status_, Base::usable;

 private:
  friend struct access;
  wait_result get_change_before(T& into, std::uint64_t deadline_ns, const stop_signal& stop) {
    auto& raw = usable();
    status_ = raw.wait_until([&] { return raw.has_news(0); }, deadline_ns, stop);
    if (status_ == wait_result::ready && !try_get(into)) raw.throw_no_value();  // a lost segment has thrown before
    return status_;
  }
};

template <class Key, class T, class Base>
class table_calls : public Base {
  static_assert(require_value<T>::value && require_key<Key>::value);

 public:
  // ---- Of one key ----------------------------------------------------------------------------------------------------

  /// The newest value of a key, whole. False: no writer has set it yet. @throws error wrong_process; truncated; corrupted.
  [[nodiscard]] bool try_get(const Key& key, T& into) {
    auto& raw = usable();
    const auto entry = raw.entry_of(bytes_of_key(key));
    return entry != no_entry && raw.try_get(entry, copy_to(into));
  }
  [[nodiscard]] std::optional<T> try_get(const Key& key) {
    std::optional<T> value(std::in_place);
    if (!try_get(key, *value)) value.reset();
    return value;
  }
  /// @throws error not_found: no writer has set it yet; and as try_get().
  [[nodiscard]] T get(const Key& key) {
    T value;
    if (!try_get(key, value)) usable().throw_no_value();
    return value;
  }
  /// The same, if it is newer than what this reader got of the key last.
  [[nodiscard]] bool try_get_change(const Key& key, T& into) { return has_changed(key) && try_get(key, into); }
  /// Waits for that, as a latest_reader does. The key may be added later.
  [[nodiscard]] wait_result get_change(const Key& key, T& into, const stop_signal& stop = {}) {
    return get_change_before(key, into, never, stop);
  }
  [[nodiscard]] wait_result get_change_for(const Key& key, T& into, timeout at_most, const stop_signal& stop = {}) {
    return get_change_before(key, into, deadline_after(at_most), stop);
  }
  [[nodiscard]] wait_result get_change_until(const Key& key, T& into, time_limit when, const stop_signal& stop = {}) {
    return get_change_before(key, into, deadline_at(when), stop);
  }
  [[nodiscard]] bool has_changed(const Key& key) {
    auto& raw = usable();
    const auto entry = raw.entry_of(bytes_of_key(key));
    return entry != no_entry && raw.has_news(entry);
  }
  /// Of what it got of the key last: how many values were set up to it; 0: it got none.
  [[nodiscard]] std::uint64_t version(const Key& key) { return got(key).version; }
  /// How long ago that was set, as latest_reader::age_ns().
  [[nodiscard]] std::uint64_t age_ns(const Key& key) { return age_of(got(key)); }

  // ---- Of any key: each look goes through all keys ---------------------------------------------------------------------

  /// A value that is newer than what this reader got of its key, and the key; by turns, so that none is forgotten. At first
  /// that is all there are. False: it has got the newest of every key.
  [[nodiscard]] bool try_get_any_change(Key& key, T& into) {
    auto& raw = usable();
    const auto entry = raw.next_with_news();
    if (entry == no_entry || !raw.try_get(entry, copy_to(into))) return false;
    std::memcpy(static_cast<void*>(&key), raw.view().key(entry), sizeof key);
    return true;
  }
  /// Waits for that, as get_change().
  [[nodiscard]] wait_result get_any_change(Key& key, T& into, const stop_signal& stop = {}) {
    return get_any_change_before(key, into, never, stop);
  }
  [[nodiscard]] wait_result get_any_change_for(Key& key, T& into, timeout at_most, const stop_signal& stop = {}) {
    return get_any_change_before(key, into, deadline_after(at_most), stop);
  }
  [[nodiscard]] wait_result get_any_change_until(Key& key, T& into, time_limit when, const stop_signal& stop = {}) {
    return get_any_change_before(key, into, deadline_at(when), stop);
  }
  /// All keys that were added so far, in no order.
  [[nodiscard]] std::vector<Key> keys() {
    auto& raw = usable();
    std::vector<Key> all;
    for (std::uint64_t i = 0; i < raw.view().entries(); ++i) {
      if (!has_key(raw.view().entry(i))) continue;
      std::memcpy(static_cast<void*>(&all.emplace_back()), raw.view().key(i), sizeof(Key));
    }
    return all;
  }

 protected:
  using Base::Base;
  using Base::status_, Base::usable;

 private:
  friend struct access;
  [[nodiscard]] value_stamp got(const Key& key) {
    auto& raw = usable();
    const auto entry = raw.entry_of(bytes_of_key(key));
    return entry != no_entry ? raw.got(entry) : value_stamp{};
  }
  wait_result get_change_before(const Key& key, T& into, std::uint64_t deadline_ns, const stop_signal& stop) {
    status_ = usable().wait_until([&] { return try_get_change(key, into); }, deadline_ns, stop);
    return status_;
  }
  wait_result get_any_change_before(Key& key, T& into, std::uint64_t deadline_ns, const stop_signal& stop) {
    status_ = usable().wait_until([&] { return try_get_any_change(key, into); }, deadline_ns, stop);
    return status_;
  }
};

template <wait_strategy Wait>
using raw_seated_reader = raw_latest_reader<participant, Wait>;
template <wait_strategy Wait>
using raw_watching_reader = raw_latest_reader<watch_post, Wait>;

}  // namespace detail

/// Sets the value. Made by latest<T>::writer(); one at a time, in any process. Going out of scope gives the seat back; the
/// value stays. One thread at a time; move-only. A handle that was moved from throws errc::misuse.
template <class T>
class latest_writer : public detail::seated_handle<detail::raw_latest_writer, detail::role::producer> {
  static_assert(detail::require_value<T>::value);
  using base = detail::seated_handle<detail::raw_latest_writer, detail::role::producer>;

 public:
  latest_writer(const attached_segment& attached, std::uint32_t ring_index)
      : base(new detail::raw_latest_writer(attached, ring_index, detail::latest_kind)) {}

  /// @throws error wrong_process; truncated; misuse: a slot is open.
  [[gnu::always_inline]] void set(const T& value) {
    auto& raw = usable();
    std::memcpy(raw.begin(0), &value, sizeof(T));
    raw.publish();
  }
  /// A slot, to be filled in place; readers see the value before until it is published. @throws error as set().
  [[nodiscard]] detail::value_loan<T> claim() & {
    auto& raw = usable();
    return {raw, raw.lend(0)};
  }

 private:
  friend struct detail::access;
  using base::usable;
};

/// Reads the newest value. Made by latest<T>::reader(); has a seat, so that the writer wakes it and `sluice inspect` shows it.
template <class T, wait_strategy Wait = spin_then_park>
class latest_reader
    : public detail::latest_calls<T, detail::seated_handle<detail::raw_seated_reader<Wait>, detail::role::consumer>> {
  using raw_type = detail::raw_seated_reader<Wait>;

 public:
  latest_reader(const attached_segment& attached, std::uint32_t ring_index, Wait wait)
      : detail::latest_calls<T, detail::seated_handle<raw_type, detail::role::consumer>>(
            new raw_type(detail::take_reader_seat(attached, ring_index, detail::latest_kind), std::move(wait))) {}
};

/// The same for a process that cannot disturb any other: the kernel lets it only read, and it takes no seat and no lock. Made
/// by latest<T>::watch(). What watcher of topic.hpp says of its waits and of its name holds for this one.
template <class T, wait_strategy Wait = spin_then_park>
class latest_watcher
    : public detail::latest_calls<T, detail::handle<detail::raw_watching_reader<Wait>, detail::role::consumer>> {
  using raw_type = detail::raw_watching_reader<Wait>;

 public:
  latest_watcher(detail::owned<detail::watch_post> post, Wait wait)
      : detail::latest_calls<T, detail::handle<raw_type, detail::role::consumer>>(
            new raw_type(std::move(post), std::move(wait))) {}
};

/// Sets values of a table by their keys. A key is its writer's from the first time that it sets it until it leaves or dies.
template <class Key, class T>
class table_writer : public detail::seated_handle<detail::raw_latest_writer, detail::role::producer> {
  static_assert(detail::require_value<T>::value && detail::require_key<Key>::value);
  using base = detail::seated_handle<detail::raw_latest_writer, detail::role::producer>;

 public:
  table_writer(const attached_segment& attached, std::uint32_t ring_index)
      : base(new detail::raw_latest_writer(attached, ring_index, detail::table_kind)) {}

  /// Adds the key if it is new. @throws error seat_taken, with the pid: another writer sets this key; no_space: there is no
  /// room for another key; in_use: a process is stopped while it adds one; and as latest_writer::set().
  void set(const Key& key, const T& value) {
    auto& raw = usable();
    std::memcpy(raw.begin(raw.entry_of(detail::bytes_of_key(key))), &value, sizeof(T));
    raw.publish();
  }
  [[nodiscard]] detail::value_loan<T> claim(const Key& key) & {
    auto& raw = usable();
    return {raw, raw.lend(raw.entry_of(detail::bytes_of_key(key)))};
  }

 private:
  friend struct detail::access;
  using base::usable;
};

template <class Key, class T, wait_strategy Wait = spin_then_park>
class table_reader
    : public detail::table_calls<Key, T,
                                 detail::seated_handle<detail::raw_seated_reader<Wait>, detail::role::consumer>> {
  using raw_type = detail::raw_seated_reader<Wait>;

 public:
  table_reader(const attached_segment& attached, std::uint32_t ring_index, Wait wait)
      : detail::table_calls<Key, T, detail::seated_handle<raw_type, detail::role::consumer>>(
            new raw_type(detail::take_reader_seat(attached, ring_index, detail::table_kind), std::move(wait))) {}
};

template <class Key, class T, wait_strategy Wait = spin_then_park>
class table_watcher
    : public detail::table_calls<Key, T, detail::handle<detail::raw_watching_reader<Wait>, detail::role::consumer>> {
  using raw_type = detail::raw_watching_reader<Wait>;

 public:
  table_watcher(detail::owned<detail::watch_post> post, Wait wait)
      : detail::table_calls<Key, T, detail::handle<raw_type, detail::role::consumer>>(
            new raw_type(std::move(post), std::move(wait))) {}
};

namespace detail {

/// How a latest value and a table come to their segment, and watchers to either. `Of` says what it holds: kind(), keys(),
/// options_of() and the type of its watcher.
template <class Of, class Made, class Options>
class values_segment {
 public:
  /// @throws error as channel<T>::create().
  static Made create(std::string_view name_or_path, const Options& options = {}) {
    return Made(create_channel(name_or_path, Of::kind(), Of::options_of(options)));
  }
  static Made create(const registry& where, const segment_name& name, const Options& options = {}) {
    return Made(create_channel(where, name, Of::kind(), Of::options_of(options)));
  }
  /// @throws error not_found; wrong_type; wrong_kind; and all of registry::attach().
  static Made attach(std::string_view name_or_path, const memory_options& memory = {}) {
    return Made(attach_channel(name_or_path, Of::kind(), how(memory)));
  }
  static Made attach(const registry& where, const segment_name& name, const memory_options& memory = {}) {
    return Made(attach_channel(where, name, Of::kind(), how(memory)));
  }
  /// The same, and waits until the name exists.
  static Made attach_for(std::string_view name_or_path, timeout at_most, const memory_options& memory = {},
                         const stop_signal& stop = {}) {
    return Made(attach_channel_before(deadline_after(at_most), name_or_path, Of::kind(), how(memory), stop));
  }
  /// Whichever is possible; an existing one must offer what was asked for.
  static Made create_or_attach(std::string_view name_or_path, const Options& options = {}) {
    return Made(create_or_attach_channel(name_or_path, Of::kind(), Of::options_of(options)));
  }
  static Made create_or_attach(const registry& where, const segment_name& name, const Options& options = {}) {
    return Made(create_or_attach_channel(where, name, Of::kind(), Of::options_of(options)));
  }
  /// Without a name, for this process and those it forks afterwards.
  static Made create_unnamed(const Options& options = {}) {
    return Made(create_unnamed_channel({&Of::kind(), 1}, Of::options_of(options)));
  }

  // ---- Watching, for which the process needs no more than permission to read ------------------------------------------

  /// @throws error not_found; no_permission; wrong_type; wrong_kind; and all of observer::attach().
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] static auto watch(std::string_view name_or_path, Wait wait = {}) {
    return typename Of::template watcher<Wait>(watch_post::at(name_or_path, watched()), std::move(wait));
  }
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] static auto watch(const registry& in, const segment_name& name, Wait wait = {}) {
    return typename Of::template watcher<Wait>(watch_post::at(in, name, watched()), std::move(wait));
  }
  /// The same, and waits until the name exists.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] static auto watch_for(std::string_view name_or_path, timeout at_most, const stop_signal& stop = {},
                                      Wait wait = {}) {
    return typename Of::template watcher<Wait>(
        watch_post::at_before(deadline_after(at_most), name_or_path, watched(), stop), std::move(wait));
  }

  [[nodiscard]] const segment_header& header() const noexcept { return header_of(*attached_); }
  [[nodiscard]] const segment& memory() const noexcept { return memory_of(*attached_); }
  [[nodiscard]] name_state name_now() const noexcept { return detail::name_now(*attached_); }

 protected:
  explicit values_segment(kept_attachment attached) noexcept : attached_(std::move(attached)) {}
  [[nodiscard]] static attach_options how(const memory_options& memory) noexcept {
    attach_options how{memory, {}};
    how.require.values = Of::keys();
    return how;
  }
  [[nodiscard]] static watched_kind watched() noexcept {
    return {Of::kind().type, Of::kind().ring, &latest_bell, &latest_wakes_watchers, Of::keys()};
  }

  friend struct access;
  kept_attachment attached_;
  std::uint32_t ring_index_ = 0;
};

/// What of the options is the same for both.
template <class Options>
[[nodiscard]] channel_options values_options(const Options& options, const value_policy& keys) {
  channel_options how;
  how.consumer_seats = options.reader_seats;
  how.lifetime = options.lifetime;
  how.mode = options.mode;
  how.memory = options.memory;
  how.topic.wakes_watchers = options.wakes_watchers;
  how.values = keys;
  how.values.slots_each = options.slots;
  return how;
}

template <class T>
struct latest_of {
  template <wait_strategy Wait>
  using watcher = latest_watcher<T, Wait>;
  [[nodiscard]] static const channel_kind& kind() noexcept {
    static constexpr channel_kind only{identity_of<T>(), latest_kind};
    return only;
  }
  [[nodiscard]] static value_policy keys() noexcept { return {}; }
  [[nodiscard]] static channel_options options_of(const latest_options& options) {
    return values_options(options, keys());
  }
};

template <class Key, class T>
struct table_of {
  template <wait_strategy Wait>
  using watcher = table_watcher<Key, T, Wait>;
  [[nodiscard]] static const channel_kind& kind() noexcept {
    static constexpr channel_kind only{identity_of<T>(), table_kind};
    return only;
  }
  [[nodiscard]] static value_policy keys() noexcept {
    return {0, sizeof(Key), identity_of<Key>().hash, kind_of_key<Key>()};
  }
  [[nodiscard]] static channel_options options_of(const table_options& options) {
    auto how = values_options(options, keys());
    how.capacity_slots = options.keys;
    how.producer_seats = options.writer_seats;
    return how;
  }
};

}  // namespace detail

/// A segment with the newest value of type T. Being attached keeps the name from being swept; it takes no seat.
template <class T>
class latest : public detail::values_segment<detail::latest_of<T>, latest<T>, latest_options> {
  static_assert(detail::require_value<T>::value);
  using base = detail::values_segment<detail::latest_of<T>, latest<T>, latest_options>;

 public:
  /// Takes the writer's seat. @throws error seat_taken, with the pid of the process that sits there.
  [[nodiscard]] latest_writer<T> writer() const { return {*this->attached_, this->ring_index_}; }
  /// Takes a reader's seat. @throws error seat_taken.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] latest_reader<T, Wait> reader(Wait wait = {}) const {
    return {*this->attached_, this->ring_index_, std::move(wait)};
  }

 private:
  template <class, class, class>
  friend class detail::values_segment;
  explicit latest(detail::kept_attachment attached) noexcept : base(std::move(attached)) {}
};

/// A segment with the newest value of each of many keys. Keys are added by their writers and never removed. A key is compared
/// by its bytes: integers, enumerations, key_text, and structs of these without padding.
template <class Key, class T>
class table : public detail::values_segment<detail::table_of<Key, T>, table<Key, T>, table_options> {
  static_assert(detail::require_value<T>::value && detail::require_key<Key>::value);
  using base = detail::values_segment<detail::table_of<Key, T>, table<Key, T>, table_options>;

 public:
  /// Takes a writer's seat, for any number of keys. @throws error seat_taken: all are.
  [[nodiscard]] table_writer<Key, T> writer() const { return {*this->attached_, this->ring_index_}; }
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] table_reader<Key, T, Wait> reader(Wait wait = {}) const {
    return {*this->attached_, this->ring_index_, std::move(wait)};
  }

 private:
  template <class, class, class>
  friend class detail::values_segment;
  explicit table(detail::kept_attachment attached) noexcept : base(std::move(attached)) {}
};

/// A value as its bytes.
struct value_bytes {
  std::vector<std::byte> key;  ///< of a table
  std::vector<std::byte> value;
  std::uint64_t version = 0;
  std::uint64_t age_ns = 0;
};

/// Reads a latest value or a table whose types are known at run time only: for tools and bindings. It watches: the kernel lets
/// it only read. One thread at a time; move-only.
class values_watcher {
 public:
  /// @throws error wrong_kind: it holds messages; and as latest<T>::watch().
  [[nodiscard]] static values_watcher watch(const registry& in, const segment_name& name);
  values_watcher(values_watcher&& other) noexcept;
  values_watcher& operator=(values_watcher&& other) noexcept;
  ~values_watcher();

  [[nodiscard]] const detail::part_descriptor& descriptor() const;
  /// What its keys are; key_bytes is zero where there is one value.
  [[nodiscard]] value_policy form() const;

  /// The newest value; of a table, of this key, which has form().key_bytes. Nothing: none was set yet.
  /// @throws error bad_argument: a key of another length; and as latest_calls::try_get().
  [[nodiscard]] std::optional<value_bytes> try_get(std::span<const std::byte> key = {});
  /// The newest value of each key.
  [[nodiscard]] std::vector<value_bytes> get_all();
  /// Waits for a value that is newer than what this watcher got of its key last. As table_reader::get_any_change_until().
  [[nodiscard]] wait_result get_any_change_until(value_bytes& into, detail::time_limit when);

  [[nodiscard]] peer_state peer();
  /// As for every handle: whether a handled signal ends a wait.
  void end_waits_on_signals(bool is_wanted);

 private:
  struct impl;
  explicit values_watcher(impl* made) noexcept;
  [[nodiscard]] impl& usable() const;
  impl* impl_;  // null: moved from
};

}  // namespace sluice
