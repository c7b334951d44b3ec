#pragma once

// Messages of any length: bytes, text, and types that a serializer turns into bytes.
//
//   auto log = sluice::create_or_attach<sluice::bytes, sluice::mpmc_ring>("log").producer();
//   if (log.send("a line of any length") != sluice::wait_result::ready) report(log.status());  // by copy
//   if (auto room = log.try_claim(4096))                          // or in place: at most so many bytes,
//     (void)room.publish(format_into(room.bytes()));              // and so many it became
//
//   auto in = sluice::attach<sluice::bytes, sluice::mpmc_ring>("log").consumer();
//   while (auto line = in.peek()) std::cout << line.text() << '\n';
//
// A message lies in one piece, in place on both sides. Up to `inline_bytes` (112 unless the creator asks for more) it lies in its
// slot; longer ones lie in the arena that each producer has for itself, `capacity_bytes` long, which is also the longest
// message. One that can never fit is errc::bad_argument at once; one that does not fit now is like a full ring. Every message
// begins on a multiple of 16 bytes. An empty one is a message too.
// Threads, processes, lifetime, waits, errors, crashes: as producer.hpp and consumer.hpp say, and
//   one claim or one batch of a producer at a time; a consumer has two loans, as always;
//   where others publish too, a long message gets its slot when it is published: publish() waits for it where it must;
//   peeking throws errc::corrupted where a slot says what no producer writes.
// docs/format.md, table 11; docs/decisions/0044-variable-length.md.

#include "sluice/detail/base/language.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "sluice/channel.hpp"
#include "sluice/detail/channel/bytes_reach.hpp"
#include "sluice/detail/channel/raw_bytes_producer.hpp"
#include "sluice/message.hpp"

namespace sluice {

/// A message of any length that sluice does not look into.
struct bytes {};

template <>
struct message_traits<bytes> {
  static constexpr std::string_view name = "sluice.bytes";
  static constexpr std::uint64_t version = 0;
};

/// How a type of your own becomes a message of any length and a message becomes it again, without a copy in between:
///
///   template <>
///   struct sluice::serializer<reading> {
///     static std::size_t max_bytes(const reading&);                           // how much room it may need
///     static std::size_t write(const reading&, std::span<std::byte> room);    // how much it took
///     static reading read(std::span<const std::byte> message);                // or a view of the bytes
///   };
///
/// write() gets the slot or the arena itself, and read() is called with the message where it lies: what it returns is what
/// a loan gives, so it may refer to the bytes until the loan ends. Bytes are input: read() must check them. What either
/// throws passes through to the caller; a claim is then abandoned, and a message stays where it is: peek() and release()
/// pass it. Declared in message.hpp; specialise it before the first use of the type.
template <>
struct serializer<bytes> {
  [[nodiscard]] static std::span<const std::byte> read(std::span<const std::byte> message) noexcept { return message; }
};

/// A message as text.
[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> message) noexcept {
  return {reinterpret_cast<const char*>(message.data()), message.size()};
}

/// Bytes that are to be sent: text, or whatever is a span of bytes. Refers to them.
class byte_view {
 public:
  template <class Text>
  requires std::convertible_to<const Text&, std::string_view> byte_view(const Text& text)
  noexcept : byte_view(std::string_view(text)) {}
  template <class Bytes>
  requires(std::convertible_to<const Bytes&, std::span<const std::byte>> &&
           !std::convertible_to<const Bytes&, std::string_view>) byte_view(const Bytes& bytes)
  noexcept : bytes_(bytes) {}
  byte_view(std::string_view text) noexcept : bytes_(std::as_bytes(std::span(text))) {}

  [[nodiscard]] operator std::span<const std::byte>() const noexcept { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

namespace detail {

/// Which ring a channel of such messages lies in.
template <any_length T>
struct ring_for<T, spsc_ring> {
  using type = spsc_bytes_ring;
};
template <any_length T>
struct ring_for<T, mpmc_ring> {
  using type = mpmc_bytes_ring;
};

/// What a program gives to send(), and what a loan gives to a program.
template <class T>
using sent_of = std::conditional_t<std::is_same_v<T, bytes>, byte_view, T>;
template <class T>
using view_of = decltype(serializer<T>::read(std::span<const std::byte>()));

/// What a message is received into by copy, if it is not a type of the user's: std::string, std::vector<std::byte>.
template <class C>
concept byte_container = sizeof(typename C::value_type) == 1 && requires(C& into, std::size_t size) {
  into.resize(size);
  { into.data() } -> std::convertible_to<void*>;
};
/// What messages T are received into by copy: such a container, or what the serializer's read() can be assigned to.
template <class Into, class T>
concept receives = byte_container<Into> ||(!std::same_as<T, bytes> && std::assignable_from<Into&, view_of<T>>);

}  // namespace detail

/// Puts messages of any length into a channel; made by channel<T>::producer(). As producer<T> of one size (producer.hpp) in
/// all that is not said here.
template <detail::any_length T, ring Ring, wait_strategy Wait>
class producer<T, Ring, Wait>
    : public detail::producer_handle<detail::raw_bytes_producer<typename detail::ring_for<T, Ring>::type, Wait>> {
  using raw_type = detail::raw_bytes_producer<typename detail::ring_for<T, Ring>::type, Wait>;
  using base = detail::producer_handle<raw_type>;
  static constexpr bool is_plain = std::is_same_v<T, bytes>;

 public:
  /// Room for one message, to be filled in place. Dropped without publish() it is abandoned: nothing is ever seen of it.
  class [[nodiscard]] loan {
   public:
    loan() noexcept = default;
    loan(loan&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)), room_(other.room_) {}
    loan& operator=(loan&& other) noexcept {
      std::swap(raw_, other.raw_);
      std::swap(room_, other.room_);
      return *this;
    }
    [[gnu::always_inline]] ~loan() {
      if (raw_ != nullptr) abandon();
    }

    /// Whether there is room: false when the channel was full, closed, or the time was up.
    [[nodiscard]] explicit operator bool() const& noexcept { return raw_ != nullptr; }
    explicit operator bool() && = delete;
    /// All of what was claimed, with whatever bytes were last there.
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return room_; }
    [[nodiscard]] char* data() const noexcept { return reinterpret_cast<char*>(room_.data()); }
    [[nodiscard]] std::size_t size() const noexcept { return room_.size(); }

    /// Makes the first `used` bytes visible as a message; ready: the loan is empty afterwards. A long message waits here for
    /// a slot where several producers publish: closed, peer_gone, timed_out, interrupted: nothing was published, and the loan
    /// is as before, to be published again or dropped.
    /// @throws error misuse: fewer were claimed; wrong_process.
    [[nodiscard]] wait_result publish(std::size_t used, const detail::stop_signal& stop = {}) {
      return publish_before(used, detail::never, stop);
    }
    [[nodiscard]] wait_result publish() { return publish(size()); }
    [[nodiscard]] wait_result publish_for(std::size_t used, detail::timeout at_most,
                                          const detail::stop_signal& stop = {}) {
      return publish_before(used, detail::deadline_after(at_most), stop);
    }
    [[nodiscard]] wait_result publish_until(std::size_t used, detail::time_limit when,
                                            const detail::stop_signal& stop = {}) {
      return publish_before(used, detail::deadline_at(when), stop);
    }
    /// The same without waiting. False: full or closed, and the loan is as before.
    [[nodiscard, gnu::always_inline]] bool try_publish(std::size_t used) {
      if (raw_ == nullptr || !raw_->try_publish(used)) return false;
      raw_ = nullptr;
      return true;
    }
    void abandon() noexcept {
      if (raw_ != nullptr) std::exchange(raw_, nullptr)->abandon();
    }

   private:
    friend class producer;
    loan(raw_type& raw, std::span<std::byte> room) noexcept : raw_(&raw), room_(room) {}
    wait_result publish_before(std::size_t used, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
      if (raw_ != nullptr && raw_->is_retired()) abandon();  // the handle is gone, and the loan is void
      if (raw_ == nullptr) return wait_result::closed;
      const auto result = raw_->publish_until(deadline_ns, used, stop);
      if (result == wait_result::ready) raw_ = nullptr;
      return result;
    }
    raw_type* raw_ = nullptr;
    std::span<std::byte> room_;
  };

  /// Several messages that become visible together. Dropped without publish() all are abandoned.
  class [[nodiscard]] batch {
   public:
    batch(batch&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)), slots_(std::exchange(other.slots_, 0)) {}
    batch& operator=(batch&& other) noexcept {
      std::swap(raw_, other.raw_);
      std::swap(slots_, other.slots_);
      return *this;
    }
    ~batch() {
      if (raw_ != nullptr) std::exchange(raw_, nullptr)->publish_batch(0);
    }

    /// How many messages it can have: 0 to the number asked for.
    [[nodiscard]] std::uint64_t size() const noexcept { return slots_; }
    /// Room for the next one, of up to `bytes`. Its data is null: the batch has no further slot, or the arena no room now.
    /// @throws error bad_argument: no message can be so long.
    [[nodiscard]] std::span<std::byte> try_add(std::size_t bytes) {
      return raw_ != nullptr ? raw_->try_add(bytes) : std::span<std::byte>();
    }
    /// The one that was added last has only its first `used` bytes. @throws error misuse: it has fewer.
    void cut(std::size_t used) {
      if (raw_ != nullptr) raw_->cut(used);
    }
    /// How many were added.
    [[nodiscard]] std::uint64_t added() const noexcept { return raw_ != nullptr ? raw_->added() : 0; }
    /// Makes those that were added visible, in order; how many. The batch is empty afterwards.
    std::uint64_t publish() noexcept {
      if (raw_ == nullptr) return 0;
      auto& raw = *std::exchange(raw_, nullptr);
      const auto count = raw.added();
      slots_ = 0;
      raw.publish_batch(count);
      return count;
    }

   private:
    friend class producer;
    batch(raw_type* raw, std::uint64_t slots) noexcept : raw_(raw), slots_(slots) {}
    raw_type* raw_;
    std::uint64_t slots_;
  };

  producer(const attached_segment& attached, std::uint32_t ring_index, Wait wait)
      : base(new raw_type(attached, ring_index, std::move(wait))) {}

  // ---- Zero copy: claim, fill, publish -------------------------------------------------------------------------------

  /// Room for a message of up to `bytes`, at once or not at all. @throws error bad_argument: no message can be so long;
  /// misuse: a claim or a batch is open; wrong_process.
  [[nodiscard, gnu::always_inline]] loan try_claim(std::size_t bytes) & {
    auto& raw = usable();
    const auto room = raw.try_claim(bytes);
    return room.data() != nullptr ? loan(raw, room) : loan();
  }
  /// Waits for it, as producer::claim() of one size.
  [[nodiscard]] loan claim(std::size_t bytes, const detail::stop_signal& stop = {}) & {
    return claim_before(bytes, detail::never, stop);
  }
  [[nodiscard]] loan claim_for(std::size_t bytes, detail::timeout at_most, const detail::stop_signal& stop = {}) & {
    return claim_before(bytes, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] loan claim_until(std::size_t bytes, detail::time_limit when, const detail::stop_signal& stop = {}) & {
    return claim_before(bytes, detail::deadline_at(when), stop);
  }

  /// Slots for up to `count` messages, without waiting.
  [[nodiscard]] batch try_claim_batch(std::uint64_t count) & {
    auto& raw = usable();
    const auto claimed = raw.try_claim_batch(count);
    return {claimed != 0 ? &raw : nullptr, claimed};
  }
  /// Waits for at least one of them.
  [[nodiscard]] batch claim_batch(std::uint64_t count, const detail::stop_signal& stop = {}) & {
    return claim_batch_before(count, detail::never, stop);
  }
  [[nodiscard]] batch claim_batch_for(std::uint64_t count, detail::timeout at_most,
                                      const detail::stop_signal& stop = {}) & {
    return claim_batch_before(count, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] batch claim_batch_until(std::uint64_t count, detail::time_limit when,
                                        const detail::stop_signal& stop = {}) & {
    return claim_batch_before(count, detail::deadline_at(when), stop);
  }

  // ---- By copy, or by the type's serializer --------------------------------------------------------------------------

  /// False: full or closed. @throws error bad_argument: no message can be so long; misuse: a claim or a batch is open;
  /// wrong_process; what the serializer throws.
  [[nodiscard, gnu::always_inline]] bool try_send(const detail::sent_of<T>& message) {
    auto& raw = usable();
    if constexpr (is_plain)
      return raw.try_send(message);
    else
      return write(
          message, [&](std::size_t size) { return try_claim(size); },
          [](loan& room, std::size_t used) { return room.try_publish(used); });
  }
  /// As many of `messages` as there is room for now, in order; how many. Bytes only.
  [[nodiscard]] std::uint64_t try_send(std::span<const std::span<const std::byte>> messages) requires is_plain {
    return usable().try_send_all(messages);
  }
  /// Waits for room; as producer::send() of one size.
  [[nodiscard]] wait_result send(const detail::sent_of<T>& message, const detail::stop_signal& stop = {}) {
    return send_before(message, detail::never, stop);
  }
  [[nodiscard]] wait_result send_for(const detail::sent_of<T>& message, detail::timeout at_most,
                                     const detail::stop_signal& stop = {}) {
    return send_before(message, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] wait_result send_until(const detail::sent_of<T>& message, detail::time_limit when,
                                       const detail::stop_signal& stop = {}) {
    return send_before(message, detail::deadline_at(when), stop);
  }

  /// The longest message that there can be, once everything that this producer sent before is released. Of up to half of it
  /// there is always room sooner or later.
  [[nodiscard]] std::size_t max_message_bytes() const { return usable().max_bytes(); }

 private:
  friend struct detail::access;
  using base::status_, base::usable;

  loan claim_before(std::size_t bytes, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    std::span<std::byte> room;
    status_ = raw.claim_until(deadline_ns, bytes, room, stop);
    return room.data() != nullptr ? loan(raw, room) : loan();
  }
  batch claim_batch_before(std::uint64_t count, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    status_ = wait_result::ready;
    std::uint64_t claimed = 0;
    if (count != 0) status_ = raw.claim_batch_until(deadline_ns, count, claimed, stop);
    return {claimed != 0 ? &raw : nullptr, claimed};
  }
  wait_result send_before(const detail::sent_of<T>& message, std::uint64_t deadline_ns,
                          const detail::stop_signal& stop) {
    if constexpr (is_plain) {
      status_ = usable().send_until(deadline_ns, message, stop);
    } else {
      (void)write(
          message, [&](std::size_t size) { return claim_before(size, deadline_ns, stop); },
          [&](loan& room, std::size_t used) {
            return (status_ = room.publish_before(used, deadline_ns, stop)) == wait_result::ready;
          });
    }
    return status_;
  }
  template <class Claim, class Publish>
  bool write(const T& message, const Claim& claim, const Publish& publish) {
    auto room = claim(serializer<T>::max_bytes(message));
    return room && publish(room, serializer<T>::write(message, room.bytes()));
  }
};

/// Takes messages of any length out of a channel; made by channel<T>::consumer(). As consumer<T> of one size (consumer.hpp)
/// in all that is not said here.
template <detail::any_length T, ring Ring, wait_strategy Wait>
class consumer<T, Ring, Wait>
    : public detail::consumer_handle<detail::raw_consumer<typename detail::ring_for<T, Ring>::type, Wait>> {
  using raw_type = detail::raw_consumer<typename detail::ring_for<T, Ring>::type, Wait>;
  using base = detail::consumer_handle<raw_type>;

 public:
  /// What `*loan` gives: the bytes, or what the serializer's read() makes of them.
  using view = detail::view_of<T>;

  /// The oldest message, in place. Going out of scope releases it, unless an exception is passing: as consumer::loan of one
  /// size.
  class [[nodiscard]] loan {
   public:
    loan() noexcept = default;
    loan(loan&& other) noexcept
        : raw_(std::exchange(other.raw_, nullptr)),
          slot_(other.slot_),
          message_(other.message_),
          exceptions_(other.exceptions_) {}
    loan& operator=(loan&& other) noexcept {
      std::swap(raw_, other.raw_);
      std::swap(slot_, other.slot_);
      std::swap(message_, other.message_);
      std::swap(exceptions_, other.exceptions_);
      return *this;
    }
    [[gnu::always_inline]] ~loan() {
      if (raw_ != nullptr) raw_->drop_lent(slot_, exceptions_);
    }

    [[nodiscard]] explicit operator bool() const& noexcept { return raw_ != nullptr; }
    explicit operator bool() && = delete;
    [[nodiscard]] view operator*() const { return serializer<T>::read(message_); }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return message_; }
    [[nodiscard]] std::string_view text() const noexcept { return as_text(message_); }
    [[nodiscard]] std::size_t size() const noexcept { return message_.size(); }
    [[nodiscard]] bool was_delivered_before() const noexcept {
      return raw_ != nullptr && raw_->was_lent_delivered_before(slot_);
    }

    [[gnu::always_inline]] void release() noexcept {
      if (raw_ != nullptr) [[likely]]
        std::exchange(raw_, nullptr)->release_lent(slot_);
    }
    void keep() noexcept {
      if (raw_ != nullptr) std::exchange(raw_, nullptr)->keep_lent(slot_);
    }

   private:
    friend class consumer;
    [[gnu::always_inline]] loan(raw_type& raw, const std::byte* slot)
        : raw_(&raw), slot_(slot), message_(raw.reach().message(slot)), exceptions_(raw.exceptions_to_note()) {
      if (message_.data() == nullptr) [[unlikely]]
        refuse(raw, slot);
    }
    [[noreturn, gnu::noinline]] static void refuse(raw_type& raw, const std::byte* slot) {
      raw.keep_lent(slot);
      detail::throw_wrong_extent(detail::access::owner_of(raw));
    }
    raw_type* raw_ = nullptr;
    const std::byte* slot_ = nullptr;
    std::span<const std::byte> message_;
    int exceptions_ = 0;  // see consumer::loan of one size
  };

  /// Several of the oldest messages, in place. Going out of scope releases none that release() did not.
  class [[nodiscard]] batch : public detail::peeked_batch<raw_type> {
   public:
    /// @throws error corrupted; what the serializer throws.
    [[nodiscard]] view operator[](std::uint64_t i) const { return serializer<T>::read(bytes(i)); }
    [[nodiscard]] std::span<const std::byte> bytes(std::uint64_t i) const {
      const auto message = this->raw_->reach().message(this->raw_->peeked(i));
      if (message.data() == nullptr) [[unlikely]]
        detail::throw_wrong_extent(detail::access::owner_of(*this->raw_));
      return message;
    }
    [[nodiscard]] std::string_view text(std::uint64_t i) const { return as_text(bytes(i)); }

   private:
    friend class consumer;
    using detail::peeked_batch<raw_type>::peeked_batch;
  };

  /// `how`: of a topic, where it begins.
  template <class... How>
  consumer(const attached_segment& attached, std::uint32_t ring_index, Wait wait, const How&... how)
      : base(new raw_type(attached, ring_index, std::move(wait), how...)) {}

  // ---- Zero copy: peek, use, release ---------------------------------------------------------------------------------

  [[nodiscard, gnu::always_inline]] loan try_peek() & {
    auto& raw = usable();
    const std::byte* slot = nullptr;
    return raw.try_lend(slot) ? loan(raw, slot) : loan();
  }
  [[nodiscard]] loan peek(const detail::stop_signal& stop = {}) & { return peek_before(detail::never, stop); }
  [[nodiscard]] loan peek_for(detail::timeout at_most, const detail::stop_signal& stop = {}) & {
    if (auto message = try_peek()) {
      status_ = wait_result::ready;
      return message;
    }
    return peek_before(detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] loan peek_until(detail::time_limit when, const detail::stop_signal& stop = {}) & {
    return peek_before(detail::deadline_at(when), stop);
  }

  [[nodiscard]] batch try_peek_batch(std::uint64_t count) & {
    auto& raw = usable();
    const auto peeked = raw.try_lend_batch(count);
    return {peeked != 0 ? &raw : nullptr, peeked};
  }
  [[nodiscard]] batch peek_batch(std::uint64_t count, const detail::stop_signal& stop = {}) & {
    return peek_batch_before(count, detail::never, stop);
  }
  [[nodiscard]] batch peek_batch_for(std::uint64_t count, detail::timeout at_most,
                                     const detail::stop_signal& stop = {}) & {
    return peek_batch_before(count, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] batch peek_batch_until(std::uint64_t count, detail::time_limit when,
                                       const detail::stop_signal& stop = {}) & {
    return peek_batch_before(count, detail::deadline_at(when), stop);
  }

  // ---- By copy -------------------------------------------------------------------------------------------------------

  /// Into a std::string, a std::vector<std::byte> or the like, which becomes as long as the message; into a T of the user's
  /// by its serializer. False: empty. @throws error misuse: two loans or a batch are open; corrupted; wrong_process;
  /// truncated.
  template <detail::receives<T> Into>
  [[nodiscard]] bool try_receive(Into& into) {
    return take(try_peek(), into);
  }
  /// Into memory that is long enough: its length. @throws error misuse: it is not, and the message stays.
  [[nodiscard]] std::optional<std::size_t> try_receive(std::span<std::byte> into) { return take(try_peek(), into); }

  template <detail::receives<T> Into>
  [[nodiscard]] wait_result receive(Into& into, const detail::stop_signal& stop = {}) {
    (void)take(peek(stop), into);
    return status_;
  }
  template <detail::receives<T> Into>
  [[nodiscard]] wait_result receive_for(Into& into, detail::timeout at_most, const detail::stop_signal& stop = {}) {
    (void)take(peek_for(at_most, stop), into);
    return status_;
  }
  template <detail::receives<T> Into>
  [[nodiscard]] wait_result receive_until(Into& into, detail::time_limit when, const detail::stop_signal& stop = {}) {
    (void)take(peek_until(when, stop), into);
    return status_;
  }
  /// Of what was last received by copy, whether a consumer that died may have seen it already.
  [[nodiscard]] bool last_was_redelivered() const noexcept { return was_redelivered_; }

  // ---- A range that ends when the channel is closed ------------------------------------------------------------------

  using iterator = detail::message_iterator<consumer>;
  [[nodiscard]] iterator begin() & { return iterator(*this); }
  [[nodiscard]] static detail::end_of_messages end() noexcept { return {}; }

  /// The longest message that there can be.
  [[nodiscard]] std::size_t max_message_bytes() const { return usable().reach().max_bytes(); }

 private:
  friend struct detail::access;
  using base::status_, base::usable;

  loan peek_before(std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    const std::byte* slot = nullptr;
    status_ = raw.lend_until(deadline_ns, slot, stop);
    return slot != nullptr ? loan(raw, slot) : loan();
  }
  batch peek_batch_before(std::uint64_t count, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    status_ = wait_result::ready;
    std::uint64_t peeked = 0;
    if (count != 0) status_ = raw.lend_batch_until(deadline_ns, count, peeked, stop);
    return {peeked != 0 ? &raw : nullptr, peeked};
  }

  template <class Into>
  bool take(loan message, Into& into) {
    if (!message) return false;
    if constexpr (detail::byte_container<Into>) {
      into.resize(message.size());
      detail::copy_bytes(into.data(), message.bytes());
    } else {
      into = *message;
    }
    hand_back(message);
    return true;
  }
  std::optional<std::size_t> take(loan message, std::span<std::byte> into) {
    if (!message) return std::nullopt;
    if (into.size() < message.size()) {
      const auto size = message.size();
      message.keep();
      detail::throw_too_short(detail::access::owner_of(usable()), into.size(), size);
    }
    const auto size = message.size();
    detail::copy_bytes(into.data(), message.bytes());
    hand_back(message);
    return size;
  }
  /// What was copied was whole, or it throws.
  void hand_back(loan& message) {
    was_redelivered_ = message.was_delivered_before();
    auto& raw = *std::exchange(message.raw_, nullptr);
    if (!raw.release_lent(message.slot_)) [[unlikely]]
      raw.require_here();
  }

  bool was_redelivered_ = false;
};

}  // namespace sluice
