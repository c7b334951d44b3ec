#pragma once

// One producer or consumer of a ring of any kind, whose message size is known at run time only: for tools, bindings and
// bridges. A program that knows its message type uses channel<T>, whose calls are inlined; here each is a virtual one.
//
//   auto in = sluice::open_consumer(sluice::registry::standard().attach(sluice::segment_name("quotes")));
//   while (const auto count = in->peek_for(64, std::chrono::seconds(5))) {
//     for (std::uint64_t i = 0; i < count; ++i) write_out(in->peeked(i));  // a span over the slot itself
//     in->release(count);
//   }
//   if (in->status() != sluice::wait_result::closed) complain(to_string(in->status()));
//
// Threads: one at a time for each port; several ports of a process are independent of each other.
// Processes: a port belongs to the process that opened it. In a forked child every call that uses the ring throws
// wrong_process, and destroying the port gives up nothing of the parent's.
// Lifetime: a port keeps its segment mapped and its name from being swept. Spans are good until the claim or peek that
// they belong to ends, and no longer than the port.
// Length: a ring of messages of any length (bytes.hpp) has claim_bytes() and publish_bytes(), one message at a time; so has
// every other, for its own length. Peeking, sending and receiving are the same for all.
// Topics: a producer port publishes, a consumer port subscribes as its `subscription` says. A lossy one peeks at copies, which
// were whole, and tells by lost() how many messages it was overtaken by. So does a lossless one where publishers drop those
// that stall.
// Order: several claims at once are one claim: a second one before publish() or abandon() throws misuse. Peeks likewise.
// Crash: killed at any instruction, a producer's open claim is void and what it published is delivered; what a consumer
// had peeked and not released is delivered again to the next consumer, marked by was_delivered_before(). In a topic only to the
// next of the same subscription's name; one without a name begins where it asks to.
// Errors: those of producer<T> and consumer<T>. misuse also where an index, a count or a size does not fit: nothing has
// happened then. Full, empty, closed and timed out are values: 0 or false, and status() says which.
// Blocks: calls named try_ never; publish() of a durable channel for the disk, when a flush is due.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/base/stop_signal.hpp"
#include "sluice/detail/layout/seat.hpp"
#include "sluice/detail/part/topic/lossy_reader.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/error.hpp"
#include "sluice/registry.hpp"

namespace sluice::detail {
class participant;
}

namespace sluice {

using detail::history;
using detail::resumes;
using detail::ring_kind;
using detail::role;

/// How a port waits: wait.hpp has the types of the same names.
enum class wait_kind { spin_then_park, park, busy_spin };

/// How a consumer port joins a topic. Other rings know but one way, and it is theirs: each message goes to one consumer, and
/// those that wait come first.
struct subscription {
  history from = history::none();  ///< how much of what was published before it wants, as far as it is still there
  /// Empty: lossless, it holds publishers up when it is a ring behind. Else it is overtaken, and goes on there.
  std::optional<resumes> lossy = {};
  /// Of a lossless one: topic<T>::named_subscriber(), and `from` is for the first. Empty: its place ends with its process.
  std::string name = {};
};

/// What was repaired in a ring so far, after deaths. Counters for people.
struct repair_counts {
  std::uint64_t holes = 0;        ///< claims of dead producers that were stepped over
  std::uint64_t redelivered = 0;  ///< messages of dead consumers that were delivered again
  std::uint64_t settled = 0;      ///< seats of the dead that came back
};

/// What ports of both roles have.
class port {
 public:
  port(const port&) = delete;
  port& operator=(const port&) = delete;
  virtual ~port() = default;

  [[nodiscard]] sluice::role role() const noexcept;
  [[nodiscard]] ring_kind kind() const noexcept;
  /// Of each message; where they have any length, of the longest.
  [[nodiscard]] std::size_t message_bytes() const noexcept { return message_bytes_; }
  [[nodiscard]] bool has_any_length() const noexcept { return any_length_; }
  [[nodiscard]] std::size_t message_alignment() const noexcept;
  [[nodiscard]] std::uint64_t capacity_slots() const noexcept;
  /// How many may take part at once.
  [[nodiscard]] std::uint32_t seat_count(sluice::role whose) const noexcept;
  /// How errors call the segment: `"orders"`, or `the memfd segment`.
  [[nodiscard]] const std::string& what() const noexcept;

  /// How the last wait ended. Calls that do not wait leave it alone.
  [[nodiscard]] wait_result status() const noexcept { return status_; }
  /// Whether the handler of a signal ends a wait that sleeps with `interrupted`; at first it does not. A signal that comes
  /// while the wait polls, or in the moment before it sleeps, ends nothing: give such waits a time-out as well.
  void end_waits_on_signals(bool is_wanted) noexcept;

  /// Ends the channel for all participants: consumers get what was published and then `closed`, producers `closed` at once.
  /// The next producer opens it again. Blocks: a producer of a durable channel, for the disk.
  virtual void close() = 0;
  /// How many messages were published and not released, at about this moment.
  [[nodiscard]] virtual std::uint64_t size_approx() const = 0;

  /// What became of the other side. System calls: some per seat.
  [[nodiscard]] peer_state peer();
  /// Whether the segment's name still leads to it. Waits ask this by themselves; programs that poll may.
  [[nodiscard]] name_state name_now() const noexcept;
  /// Every seat that was ever taken. seat_report::messages counts what its owners published or released. System calls: a few
  /// for each.
  [[nodiscard]] std::vector<seat_report> seats() const;
  /// Which of them is this port's: seat_report::index.
  [[nodiscard]] std::uint32_t seat_index() const noexcept;
  [[nodiscard]] repair_counts repairs() const noexcept;

  /// Whether all that this port did until now went into the segment, and what it read came from there.
  /// @throws error truncated: the file was cut short; wrong_process; misuse: the seat was lost.
  void require_whole();

 protected:
  explicit port(detail::participant& self) noexcept;
  /// Of messages of any length, up to so many bytes.
  port(detail::participant& self, std::size_t longest_message_bytes) noexcept;
  /// @throws error wrong_process; truncated.
  void require_here() const;
  [[noreturn]] void throw_misuse(const std::string& tried, const std::string& why) const;
  [[noreturn]] void throw_wrong_index(const char* tried, std::uint64_t index, std::uint64_t count) const;
  [[noreturn]] void throw_wrong_count(const char* tried, std::uint64_t asked, std::uint64_t count) const;
  [[noreturn]] void throw_wrong_size(const char* tried, std::size_t given) const;
  /// @throws error misuse: messages have one size, and it is another. Of messages of any length the ring says so itself.
  void require_size(const char* tried, std::size_t bytes) const {
    if (!any_length_ && bytes != message_bytes_) [[unlikely]]
      throw_wrong_size(tried, bytes);
  }

  wait_result status_ = wait_result::ready;

 private:
  detail::participant* self_;
  std::size_t message_bytes_;
  bool any_length_ = false;
};

/// Puts messages into a ring. Destroying it abandons what is claimed and gives the seat back, without closing the channel.
class producer_port : public port {
 public:
  // ---- In place: claim, fill, publish --------------------------------------------------------------------------------

  /// Up to `count` slots, without waiting; how many. 0: full or closed.
  /// @throws error misuse: messages have any length, and claim_bytes() says which.
  [[nodiscard]] std::uint64_t try_claim(std::uint64_t count = 1) {
    if (has_any_length()) throw_claimed_bytes("claim slots");
    return claimed_ = take(count);
  }
  /// Waits until at least one of up to `count` slots is claimed; how many. 0: status() says why; also when `count` is 0.
  [[nodiscard]] std::uint64_t claim(std::uint64_t count = 1, const detail::stop_signal& stop = {}) {
    return claim_before(count, detail::never, stop);
  }
  [[nodiscard]] std::uint64_t claim_for(std::uint64_t count, detail::timeout at_most,
                                        const detail::stop_signal& stop = {}) {
    return claim_before(count, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] std::uint64_t claim_until(std::uint64_t count, detail::time_limit when,
                                          const detail::stop_signal& stop = {}) {
    return claim_before(count, detail::deadline_at(when), stop);
  }

  /// Room for one message of up to `bytes`, of any length or of just message_bytes(); false: full or closed. claimed() is
  /// the room; publish_bytes() or abandon() ends the claim.
  /// @throws error bad_argument: no message can be so long; misuse: not a message's size, or a claim is open.
  [[nodiscard]] bool try_claim_bytes(std::size_t bytes);
  /// Waits for it; false: status() says why.
  [[nodiscard]] bool claim_bytes(std::size_t bytes, const detail::stop_signal& stop = {}) {
    return claim_bytes_before(bytes, detail::never, stop);
  }
  [[nodiscard]] bool claim_bytes_for(std::size_t bytes, detail::timeout at_most, const detail::stop_signal& stop = {}) {
    return claim_bytes_before(bytes, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] bool claim_bytes_until(std::size_t bytes, detail::time_limit when,
                                       const detail::stop_signal& stop = {}) {
    return claim_bytes_before(bytes, detail::deadline_at(when), stop);
  }

  /// How many slots are claimed and neither published nor abandoned.
  [[nodiscard]] std::uint64_t claimed_count() const noexcept { return claimed_; }
  /// The `i`-th claimed slot, message_bytes() long and aligned to message_alignment(); or what claim_bytes() claimed.
  [[nodiscard]] std::span<std::byte> claimed(std::uint64_t i = 0) const {
    if (i >= claimed_) [[unlikely]]
      throw_wrong_index("fill a slot", i, claimed_);
    return has_any_length() ? room_ : std::span<std::byte>(slot(i), message_bytes());
  }

  /// Makes the first `count` claimed messages visible, in order, and abandons the rest. Wakes consumers that sleep.
  /// @throws error misuse: fewer are claimed; wrong_process, truncated: nothing was published.
  ///         Also misuse: what claim_bytes() claimed, which publish_bytes() publishes.
  void publish(std::uint64_t count) {
    if (count > claimed_) [[unlikely]]
      throw_wrong_count("publish", count, claimed_);
    if (has_any_length() && count != 0) throw_claimed_bytes("publish");
    if (claimed_ != 0) end(count);
    claimed_ = 0;
    require_here();
  }
  void publish() { publish(claimed_); }
  /// Makes the first `used` bytes of what claim_bytes() claimed visible as a message. Where others publish too, a long one
  /// waits here for its slot. ready; any other: nothing was published, and the claim is as before.
  /// @throws error misuse: fewer are claimed, or the ring's messages have another size; wrong_process, truncated.
  [[nodiscard]] wait_result publish_bytes(std::size_t used, const detail::stop_signal& stop = {}) {
    return publish_bytes_before(used, detail::never, stop);
  }
  [[nodiscard]] wait_result publish_bytes_for(std::size_t used, detail::timeout at_most,
                                              const detail::stop_signal& stop = {}) {
    return publish_bytes_before(used, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] wait_result publish_bytes_until(std::size_t used, detail::time_limit when,
                                                const detail::stop_signal& stop = {}) {
    return publish_bytes_before(used, detail::deadline_at(when), stop);
  }
  /// Gives all claimed slots back unfilled; no consumer sees anything of them.
  void abandon() { publish(0); }

  // ---- By copy -------------------------------------------------------------------------------------------------------

  /// False: full or closed. @throws error misuse: not a message's size, or a claim is open; bad_argument: no message can be
  /// so long.
  [[nodiscard]] bool try_send(std::span<const std::byte> message);
  /// ready: sent; any other: not sent.
  [[nodiscard]] wait_result send(std::span<const std::byte> message, const detail::stop_signal& stop = {}) {
    return send_before(message, detail::never, stop);
  }
  [[nodiscard]] wait_result send_for(std::span<const std::byte> message, detail::timeout at_most,
                                     const detail::stop_signal& stop = {}) {
    return send_before(message, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] wait_result send_until(std::span<const std::byte> message, detail::time_limit when,
                                       const detail::stop_signal& stop = {}) {
    return send_before(message, detail::deadline_at(when), stop);
  }

  // ---- What became of it ---------------------------------------------------------------------------------------------

  /// Says that this producer has sent all that it has: abandons what is claimed, gives the seat back, and closes the channel
  /// unless another living producer takes part that has not finished. Destroys the port, whatever it throws.
  /// @return whether the channel is closed now. @throws error wrong_process; of a durable channel, what the disk says.
  static bool finish(std::unique_ptr<producer_port> port) {
    port->abandon();
    return port->leave_finished();
  }

  /// Whether everything published was released.
  [[nodiscard]] virtual bool is_drained() const = 0;
  /// Waits until it was. Where other producers go on sending that may never be; see drain_before_until().
  [[nodiscard]] wait_result drain(const detail::stop_signal& stop = {}) { return drain_before(detail::never, stop); }
  [[nodiscard]] wait_result drain_for(detail::timeout at_most, const detail::stop_signal& stop = {}) {
    return drain_before(detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] wait_result drain_until(detail::time_limit when, const detail::stop_signal& stop = {}) {
    return drain_before(detail::deadline_at(when), stop);
  }

  /// The sequence behind all that was published in the ring so far, by any producer that it ever had. Where there may be
  /// several, what is claimed lies below it as well.
  [[nodiscard]] virtual std::uint64_t position() const = 0;
  /// Whether everything below `position`, which position() returned earlier, was released.
  [[nodiscard]] virtual bool is_released_before(std::uint64_t position) const = 0;
  /// Waits until it was, whatever is published meanwhile.
  [[nodiscard]] wait_result drain_before_until(std::uint64_t position, detail::time_limit when,
                                               const detail::stop_signal& stop = {}) {
    return status_ = wait_released(position, detail::deadline_at(when), stop);
  }

 protected:
  using port::port;

 private:
  virtual std::uint64_t take(std::uint64_t count) = 0;
  virtual wait_result take_before(std::uint64_t deadline_ns, std::uint64_t count, std::uint64_t& taken,
                                  const detail::stop_signal& stop) = 0;
  [[nodiscard]] virtual std::byte* slot(std::uint64_t i) const noexcept = 0;
  virtual void end(std::uint64_t published) noexcept = 0;
  virtual bool leave_finished() = 0;
  // One message of a certain length. Those of one size are slots.
  virtual std::span<std::byte> take_room(std::size_t bytes);
  virtual wait_result take_room_before(std::uint64_t deadline_ns, std::size_t bytes, std::span<std::byte>& room,
                                       const detail::stop_signal& stop);
  virtual bool try_end_room(std::size_t used);
  virtual wait_result end_room_before(std::uint64_t deadline_ns, std::size_t used, const detail::stop_signal& stop);
  virtual wait_result wait_drained(std::uint64_t deadline_ns, const detail::stop_signal& stop) = 0;
  virtual wait_result wait_released(std::uint64_t position, std::uint64_t deadline_ns,
                                    const detail::stop_signal& stop) = 0;

  std::uint64_t claim_before(std::uint64_t count, std::uint64_t deadline_ns, const detail::stop_signal& stop);
  wait_result send_before(std::span<const std::byte> message, std::uint64_t deadline_ns,
                          const detail::stop_signal& stop);
  bool claim_bytes_before(std::size_t bytes, std::uint64_t deadline_ns, const detail::stop_signal& stop);
  wait_result publish_bytes_before(std::size_t used, std::uint64_t deadline_ns, const detail::stop_signal& stop);
  [[noreturn]] void throw_claimed_bytes(const char* tried) const;
  void require_used(std::size_t used) const;
  wait_result drain_before(std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    return status_ = wait_drained(deadline_ns, stop);
  }

  std::uint64_t claimed_ = 0;
  std::span<std::byte> room_;  // what claim_bytes() claimed
};

/// Takes messages out of a ring. Destroying it gives the seat back; what is peeked is delivered again, marked.
class consumer_port : public port {
 public:
  // ---- In place: peek, use, release ----------------------------------------------------------------------------------

  /// Up to `count` of the oldest messages, without waiting; how many. 0: empty.
  [[nodiscard]] std::uint64_t try_peek(std::uint64_t count = 1) { return peeked_ = look(count); }
  /// Waits until at least one of up to `count` messages is there; how many. 0: status() says why; also when `count` is 0.
  [[nodiscard]] std::uint64_t peek(std::uint64_t count = 1, const detail::stop_signal& stop = {}) {
    return peek_before(count, detail::never, stop);
  }
  [[nodiscard]] std::uint64_t peek_for(std::uint64_t count, detail::timeout at_most,
                                       const detail::stop_signal& stop = {}) {
    return peek_before(count, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] std::uint64_t peek_until(std::uint64_t count, detail::time_limit when,
                                         const detail::stop_signal& stop = {}) {
    return peek_before(count, detail::deadline_at(when), stop);
  }

  /// How many messages are peeked and not handed back.
  [[nodiscard]] std::uint64_t peeked_count() const noexcept { return peeked_; }
  /// The `i`-th peeked message, as long as it is. @throws error misuse; corrupted: its slot says what no producer writes.
  [[nodiscard]] std::span<const std::byte> peeked(std::uint64_t i = 0) const {
    if (i >= peeked_) [[unlikely]]
      throw_wrong_index("read a message", i, peeked_);
    return message(i);
  }
  /// Whether a consumer that died may have had it.
  [[nodiscard]] bool was_delivered_before(std::uint64_t i = 0) const {
    if (i >= peeked_) [[unlikely]]
      throw_wrong_index("ask about a message", i, peeked_);
    return was_marked(i);
  }

  /// Hands the first `count` peeked slots back and ends the peek: the rest is peeked again next time. Wakes producers.
  /// @throws error misuse: fewer are peeked; wrong_process, truncated: nothing was released, and what was read of the
  ///         messages may have been zeroes.
  void release(std::uint64_t count) {
    if (count > peeked_) [[unlikely]]
      throw_wrong_count("release", count, peeked_);
    if (peeked_ != 0) end(count);
    peeked_ = 0;
    require_here();
  }
  void release() { release(peeked_); }
  /// Ends the peek and leaves all messages where they are.
  void keep() { release(0); }

  // ---- By copy -------------------------------------------------------------------------------------------------------

  /// The oldest message into the beginning of `into`; how long it is. Empty: there is none.
  /// @throws error misuse: `into` is shorter than the message, which stays where it is, or messages are peeked; corrupted;
  ///         truncated: `into` may hold a part.
  [[nodiscard]] std::optional<std::size_t> try_receive(std::span<std::byte> into);
  /// Waits for it. Empty: status() says why.
  [[nodiscard]] std::optional<std::size_t> receive(std::span<std::byte> into, const detail::stop_signal& stop = {}) {
    return receive_before(into, detail::never, stop);
  }
  [[nodiscard]] std::optional<std::size_t> receive_for(std::span<std::byte> into, detail::timeout at_most,
                                                       const detail::stop_signal& stop = {}) {
    return receive_before(into, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] std::optional<std::size_t> receive_until(std::span<std::byte> into, detail::time_limit when,
                                                         const detail::stop_signal& stop = {}) {
    return receive_before(into, detail::deadline_at(when), stop);
  }
  /// Whether a consumer that died may have had what was last received by copy.
  [[nodiscard]] bool last_was_redelivered() const noexcept { return was_redelivered_; }

  // ---- The channel ---------------------------------------------------------------------------------------------------

  /// Whether the channel was closed and everything was delivered. Not while anything is peeked.
  [[nodiscard]] virtual bool is_finished() = 0;
  /// Whether a look at this moment would find no message, beside those that are peeked. Takes nothing.
  [[nodiscard]] virtual bool empty() const = 0;

  /// Of a lossless one in a topic that drops stalled subscribers, which peeks at copies too: whether a publisher made it lossy.
  [[nodiscard]] virtual bool was_dropped() const { return false; }
  /// By how many messages it was overtaken so far. 0 unless it is lossy.
  [[nodiscard]] virtual std::uint64_t lost() const { return 0; }
  /// False: lost() is not more than that; see lossy_subscriber::is_loss_exact().
  [[nodiscard]] virtual bool is_loss_exact() const { return true; }

 protected:
  using port::port;

 private:
  virtual std::uint64_t look(std::uint64_t count) = 0;
  virtual wait_result look_before(std::uint64_t deadline_ns, std::uint64_t count, std::uint64_t& found,
                                  const detail::stop_signal& stop) = 0;
  [[nodiscard]] virtual std::span<const std::byte> message(std::uint64_t i) const = 0;
  [[nodiscard]] virtual bool was_marked(std::uint64_t i) const noexcept = 0;
  virtual void end(std::uint64_t released) noexcept = 0;

  std::uint64_t peek_before(std::uint64_t count, std::uint64_t deadline_ns, const detail::stop_signal& stop);
  std::optional<std::size_t> receive_before(std::span<std::byte> into, std::uint64_t deadline_ns,
                                            const detail::stop_signal& stop);
  void require_room(std::size_t given) const {
    if (!has_any_length() && given < message_bytes()) [[unlikely]]
      throw_wrong_size("receive", given);
  }
  std::size_t take_copy(std::span<std::byte> into);

  std::uint64_t peeked_ = 0;
  bool was_redelivered_ = false;
};

/// The kinds of ring that ports are of: those that this version sends to and receives from without knowing the message.
[[nodiscard]] std::span<const ring_kind> port_kinds() noexcept;

/// Takes a producer's seat of ring `ring_index` and opens the channel, if it was closed. The caller has checked what the
/// messages are: require_ring(), or the header's type name.
/// @throws error seat_taken, with the processes that sit there; misuse: there is no such ring.
[[nodiscard]] std::unique_ptr<producer_port> open_producer(const attached_segment& attached,
                                                           std::uint32_t ring_index = 0,
                                                           wait_kind wait = wait_kind::spin_then_park);
/// Takes a consumer's seat likewise. What a dead predecessor had not released comes first; in a topic, what `how` says.
/// @throws error misuse: the ring is no topic, and `how` asks for something; or it has a name and is lossy, or the topic
///         drops those that stall. bad_name.
[[nodiscard]] std::unique_ptr<consumer_port> open_consumer(const attached_segment& attached,
                                                           std::uint32_t ring_index = 0,
                                                           wait_kind wait = wait_kind::spin_then_park,
                                                           const subscription& how = {});
/// As topic<T>::unsubscribe(). @throws error also misuse: the ring is no topic.
void end_subscription(const attached_segment& attached, std::string_view name, std::uint32_t ring_index = 0);

}  // namespace sluice
