#include "stream.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <optional>

#include "arguments.hpp"
#include "describe.hpp"
#include "format.hpp"
#include "interrupt.hpp"
#include "output.hpp"
#include "record.hpp"
#include "sluice/bytes.hpp"
#include "sluice/inspect.hpp"

namespace sluice::tools {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

constexpr nanoseconds slice =
    std::chrono::milliseconds(100);  // how long a signal or an orderly departure may go unnoticed
constexpr nanoseconds hint_after = std::chrono::seconds(2);
constexpr int wide_pipe_bytes = 1 << 20;
constexpr double ns_per_s = 1e9;
constexpr std::uint64_t default_record_bytes = 64 << 10;
constexpr std::uint64_t default_capacity_slots = 64;

std::optional<durability> durability_from(const std::string& text) {
  if (text == "none") return durability::none();
  if (text == "close") return durability::on_close();
  if (text == "every") return durability::every(1);
  std::uint32_t messages = 0;
  const auto* const end = text.data() + text.size();
  const auto [stopped, problem] = std::from_chars(text.data(), end, messages);
  if (problem != std::errc{} || stopped != end || messages == 0) return std::nullopt;
  return durability::every(messages);
}

std::optional<ring_kind> ring_kind_from(const std::string& text) {
  for (const auto kind : port_kinds())
    if (text == sluice::to_string(kind)) return kind;
  return std::nullopt;
}

constexpr const char* any_length_suffix = "-bytes";  // of the names of kinds

bool is_of_any_size(const stream_options& options) {
  return options.any_size || options.capacity_bytes != 0 || (options.lines && !options.message_bytes);
}

bool has_any_length(ring_kind kind) { return std::string_view(sluice::to_string(kind)).ends_with(any_length_suffix); }

std::optional<ring_kind> of_any_length(ring_kind kind) {
  return ring_kind_from(sluice::to_string(kind) + std::string(any_length_suffix));
}

/// Which kind of ring --create makes: the one that was asked for, or the same of any length.
ring_kind wanted_kind(const stream_options& options) {
  const auto asked = options.ring.value_or(ring_options().kind);
  if (!is_of_any_size(options) || has_any_length(asked)) return asked;
  return of_any_length(asked).value();  // every kind has such a twin
}

/// Whether --ring asked for such a ring, of one size or of any length.
bool is_asked_for(ring_kind found, const stream_options& options) {
  return !options.ring || *options.ring == found || of_any_length(*options.ring) == found;
}

ring_request wanted_ring(const stream_options& options) {
  ring_options ring{.kind = wanted_kind(options), .durability = options.durability, .topic = options.topic};
  if (has_any_length(ring.kind)) {
    ring.capacity_bytes = options.capacity_bytes;
    ring.capacity_slots = options.capacity_slots.value_or(0);
    return {identity_of<bytes>(), ring};
  }
  ring.capacity_slots = options.capacity_slots.value_or(default_capacity_slots);
  return {record_identity(record_bytes(options.message_bytes.value_or(default_record_bytes))), ring};
}

/// Whether an existing ring is what --create would have made, in all that was asked for or has a default here.
bool is_as_wanted(const part_descriptor& ring, const stream_options& options) {
  const auto wanted = plan_segment(wanted_ring(options)).parts[0];
  return ring.kind == wanted.kind && ring.message_bytes == wanted.message_bytes &&
         ring.slots.capacity_slots == wanted.slots.capacity_slots && ring.body_bytes == wanted.body_bytes &&
         durability_of(ring) == durability_of(wanted);
}

std::string form_text(const part_descriptor& ring, bool any_size) {
  return fmt::format("{} ring, messages of {}, {} slots, durability {}",
                     sluice::to_string(static_cast<ring_kind>(ring.kind)),
                     any_size ? "any length" : fmt::format("{} bytes", ring.message_bytes - sizeof(record_header)),
                     ring.slots.capacity_slots, sluice::to_string(durability_of(ring)));
}

const char* command_of(role own) { return own == role::producer ? "send" : "recv"; }

}  // namespace

void add_stream_options(CLI::App& app, stream_options& options) {
  app.add_option("NAME", options.name, "A name in the registry, or a path with a slash")->required()->type_name("");
  app.add_flag("-l,--lines", options.lines, "One line is one message, instead of raw bytes in records of a fixed size");
  add_parsed(app, "-n,--count", options.count, within(number_from, 1), "a number of messages, from 1 on",
             "End after N messages")
      ->type_name("N");
  add_parsed(app, "-t,--timeout", options.timeout_s, seconds_from,
             "seconds from 0.001 to 1e9, such as 0.5, 2s or 100ms",
             "Give up (exit 6) when the other side does nothing for so long, while this side waits for it")
      ->type_name("SECONDS");
  auto* create = app.add_flag("-c,--create", options.create, "Make the channel if it does not exist yet");
  auto* any_size =
      app.add_flag("-a,--any-size", options.any_size,
                   "Messages of any length, as programs have them in channel<bytes>: with --lines this is so\n"
                   "unless --message-size is given. Without --lines each holds what one read brought; with --create")
          ->needs(create);
  auto* capacity_bytes =
      add_parsed(app, "--capacity-bytes", options.capacity_bytes, within(size_from, 128, std::uint64_t{1} << 31),
                 "bytes from 128 to 2147483648, such as 64k or 1M",
                 "Messages of any length: what fits into the channel for each sender, and the longest (256k);\n"
                 "with --create")
          ->needs(create)
          ->type_name("BYTES");
  add_parsed(app, "-s,--message-size", options.message_bytes, within(size_from, 1, max_room_bytes),
             "bytes from 1 to " + std::to_string(max_room_bytes) + ", such as 4096, 64k or 1M",
             "Records of a fixed size: payload of a message, rounded up to 8 (64k); with --create")
      ->needs(create)
      ->excludes(any_size)
      ->excludes(capacity_bytes)
      ->type_name("BYTES");
  add_parsed(app, "-C,--capacity", options.capacity_slots, within(size_from, 1),
             "a number of messages, a power of two, such as 64 or 1k",
             "Messages that fit in the channel, a power of two (64, or more of any length); with --create")
      ->needs(create)
      ->type_name("SLOTS");
  add_parsed(app, "-r,--ring", options.ring, ring_kind_from, "spsc, mpmc, topic or topic-many",
             "spsc (one sender, one receiver; the default) or mpmc (up to 64 of each): each message goes to one\n"
             "receiver. topic (one sender) or topic-many (up to 64): each message goes to every receiver.\n"
             "A name that is there already and is of another kind is an error (exit 5)")
      ->type_name("KIND");
  app.add_option("--mode", options.mode,
                 "Permissions of the channel, whatever the umask: 600 (default), or 660 for a group; with --create")
      ->check(CLI::Validator(
          [](const std::string& text) {
            const bool is_mode = (text.size() == 3 || (text.size() == 4 && text[0] == '0')) &&
                                 text.find_first_not_of("0246") == std::string::npos && text[text.size() - 3] == '6';
            return is_mode ? std::string() : "three octal digits, none of them odd, 6 for the owner: " + text;
          },
          ""))
      ->needs(create)
      ->type_name("OCTAL");
  add_parsed(app, "--durability", options.durability, durability_from, "none, close, every, or a number from 1 on",
             "When messages reach the disk, to outlast a reset of the machine: none (default), close, every\n"
             "(each message) or N (each N messages of a sender); on a disk only, see SLUICE_DIR; with --create.\n"
             "With any but none the channel is persistent")
      ->needs(create)
      ->type_name("WHEN");
  add_parsed(
      app, "--drop-stalled-after", options.topic.drop_stalled_after_ns,
      [](const std::string& text) -> std::optional<std::uint64_t> {
        const auto seconds = seconds_from(text);
        return seconds ? std::optional(static_cast<std::uint64_t>(*seconds * 1e9)) : std::nullopt;
      },
      "seconds from 0.001 to 1e9, such as 0.5, 2s or 100ms",
      "Of a topic: a receiver that holds a sender up for so long is not waited for any more; it ends (exit 1)\n"
      "when it has lost messages by that. With --create")
      ->needs(create)
      ->type_name("SECONDS");
  app.add_flag("--wake-watchers", options.topic.wakes_watchers,
               "Of a topic: senders also wake programs that only watch it, which cannot say that they sleep;\n"
               "with --create")
      ->needs(create);
  app.add_flag("-p,--persistent", options.persistent,
               "Keep the name when the last process has left; with --create. Without it the name goes, and with it\n"
               "what is not delivered")
      ->needs(create);
}

stream open_stream(const session& common, const stream_options& options) {
  const auto located = common.find(options.name);
  auto attached = [&] {
    if (!options.create) {
      try {
        return located.where.attach(located.name);
      } catch (const error& problem) {
        if (problem.reason() != errc::not_found) throw;
        throw error(errc::not_found, std::string(problem.what()) + " Or make it here with --create");
      }
    }
    const auto life = options.persistent ? lifetime::persistent : lifetime::ephemeral;  // a durable one is the former
    return located.where.create_or_attach(located.name, plan_segment(wanted_ring(options)),
                                          {life, static_cast<std::uint32_t>(std::stoul(options.mode, nullptr, 8))});
  }();
  const auto& header = attached.memory().header();
  const auto& ring = header.parts[0];
  const auto kind = static_cast<ring_kind>(ring.kind);
  if (holds_values(kind)) {
    attached.leave_name();  // this process has no business with it
    throw error(errc::wrong_kind,
                fmt::format("attach {}: it is of kind {}, which holds values and no messages; look at them with "
                            "`sluice get` and `sluice watch`",
                            attached.what(), sluice::to_string(kind)));
  }
  if (!is_asked_for(kind, options)) {
    attached.leave_name();  // this process has no business with it
    throw error(errc::wrong_kind,
                fmt::format("attach {}: its ring is of kind {}, and --ring asks for {}; leave --ring "
                            "out to use it as it is",
                            attached.what(), sluice::to_string(kind), sluice::to_string(*options.ring)));
  }
  const bool any_size = ring.type_hash == identity_of<bytes>().hash;
  require_ring(header, 0, kind, any_size ? identity_of<bytes>() : record_identity(ring.message_bytes),
               "attach " + attached.what());
  if (!any_size && ring.message_bytes < record_bytes(1))
    throw error(errc::corrupted, "attach " + attached.what() + ": its messages have no room for a record");
  if (options.create && !is_as_wanted(ring, options))
    spdlog::warn("{} was there already: {}", attached.what(), form_text(ring, any_size));
  return {attached,
          located.name.str(),
          any_size ? 0 : ring.message_bytes - sizeof(record_header),
          any_size,
          lifetime_of(header) == lifetime::ephemeral,
          kind};
}

void note_removal(const stream& channel, const char* command, tally& done) {
  auto attached = channel.attached;
  attached.on_removal([&done, command, name = channel.name](std::uint64_t undelivered) {
    done.lost += undelivered;
    if (undelivered != 0)
      spdlog::warn(
          "{} \"{}\": the last participant has left the ephemeral channel: {} undelivered message(s) went with it "
          "(--persistent would have kept them)",
          command, name, undelivered);
  });
}

companion::companion(port& self, std::string name, double timeout_s)
    : self_(self),
      what_(std::string(command_of(self.role())) + " \"" + name + "\""),
      name_(std::move(name)),
      peer_name_(role_name(self.kind(), peer_of(self.role()))),
      needs_peer_(!is_topic(self.kind()) || self.role() == role::consumer),
      timeout_(static_cast<std::int64_t>(timeout_s * ns_per_s)) {}

void leave_if_interrupted(const std::string& what) {
  if (const int signal = interrupting_signal(); signal != 0)
    throw interrupted(signal, what + ": interrupted by " + (signal == SIGINT ? "SIGINT" : "SIGTERM"));
}

wait_result companion::until(const std::function<wait_result(clock::time_point until)>& step) {
  leave_if_interrupted(what_);
  const bool has_timeout = timeout_ != nanoseconds::zero();
  const auto began = clock::now();
  auto silent_since = began;
  auto progress = has_timeout ? peer_progress() : 0;
  for (;;) {
    auto slice_end = clock::now() + slice;
    if (has_timeout) slice_end = std::min(slice_end, silent_since + timeout_);
    const auto result = step(slice_end);
    if (result == wait_result::ready || result == wait_result::closed) return result;
    leave_if_interrupted(what_);
    look_at_peer(result == wait_result::peer_gone);
    const auto now = clock::now();
    if (now - began >= hint_after && !has_hinted_) hint();
    if (!has_timeout) continue;
    if (const auto moved = peer_progress(); moved != progress) {
      progress = moved;
      silent_since = now;
    } else if (now - silent_since >= timeout_) {
      throw command_failure(exit_code::timed_out,
                            fmt::format("{}: the {} did nothing for {} s; `sluice inspect {}` shows the participants",
                                        what_, peer_name_, std::chrono::duration<double>(timeout_).count(), name_));
    }
  }
}

void companion::hint() {
  std::string names;  // of subscriptions that keep something, and no process is there to take it
  if (self_.role() == role::producer && is_topic(self_.kind()))
    for (const auto& seat : self_.seats())
      if (!seat.subscription.empty() && seat.lag.value_or(0) != 0 && !has_process(seat))
        names += (names.empty() ? "\"" : "\", \"") + seat.subscription;
  if (!names.empty())
    spdlog::warn("{}: waiting for the next subscriber of subscription {}\"", what_, names);
  else if (last_seen_ == peer_state::none)
    spdlog::warn("{}: waiting for a {} to come", what_, peer_name_);
  else
    return;
  has_hinted_ = true;
}

void companion::look_at_peer(bool one_died) {
  const auto now = self_.peer();
  if (now == peer_state::dead && (one_died || last_seen_ != peer_state::dead)) {
    std::string pids;
    for (const auto& seat : self_.seats())
      if (seat.role == peer_of(self_.role()) && !seat.left_in_order)
        pids += (pids.empty() ? "pid " : ", pid ") + pid_text(seat);
    spdlog::warn("{}: the {} ({}) died{}", what_, peer_name_, pids, needs_peer_ ? "; waiting for a successor" : "");
  } else if (now == peer_state::none && last_seen_ == peer_state::alive && needs_peer_) {
    spdlog::warn("{}: the {} left {}; waiting for another one", what_, peer_name_,
                 self_.role() == role::consumer ? "without closing the channel" : "before everything was delivered");
  }
  last_seen_ = now;
}

std::uint64_t companion::peer_progress() const {
  std::uint64_t sum = 0;
  for (const auto& seat : self_.seats())
    if (seat.role == peer_of(self_.role())) sum += seat.messages;
  return sum;
}

tally::tally() : began(clock::now()) {}

void tally::print(const session& common, const char* command, const std::string& name, bool is_complete) const {
  const auto seconds = std::chrono::duration<double>(clock::now() - began).count();
  if (common.json)
    print_error_json({{"command", command},
                      {"name", name},
                      {"is_complete", is_complete},
                      {"messages", messages},
                      {"bytes", bytes},
                      {"redelivered", redelivered},
                      {"holes", holes},
                      {"lost", lost},
                      {"is_loss_exact", is_loss_exact},
                      {"seconds", seconds}});
  else
    spdlog::info("{} \"{}\": {} messages, {} bytes in {:.3f} s ({}/s)", command, name, messages, bytes, seconds,
                 size_text(static_cast<std::uint64_t>(static_cast<double>(bytes) / std::max(seconds, 1e-6))));
}

namespace {

bool has_died(const seat_report& seat) {
  return seat.role == role::producer && (seat.state == seat_state::dead || seat.state == seat_state::settled ||
                                         (seat.state == seat_state::taken && seat.alive == liveness::dead));
}

}  // namespace

casualties::casualties(const port& self) : self_(self), holes_before_(self.repairs().holes) {
  for (const auto& seat : self_.seats())
    if (has_died(seat)) dead_before_.emplace_back(seat.index, seat.generation);
}

std::uint64_t casualties::holes() const noexcept { return self_.repairs().holes - holes_before_; }

std::string casualties::dead_producers() const {
  std::string pids;
  for (const auto& seat : self_.seats()) {
    const bool is_old = std::find(dead_before_.begin(), dead_before_.end(), std::pair(seat.index, seat.generation)) !=
                        dead_before_.end();
    if (has_died(seat) && !is_old) pids += (pids.empty() ? "pid " : ", pid ") + pid_text(seat);
  }
  return pids;
}

void wait_for_descriptor(int descriptor, short events) {
  pollfd one{descriptor, events, 0};
  ::poll(&one, 1, -1);  // an error shows at the next read or write
}

void widen_pipe(int descriptor) { ::fcntl(descriptor, F_SETPIPE_SZ, wide_pipe_bytes); }

}  // namespace sluice::tools
