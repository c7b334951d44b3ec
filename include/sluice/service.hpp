#pragma once

// Requests and responses between processes: many clients, and servers that share the load.
//
//   struct pair { int a, b; };
//   using adder = sluice::service<pair, int>;
//   auto server = adder::create_or_attach("adder").server();  // in one process, or in several
//   while (auto call = server.receive_for(1s)) (void)call.respond(call->a + call->b);
//
//   auto client = adder::attach("adder").client();            // in others
//   auto sum = client.call({1, 2}, 100ms);                    // waits; what is not ready by then no server begins
//   if (sum) use(*sum); else report(sum.status());            // timed_out; peer_gone: all servers died; closed
//
//   auto first = client.send({1, 2}), second = client.send({3, 4});  // several at once; read in any order
//   while (auto part = first.receive()) use(*part);                  // a server may respond in parts
//
// Either type may be of any length: `service<sluice::bytes, sluice::bytes>`, and types with a serializer (bytes.hpp).
// The calls of a client share nothing with those of another: a slow one holds up no server but while that responds in parts,
// and then for a second at most. Which response belongs to which request is the library's care. No thread is started.
// Threads: copies of a service are independent; a client or server belongs to one thread at a time. Processes, lifetime and
// errors: as channel.hpp says. A service is not durable.
// Crash: the request that a killed server had in its hands goes to another one, marked, and its client gets one last response.
// A killed client's requests are dropped, and no later client sees what servers respond to them.
// docs/format.md, tables 20 to 24; docs/decisions/0052-requests.md.

#include "sluice/detail/base/language.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice/bytes.hpp"
#include "sluice/channel.hpp"
#include "sluice/detail/channel/access.hpp"
#include "sluice/detail/channel/raw_client.hpp"
#include "sluice/detail/channel/raw_server.hpp"
#include "sluice/detail/part/service/service_ring.hpp"

namespace sluice {

/// What a service is created with. All have defaults that serve.
struct service_options {
  std::uint64_t capacity_slots = 0;   ///< requests that wait or are worked on; as channel_options::capacity_slots
  std::uint32_t client_seats = 0;     ///< how many clients at once, 1 to 4096; 0: 64
  std::uint32_t server_seats = 0;     ///< how many servers at once, 1 to 4096; 0: 64
  std::uint32_t calls_in_flight = 0;  ///< of each client at once, 1 to 64; 0: 4
  std::uint32_t response_slots = 0;   ///< parts of one response that lie unread, plus one: a power of two from 2; 0: 4
  /// Requests of any length only: for the long requests of each client, as channel_options::capacity_bytes.
  std::uint64_t capacity_bytes = 0;
  /// Requests of any length only: the longest that is short, as channel_options::inline_bytes; 0: 112.
  std::uint64_t inline_bytes = 0;
  /// Responses of any length only: the longest, or the longest part. Each response slot of each client has so many. 0: 4096.
  std::uint64_t max_response_bytes = 0;
  sluice::lifetime lifetime = sluice::lifetime::persistent;
  std::uint32_t mode = 0600;  ///< permissions of the file, whatever the umask
  memory_options memory = {};
};

namespace detail {

/// How a request or response is given, seen and written: of one size by copy,
template <class T>
struct carried {
  using sent = T;
  using view = const T&;
  static constexpr std::uint64_t bytes = sizeof(T);
  static constexpr std::uint32_t alignment = alignof(T);
  static std::size_t max_bytes(const T&) noexcept { return sizeof(T); }
  static std::size_t write(const T& message, std::span<std::byte> room) noexcept {
    std::memcpy(room.data(), &message, sizeof message);
    return sizeof message;
  }
  static const T& read(std::span<const std::byte> message) noexcept {
    return *std::launder(reinterpret_cast<const T*>(message.data()));
  }
};
/// of any length by its serializer.
template <any_length T>
struct carried<T> {
  using sent = sent_of<T>;
  using view = view_of<T>;
  static constexpr std::uint64_t bytes = 0;  // not known
  static constexpr std::uint32_t alignment = bytes_alignment;
  static std::size_t max_bytes(const sent& message) {
    if constexpr (std::is_same_v<T, sluice::bytes>)
      return std::span<const std::byte>(message).size();
    else
      return serializer<T>::max_bytes(message);
  }
  static std::size_t write(const sent& message, std::span<std::byte> room) {
    if constexpr (std::is_same_v<T, sluice::bytes>) {
      copy_bytes(room.data(), message);
      return std::span<const std::byte>(message).size();
    } else {
      return serializer<T>::write(message, room);
    }
  }
  static view read(std::span<const std::byte> message) { return serializer<T>::read(message); }
};

/// What lies in a slot of the ring of requests.
template <class Request, class Response>
struct request_message {
  request_head head;
  Request request;
};
/// Where a request has any length this is its name alone.
template <any_length Request, class Response>
struct request_message<Request, Response> {};

template <class Request>
inline constexpr std::size_t request_offset = round_up(sizeof(request_head), carried<Request>::alignment);

template <class Request>
using request_ring = std::conditional_t<any_length<Request>, service_bytes_ring, service_ring>;

/// As raw_client takes it.
template <class Request>
struct request_to_send {
  const typename carried<Request>::sent& message;

  [[nodiscard]] std::size_t max_bytes() const { return request_offset<Request> + carried<Request>::max_bytes(message); }
  [[nodiscard]] std::size_t write(std::byte* room) const noexcept(!any_length<Request>) {
    return request_offset<Request> +
           carried<Request>::write(message, {room + request_offset<Request>, carried<Request>::max_bytes(message)});
  }
};

/// "pair -> sum".
template <class Request, class Response>
inline constexpr auto service_name = [] {
  constexpr std::string_view from = message_traits<Request>::name, arrow = " -> ", to = message_traits<Response>::name;
  std::array<char, from.size() + arrow.size() + to.size()> name{};
  std::size_t at = 0;
  for (const auto piece : {from, arrow, to})
    for (const char c : piece) name[at++] = c;
  return name;
}();

template <any_length Request, class Response>
struct ring_for<request_message<Request, Response>, service_ring> {
  using type = service_bytes_ring;
};

/// @throws error bad_argument.
[[noreturn]] void throw_responses_have_one_size();

}  // namespace detail

template <detail::any_length Request, class Response>
struct serializer<detail::request_message<Request, Response>> {};

/// Both sides of a service agree on both types: what differs in the response makes another version.
template <class Request, class Response>
struct message_traits<detail::request_message<Request, Response>> {
  static constexpr std::string_view name{detail::service_name<Request, Response>.data(),
                                         detail::service_name<Request, Response>.size()};
  static constexpr std::uint64_t version =
      detail::fnv1a(detail::identity_of<Response>().hash,
                    detail::fnv1a(detail::identity_of<Response>().layout_hash, message_traits<Request>::version));
};

/// The last response to a call, by copy, or why there is none.
template <class Response>
class [[nodiscard]] answer {
  static constexpr bool has_any_length = detail::any_length<Response>;
  using kept = std::conditional_t<has_any_length, std::vector<std::byte>, Response>;

 public:
  explicit answer(wait_result status) noexcept : status_(status) {}
  explicit answer(std::span<const std::byte> response) {
    if constexpr (has_any_length)
      response_.emplace(response.begin(), response.end());
    else
      response_.emplace(detail::carried<Response>::read(response));
  }

  [[nodiscard]] explicit operator bool() const noexcept { return response_.has_value(); }
  /// The response; of any length what its serializer's read() makes of it, which may refer to this.
  [[nodiscard]] typename detail::carried<Response>::view operator*() const {
    return detail::carried<Response>::read(bytes());
  }
  [[nodiscard]] const Response* operator->() const noexcept requires(!detail::any_length<Response>) {
    return &*response_;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    if constexpr (has_any_length)
      return *response_;
    else
      return std::as_bytes(std::span(&*response_, 1));
  }
  [[nodiscard]] std::string_view text() const noexcept { return as_text(bytes()); }
  /// ready; timed_out; peer_gone: all servers died, said once for each death; closed: a server ended the call without a
  /// response, or the service is closed; interrupted.
  [[nodiscard]] wait_result status() const noexcept { return status_; }

 private:
  std::optional<kept> response_;
  wait_result status_ = wait_result::ready;
};

/// One response, or one part of it, where it lies. Its slot is the server's again at the end of the scope. It ends before
/// its pending call and its client do.
template <class Request, class Response, wait_strategy Wait>
class [[nodiscard]] response_part {
  using raw_type = detail::raw_client<detail::request_ring<Request>, Wait>;

 public:
  response_part() noexcept = default;
  response_part(response_part&& other) noexcept
      : raw_(std::exchange(other.raw_, nullptr)),
        response_(other.response_),
        word_(other.word_),
        index_(other.index_),
        lane_(other.lane_) {}
  response_part& operator=(response_part&& other) noexcept {
    std::swap(raw_, other.raw_);
    std::swap(response_, other.response_);
    std::swap(word_, other.word_);
    std::swap(index_, other.index_);
    std::swap(lane_, other.lane_);
    return *this;
  }
  ~response_part() { release(); }

  [[nodiscard]] explicit operator bool() const& noexcept { return raw_ != nullptr; }
  explicit operator bool() && = delete;
  /// The response; of any length what its serializer's read() makes of it. It is another process's bytes: check what it says.
  [[nodiscard]] typename detail::carried<Response>::view operator*() const {
    return detail::carried<Response>::read(response_);
  }
  [[nodiscard]] const Response* operator->() const noexcept requires(!detail::any_length<Response>) {
    return &detail::carried<Response>::read(response_);
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return response_; }
  [[nodiscard]] std::string_view text() const noexcept { return as_text(response_); }

  /// Whether no further part comes.
  [[nodiscard]] bool is_last() const noexcept { return detail::reply_kind_of(word_) == detail::reply_kind::last; }
  /// Counts the parts, from 0. 0 once more: the server died, and another one begins anew; what came before is void.
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  /// The first server's is 1.
  [[nodiscard]] std::uint32_t attempt() const noexcept { return detail::reply_attempt(word_); }
  /// Gives the slot back before the end of the scope.
  void release() noexcept {
    if (raw_ != nullptr && !raw_->is_retired()) raw_->has_read(lane_, word_);
    raw_ = nullptr;
  }

 private:
  template <class, class, wait_strategy>
  friend class pending_call;
  response_part(raw_type& raw, std::uint32_t lane, std::uint64_t word) noexcept
      : raw_(&raw), response_(raw.payload(lane)), word_(word), index_(raw.reply_index(lane)), lane_(lane) {}

  raw_type* raw_ = nullptr;
  std::span<const std::byte> response_;
  std::uint64_t word_ = 0;
  std::uint32_t index_ = 0;
  std::uint32_t lane_ = 0;
};

/// A call that was sent. Going out of scope before its last response cancels it.
/// One thread at a time, that of its client; move-only. One that outlives its client is void.
template <class Request, class Response, wait_strategy Wait = spin_then_park>
class [[nodiscard]] pending_call {
  using raw_type = detail::raw_client<detail::request_ring<Request>, Wait>;

 public:
  using part = response_part<Request, Response, Wait>;

  pending_call() noexcept = default;
  pending_call(pending_call&& other) noexcept
      : raw_(std::exchange(other.raw_, nullptr)),
        lane_(other.lane_),
        is_open_(std::exchange(other.is_open_, false)),
        deadline_ns_(other.deadline_ns_),
        status_(other.status_) {}
  pending_call& operator=(pending_call&& other) noexcept {
    std::swap(raw_, other.raw_);
    std::swap(lane_, other.lane_);
    std::swap(is_open_, other.is_open_);
    std::swap(deadline_ns_, other.deadline_ns_);
    std::swap(status_, other.status_);
    return *this;
  }
  ~pending_call() {
    cancel();
    if (raw_ != nullptr) raw_->call_is_dropped();
  }

  /// Whether a response, or a part of it, may still come.
  [[nodiscard]] explicit operator bool() const noexcept { return is_open_; }
  /// How the last wait ended, or the sending. closed: the last response was received, or a server ended the call without one.
  [[nodiscard]] wait_result status() const noexcept { return status_; }

  /// The next part of the response, if it has come; else empty.
  [[nodiscard]] part try_receive() {
    status_ = wait_result::timed_out;
    return take();
  }
  /// Waits for it, until the deadline of the call at the most. Empty: status() says why. After timed_out, peer_gone and
  /// interrupted the call is as pending as before, unless its deadline is over: a server that comes gets it.
  /// @throws error wrong_process; not_found, corrupted and truncated, as producers say.
  [[nodiscard]] part receive(const detail::stop_signal& stop = {}) { return receive_before(deadline_ns_, stop); }
  [[nodiscard]] part receive_for(detail::timeout at_most, const detail::stop_signal& stop = {}) {
    return receive_before(detail::lesser(detail::deadline_after(at_most), deadline_ns_), stop);
  }
  [[nodiscard]] part receive_until(detail::time_limit when, const detail::stop_signal& stop = {}) {
    return receive_before(detail::lesser(detail::deadline_at(when), deadline_ns_), stop);
  }

  /// Gives the call up. No server begins it any more; one that works on it is told when it responds or asks.
  void cancel() noexcept {
    if (std::exchange(is_open_, false) && !raw_->is_retired()) raw_->give_up(lane_);
  }

 private:
  template <class, class, wait_strategy>
  friend class client;
  explicit pending_call(wait_result why_not) noexcept : status_(why_not) {}
  pending_call(raw_type& raw, std::uint32_t lane, std::uint64_t deadline_ns) noexcept
      : raw_(&raw), lane_(lane), is_open_(true), deadline_ns_(deadline_ns) {
    raw.call_is_held();
  }

  part receive_before(std::uint64_t until_ns, const detail::stop_signal& stop) {
    if (auto next = take(); next || !is_open_) return next;
    status_ = raw_->await(lane_, until_ns, stop);
    if (status_ != wait_result::ready) return {};
    return take();
  }

  [[gnu::always_inline]] part take() {
    if (!is_open_ || raw_->is_retired()) [[unlikely]] {
      is_open_ = false;
      status_ = wait_result::closed;
      return {};
    }
    const auto word = raw_->look(lane_);
    if (word == 0) return {};
    const auto kind = detail::reply_kind_of(word);
    if (kind == detail::reply_kind::part || kind == detail::reply_kind::last) [[likely]] {
      is_open_ = kind == detail::reply_kind::part;
      status_ = wait_result::ready;
      return part(*raw_, lane_, word);
    }
    is_open_ = false;
    raw_->has_read(lane_, word);
    status_ = kind == detail::reply_kind::late ? wait_result::timed_out : wait_result::closed;
    return {};
  }

  raw_type* raw_ = nullptr;
  std::uint32_t lane_ = 0;
  bool is_open_ = false;
  std::uint64_t deadline_ns_ = detail::never;
  wait_result status_ = wait_result::ready;
};

/// Calls a service. One thread at a time; move-only; made by service<Request, Response>::client().
/// Each call has a deadline, if it was sent with one: after it no server begins the call, and no wait for it goes on.
/// Sending waits while as many requests wait as the service holds, or while calls that this client gave up are still in
/// servers' hands. While as many calls of this client are open as may be, to send another one is errc::misuse.
/// A handle that was moved from throws errc::misuse. Killed at any instruction: its calls are void, and its seat goes to the
/// next process that asks, with new calls.
template <class Request, class Response, wait_strategy Wait = spin_then_park>
class client : public detail::seated_handle<detail::raw_client<detail::request_ring<Request>, Wait>, role::producer> {
  using raw_type = detail::raw_client<detail::request_ring<Request>, Wait>;
  using base = detail::seated_handle<raw_type, role::producer>;

 public:
  using pending = pending_call<Request, Response, Wait>;
  /// What is sent: a Request; of sluice::bytes whatever is text or a span of bytes.
  using sent = typename detail::carried<Request>::sent;

  client(const attached_segment& attached, std::uint32_t ring_index, Wait wait)
      : base(new raw_type(attached, ring_index, std::move(wait), detail::carried<Response>::bytes)) {}

  // ---- Call and wait -------------------------------------------------------------------------------------------------

  /// Sends the request and waits for the last response; parts before it are passed over. What ends the wait otherwise cancels
  /// the call: to call again after peer_gone is to try again.
  /// @throws error misuse; wrong_process; not_found, corrupted and truncated, as producers say.
  answer<Response> call(const sent& request, const detail::stop_signal& stop = {}) {
    return call_before(request, detail::never, stop);
  }
  template <detail::duration Duration>
  answer<Response> call(const sent& request, const Duration& at_most, const detail::stop_signal& stop = {}) {
    return call_for(request, at_most, stop);
  }
  answer<Response> call_for(const sent& request, detail::timeout at_most, const detail::stop_signal& stop = {}) {
    return call_before(request, detail::deadline_after(at_most), stop);
  }
  answer<Response> call_until(const sent& request, detail::time_limit when, const detail::stop_signal& stop = {}) {
    return call_before(request, detail::deadline_at(when), stop);
  }

  // ---- Send now, receive later ---------------------------------------------------------------------------------------

  /// Without a deadline, and only if there is room now. Empty: there is none, or the service is closed.
  [[nodiscard]] pending try_send(const sent& request) {
    auto& raw = usable();
    const auto lane = raw.try_open(detail::never, detail::request_to_send<Request>{request});
    return lane != raw_type::no_lane ? pending(raw, lane, detail::never) : pending(wait_result::timed_out);
  }
  /// Waits for room. Empty: status() of what it returns says why.
  [[nodiscard]] pending send(const sent& request, const detail::stop_signal& stop = {}) {
    return send_before(request, detail::never, stop);
  }
  /// With a deadline, for the whole call.
  [[nodiscard]] pending send_for(const sent& request, detail::timeout at_most, const detail::stop_signal& stop = {}) {
    return send_before(request, detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] pending send_until(const sent& request, detail::time_limit when, const detail::stop_signal& stop = {}) {
    return send_before(request, detail::deadline_at(when), stop);
  }

  /// The longest request that there can be. @throws error bad_argument of the calls above: this one is longer.
  [[nodiscard]] std::size_t max_request_bytes() const requires detail::any_length<Request> {
    return usable().max_request_bytes() - detail::request_offset<Request>;
  }
  /// How many calls may be open at once.
  [[nodiscard]] std::uint32_t calls_in_flight() const { return usable().calls_in_flight(); }

 private:
  friend struct detail::access;
  using base::status_, base::usable;
  [[nodiscard]] pending send_before(const sent& request, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    std::uint32_t lane = 0;
    status_ = raw.open_until(deadline_ns, deadline_ns, detail::request_to_send<Request>{request}, lane, stop);
    return status_ == wait_result::ready ? pending(raw, lane, deadline_ns) : pending(status_);
  }
  answer<Response> call_before(const sent& request, std::uint64_t deadline_ns, const detail::stop_signal& stop) {
    auto under_way = send_before(request, deadline_ns, stop);
    while (under_way)
      if (const auto next = under_way.receive(stop)) {
        if (!next.is_last()) continue;
        status_ = wait_result::ready;
        return answer<Response>(next.bytes());
      } else if (under_way.status() != wait_result::ready) {
        break;
      }
    return answer<Response>(status_ = under_way.status());
  }
};

/// Answers requests. One thread at a time; move-only; made by service<Request, Response>::server(). At most max_open_loans
/// calls are in its hands at once. Several servers share the requests; each of them is in the hands of one.
/// A server that is destroyed with a call in its hands, or killed, leaves the request to another one, marked.
template <class Request, class Response, wait_strategy Wait = spin_then_park>
class server : public detail::seated_handle<detail::raw_server<detail::request_ring<Request>, Wait>, role::consumer> {
  using raw_type = detail::raw_server<detail::request_ring<Request>, Wait>;
  using base = detail::seated_handle<raw_type, role::consumer>;

 public:
  /// A request in this server's hands, in place. Going out of scope without a last response ends the call: the client is told
  /// `closed`. It ends before its server does; else it is void, and the request goes to another server.
  class [[nodiscard]] call {
    static constexpr std::size_t offset = detail::request_offset<Request>;

   public:
    /// What is responded with: a Response; of sluice::bytes whatever is text or a span of bytes.
    using sent = typename detail::carried<Response>::sent;

    call() noexcept = default;
    call(call&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)), held_(other.held_) {}
    call& operator=(call&& other) noexcept {
      std::swap(raw_, other.raw_);
      std::swap(held_, other.held_);
      return *this;
    }
    ~call() { end(); }

    /// Whether there is a request that has no last response yet.
    [[nodiscard]] explicit operator bool() const& noexcept { return raw_ != nullptr; }
    explicit operator bool() && = delete;
    /// The request, until the last response. It is another process's bytes: check what it says.
    [[nodiscard]] typename detail::carried<Request>::view operator*() const {
      return detail::carried<Request>::read(bytes());
    }
    [[nodiscard]] const Request* operator->() const noexcept requires(!detail::any_length<Request>) {
      return &detail::carried<Request>::read(bytes());
    }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
      return held_.request.size() >= offset ? held_.request.subspan(offset) : std::span<const std::byte>();
    }
    [[nodiscard]] std::string_view text() const noexcept { return as_text(bytes()); }
    /// Whether a server that died may have worked on it: what it did besides responding may be done already.
    [[nodiscard]] bool was_delivered_before() const noexcept { return held_.was_delivered_before; }
    /// After it the client does not wait any more. time_point::max(): there is none.
    [[nodiscard]] std::chrono::steady_clock::time_point deadline() const noexcept {
      using std::chrono::steady_clock;
      constexpr auto most = static_cast<std::uint64_t>(steady_clock::time_point::max().time_since_epoch().count());
      return steady_clock::time_point(
          std::chrono::nanoseconds(static_cast<std::int64_t>(detail::lesser(held_.deadline_ns, most))));
    }
    /// Whether no response is wanted any more: the client gave the call up or is gone, or the deadline is over. A few loads and
    /// a clock; once a tick for each client it asks the kernel, so a death is seen within a tick.
    [[nodiscard]] bool is_cancelled() noexcept {
      if (raw_ == nullptr || raw_->ask_end_of(held_)) return true;
      return held_.deadline_ns != detail::never && detail::monotonic_now_ns() >= held_.deadline_ns;
    }

    /// The last response, or the only one; the call is over. Never waits: there is always room for it.
    /// ready: the client has it; closed: the client gave the call up; peer_gone: the client is gone, as is known within a tick.
    /// @throws error misuse: the call is over, or its server is destroyed; bad_argument: no response can be so long;
    ///         wrong_process; truncated; what the serializer throws: the call goes on.
    wait_result respond(const sent& response) {
      auto& raw = open();
      auto result = raw.end_of(held_);
      if (!result) {
        send(raw, raw.try_room(held_, true), detail::reply_kind::last, response);
        result = raw.ask_end_of(held_);
      }
      raw.end(held_, true);
      raw_ = nullptr;
      return result.value_or(wait_result::ready);
    }

    /// A part of the response that others follow. Waits while the client has not read enough of those before it: until the
    /// deadline of the call, or for a second where it has none. ready; timed_out: the client is slow or stopped, and the part was
    /// not sent: try again, or end the call; closed and peer_gone as respond(); interrupted.
    [[nodiscard]] wait_result respond_part(const sent& response, const detail::stop_signal& stop = {}) {
      constexpr std::uint64_t patience_ns = 1'000'000'000;
      if (const auto result = try_respond_part(response); result != wait_result::timed_out) return result;
      return part_before(
          response, held_.deadline_ns != detail::never ? held_.deadline_ns : detail::deadline_after_ns(patience_ns),
          stop);
    }
    [[nodiscard]] wait_result respond_part_for(const sent& response, detail::timeout at_most,
                                               const detail::stop_signal& stop = {}) {
      return part_before(response, detail::deadline_after(at_most), stop);
    }
    [[nodiscard]] wait_result respond_part_until(const sent& response, detail::time_limit when,
                                                 const detail::stop_signal& stop = {}) {
      return part_before(response, detail::deadline_at(when), stop);
    }
    /// The same without waiting. timed_out: there is no room now.
    [[nodiscard]] wait_result try_respond_part(const sent& response) {
      auto& raw = open();
      if (const auto result = raw.ask_end_of(held_)) return *result;
      auto* const room = raw.try_room(held_, false);
      if (room == nullptr) return wait_result::timed_out;
      send(raw, room, detail::reply_kind::part, response);
      return wait_result::ready;
    }

    /// Ends the call without a further response: the client is told `closed`. The call is empty afterwards.
    void end() noexcept {
      if (raw_ != nullptr) std::exchange(raw_, nullptr)->end(held_, false);
    }

   private:
    friend class server;
    call(raw_type& raw, const detail::held_call& held) noexcept : raw_(&raw), held_(held) {}
    [[nodiscard]] raw_type& open() const {
      if (raw_ == nullptr) [[unlikely]]
        detail::throw_call_is_over();
      return *raw_;
    }
    void send(raw_type& raw, std::byte* room, detail::reply_kind kind, const sent& response) {
      using carried = detail::carried<Response>;
      const auto bytes = carried::max_bytes(response);
      if (detail::any_length<Response> && bytes > raw.max_reply_bytes()) [[unlikely]]
        detail::throw_reply_too_long(detail::access::owner_of(raw), bytes, raw.max_reply_bytes());
      raw.publish(held_, kind, carried::write(response, {room, bytes}));
    }
    wait_result part_before(const sent& response, std::uint64_t until_ns, const detail::stop_signal& stop) {
      auto& raw = open();
      std::byte* room = nullptr;
      const auto result = raw.room_until(until_ns, held_, room, stop);
      if (result == wait_result::ready) send(raw, room, detail::reply_kind::part, response);
      return result;
    }

    raw_type* raw_ = nullptr;
    detail::held_call held_;
  };

  server(const attached_segment& attached, std::uint32_t ring_index, Wait wait)
      : base(new raw_type(attached, ring_index, std::move(wait), detail::carried<Response>::bytes)) {}

  /// The oldest request that its client still wants answered; those that were cancelled, are late, or whose client died are
  /// dropped on the way. Empty: there is none. @throws error misuse: max_open_loans calls are in its hands; wrong_process; truncated.
  [[nodiscard]] call try_receive() & {
    auto& raw = usable();
    detail::held_call held;
    return raw.try_take(held) ? call(raw, held) : call();
  }
  /// Waits for one. Empty: status() says why: closed; timed_out; interrupted. The death of all clients does not end it: others
  /// come.
  [[nodiscard]] call receive(const detail::stop_signal& stop = {}) & { return receive_before(detail::never, stop); }
  [[nodiscard]] call receive_for(detail::timeout at_most, const detail::stop_signal& stop = {}) & {
    return receive_before(detail::deadline_after(at_most), stop);
  }
  [[nodiscard]] call receive_until(detail::time_limit when, const detail::stop_signal& stop = {}) & {
    return receive_before(detail::deadline_at(when), stop);
  }

  /// How many requests wait or are worked on, at about this moment.
  [[nodiscard]] std::uint64_t size_approx() const { return usable().size_approx(); }

 private:
  friend struct detail::access;
  using base::status_, base::usable;
  call receive_before(std::uint64_t until_ns, const detail::stop_signal& stop) {
    auto& raw = usable();
    detail::held_call held;
    status_ = raw.take_until(until_ns, held, stop);
    return status_ == wait_result::ready ? call(raw, held) : call();
  }
};

/// A segment with the requests and responses of one service. Being attached keeps the name from being swept; it takes no seat.
template <class Request, class Response>
class service {
  static_assert(detail::require_message<Request>::value && detail::require_message<Response>::value);
  static_assert(detail::carried<Response>::alignment <= 64, "sluice: a response is aligned to 64 bytes at the most.");
  using channel_type = channel<detail::request_message<Request, Response>, detail::service_ring>;

 public:
  /// @throws error as channel<T>::create().
  static service create(std::string_view name_or_path, const service_options& options = {}) {
    return service(channel_type::create(name_or_path, options_of(options)));
  }
  static service create(const registry& where, const segment_name& name, const service_options& options = {}) {
    return service(channel_type::create(where, name, options_of(options)));
  }
  /// @throws error not_found; wrong_type: another request or response; wrong_kind; and all of registry::attach().
  static service attach(std::string_view name_or_path, const attach_options& options = {}) {
    return service(channel_type::attach(name_or_path, options));
  }
  static service attach(const registry& where, const segment_name& name, const attach_options& options = {}) {
    return service(channel_type::attach(where, name, options));
  }
  /// The same, and waits until the name exists.
  static service attach_for(std::string_view name_or_path, detail::timeout at_most, const attach_options& options = {},
                            const detail::stop_signal& stop = {}) {
    return service(channel_type::attach_for(name_or_path, at_most, options, stop));
  }
  static service attach_for(const registry& where, const segment_name& name, detail::timeout at_most,
                            const attach_options& options = {}, const detail::stop_signal& stop = {}) {
    return service(channel_type::attach_for(where, name, at_most, options, stop));
  }
  /// Whichever is possible; an existing service must offer what was asked for by name.
  static service create_or_attach(std::string_view name_or_path, const service_options& options = {}) {
    return service(channel_type::create_or_attach(name_or_path, options_of(options)));
  }
  static service create_or_attach(const registry& where, const segment_name& name,
                                  const service_options& options = {}) {
    return service(channel_type::create_or_attach(where, name, options_of(options)));
  }
  /// Without a name, for this process and those it forks afterwards; in a memfd_segment also for those it is offered to.
  template <class Segment>
  static service create_unnamed(const service_options& options = {}) {
    return service(channel_type::template create_unnamed<Segment>(options_of(options)));
  }
  static service create_unnamed(const service_options& options = {}) {
    return service(channel_type::create_unnamed(options_of(options)));
  }
  /// Sends the service through a connected unix socket, for accept() at the other end: see segment.hpp.
  void offer(int socket) const { channel_.offer(socket); }
  static service accept(int socket, const memory_options& memory = {}) {
    return service(channel_type::accept(socket, memory));
  }

  /// Takes a client's seat for the calling process. @throws error seat_taken.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::client<Request, Response, Wait> client(Wait wait = {}) const {
    return {detail::access::attached(channel_), detail::access::ring_index(channel_), std::move(wait)};
  }
  /// Takes a server's seat likewise. What a server had in its hands that died there comes first.
  template <wait_strategy Wait = spin_then_park>
  [[nodiscard]] sluice::server<Request, Response, Wait> server(Wait wait = {}) const {
    return {detail::access::attached(channel_), detail::access::ring_index(channel_), std::move(wait)};
  }

  [[nodiscard]] std::uint64_t capacity_slots() const noexcept { return channel_.capacity_slots(); }
  [[nodiscard]] const segment_header& header() const noexcept { return channel_.header(); }
  [[nodiscard]] const segment& memory() const noexcept { return channel_.memory(); }
  [[nodiscard]] name_state name_now() const noexcept { return channel_.name_now(); }

 private:
  explicit service(channel_type made) noexcept : channel_(std::move(made)) {}
  [[nodiscard]] static channel_options options_of(const service_options& options) {
    channel_options how;
    how.capacity_slots = options.capacity_slots;
    how.producer_seats = options.client_seats;
    how.consumer_seats = options.server_seats;
    how.lifetime = options.lifetime;
    how.mode = options.mode;
    how.memory = options.memory;
    how.capacity_bytes = options.capacity_bytes;
    how.inline_bytes = options.inline_bytes;
    if constexpr (detail::any_length<Request>) {
      constexpr std::uint64_t unless_asked = 112;
      how.inline_bytes =
          detail::request_offset<Request> + (options.inline_bytes != 0 ? options.inline_bytes : unless_asked);
    }
    how.replies = {detail::carried<Response>::bytes, detail::carried<Response>::alignment, options.calls_in_flight,
                   options.response_slots};
    if constexpr (detail::any_length<Response>)
      how.replies.bytes = options.max_response_bytes;
    else if (options.max_response_bytes != 0)
      detail::throw_responses_have_one_size();
    return how;
  }

  channel_type channel_;
};

}  // namespace sluice
