// sluice recv: what comes through a channel, to standard output. A message is released only when all of it is written,
// so that a recv that is killed loses nothing.

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "commands/commands.hpp"
#include "interrupt.hpp"
#include "record.hpp"
#include "sluice/port.hpp"
#include "stream.hpp"

namespace sluice::tools {
namespace {

struct recv_options : stream_options {
  std::string mark;  // before each line that may have been delivered before
  std::optional<history> from;
  bool is_lossless = false, is_lossy = false;  // as asked
  std::string subscription;                    // its name
};

std::optional<history> history_from(const std::string& text) {
  constexpr std::string_view last = "last:";
  if (text == "oldest") return history::all();
  if (text == "new") return history::none();
  if (!text.starts_with(last)) return std::nullopt;
  const auto count = within(number_from, 1)(text.substr(last.size()));
  return count ? std::optional(history::last(*count)) : std::nullopt;
}

/// In which way to take part. @throws command_failure when topics alone know it, and `kind` is none.
subscription subscription_to(ring_kind kind, const recv_options& options) {
  if (!is_topic(kind)) {
    const auto* asked = options.from                    ? "--from"
                        : options.is_lossy              ? "--lossy"
                        : !options.subscription.empty() ? "--subscription"
                                                        : nullptr;
    if (asked == nullptr) return {};
    throw command_failure(
        exit_code::usage,
        fmt::format(
            "recv \"{}\": {} is for topics, and a ring of kind {} gives each message to one receiver, those that "
            "wait first; leave {} out{}",
            options.name, asked, sluice::to_string(kind), asked,
            options.create ? ", or make a topic with --ring topic" : ""));
  }
  subscription how{options.from.value_or(history::all()), {}, options.subscription};
  if (options.is_lossy) how.lossy = resumes::at_oldest;
  return how;
}

class receiver {
 public:
  receiver(const stream& from, const recv_options& options, tally& done)
      : in_(open_consumer(from.attached, 0, wait_kind::spin_then_park, subscription_to(from.kind, options))),
        companion_(*in_, from.name, options.timeout_s),
        casualties_(*in_),
        options_(options),
        what_("recv \"" + from.name + "\""),
        room_(from.room_bytes),
        keeps_(!is_topic(from.kind) || !options.subscription.empty()),
        done_(done) {}

  void run() {
    try {
      deliver_all();
    } catch (...) {
      report_casualties();
      report_loss();
      throw;
    }
    report_casualties();
    report_loss();
  }

 private:
  void deliver_all() {
    while (left() != 0) {
      const auto result = companion_.until([&](auto until) {
        (void)in_->peek_until(std::min(max_messages_at_once, left()), until);
        return in_->status();
      });
      if (result == wait_result::closed) break;
      require_no_gap();
      deliver();
      mention_loss();
    }
  }

  /// @throws command_failure when it is to miss nothing, and has missed something.
  void require_no_gap() const {
    if (!in_->was_dropped() || in_->lost() == 0) return;
    throw command_failure(
        exit_code::failed,
        fmt::format("{}: it held a sender up for longer than this topic allows, and lost {} message(s) by that; "
                    "receive again from what is there, or with --lossy",
                    what_, in_->lost()));
  }

  /// Of a lossy receiver, while it goes on: now and then.
  void mention_loss() {
    const auto lost = in_->lost();
    if (lost == mentioned_loss_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now - mentioned_loss_at_ < std::chrono::seconds(1)) return;
    spdlog::warn("{}: overtaken: {} message(s) lost", what_, lost - std::exchange(mentioned_loss_, lost));
    mentioned_loss_at_ = now;
  }

  void report_loss() {
    const auto lost = in_->lost();
    done_.lost += lost;
    done_.is_loss_exact = in_->is_loss_exact();
    if (lost != 0)
      spdlog::warn("{}: lost {}{} message(s) in all, by which the publishers had overtaken it", what_,
                   done_.is_loss_exact ? "" : "at most ", lost);
  }

  /// The death of one producer among several is not told while the others go on.
  void report_casualties() {
    if (in_->seat_count(role::producer) == 1) return;
    const auto* const peer_name = role_name(in_->kind(), role::producer);
    done_.holes = casualties_.holes();
    if (const auto pids = casualties_.dead_producers(); !pids.empty())
      spdlog::warn("{}: {}s died meanwhile ({}): what they sent is not complete", what_, peer_name, pids);
    if (done_.holes != 0)
      spdlog::warn("{}: {} slot(s) were stepped over: {}s had claimed them and died before they published", what_,
                   done_.holes, peer_name);
  }

  [[nodiscard]] std::uint64_t left() const noexcept {
    return options_.count == 0 ? std::numeric_limits<std::uint64_t>::max() : options_.count - done_.messages;
  }

  /// Writes what is peeked, straight from its slots, and releases it.
  void deliver() {
    static char newline = '\n';
    parts_.clear();
    ends_.clear();
    payload_ends_.clear();
    output_bytes_ = 0;
    std::uint64_t payload_bytes = 0;
    const auto ready = in_->peeked_count();
    while (ends_.size() < ready) {
      const auto payload = payload_at(ends_.size());
      if (!payload) break;
      // writev(2) only reads.
      if (!options_.mark.empty() && in_->was_delivered_before(ends_.size()))
        add_part(const_cast<char*>(options_.mark.data()), options_.mark.size());
      add_part(const_cast<std::byte*>(payload->data()), payload->size());
      if (options_.lines) add_part(&newline, 1);
      ends_.push_back(output_bytes_);
      payload_ends_.push_back(payload_bytes += payload->size());
    }
    const auto [written, problem] = write_parts();
    // Released is what the output has, however the writing ended: the next receiver must not get it again.
    const auto whole = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), written) - ends_.begin());
    const auto part = written - (whole == 0 ? 0 : ends_[whole - 1]);
    release(whole);
    if (part != 0)
      spdlog::warn("{}: the output ends with the first {} bytes of a message{}", what_, part,
                   keeps_ ? " that stays in the channel" : "");
    if (problem != 0) fail_to_write(problem);
    if (ends_.size() != ready)
      throw error(errc::corrupted, fmt::format("{}: a message says that it is longer than its {} bytes of room: it was "
                                               "not delivered and stays in the channel",
                                               what_, room_));
  }

  /// Empty: a record that says more than it can have.
  [[nodiscard]] std::optional<std::span<const std::byte>> payload_at(std::uint64_t i) const {
    const auto message = in_->peeked(i);
    if (in_->has_any_length()) return message;
    const auto length = length_of(message.data(), room_);
    if (!length) return std::nullopt;
    return std::span(payload_of(message.data()), *length);
  }

  void add_part(void* at, std::size_t bytes) {
    parts_.push_back({at, bytes});
    output_bytes_ += bytes;
  }

  struct write_result {
    std::uint64_t bytes = 0;
    int problem = 0;  // errno; EINTR: a signal came that ends this
  };

  /// Writes all parts, or those that it can.
  write_result write_parts() {
    std::span<iovec> rest(parts_);
    std::uint64_t written = 0;
    while (written < (ends_.empty() ? 0 : ends_.back())) {
      const auto put = ::writev(STDOUT_FILENO, rest.data(), static_cast<int>(rest.size()));
      if (put >= 0) {
        written += static_cast<std::uint64_t>(put);
        rest = after(rest, static_cast<std::size_t>(put));
        continue;
      }
      if (errno != EAGAIN && errno != EINTR) return {written, errno};
      if (errno == EAGAIN) wait_for_descriptor(STDOUT_FILENO, POLLOUT);
      if (interrupting_signal() != 0) return {written, EINTR};
    }
    return {written, 0};
  }

  [[noreturn]] void fail_to_write(int problem) {
    leave_if_interrupted(what_);
    in_->require_whole();  // EFAULT: the kernel met the end of a file that was cut short
    throw error::from_errno(
        problem, fmt::format("{}: write standard output ({} message(s) were written{})", what_, done_.messages,
                             keeps_ ? " and released, the others stay in the channel" : ""));
  }

  /// What is left of `parts` when `bytes` of them are written.
  static std::span<iovec> after(std::span<iovec> parts, std::size_t bytes) {
    while (!parts.empty() && bytes >= parts.front().iov_len) {
      bytes -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
    if (parts.empty()) return parts;
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + bytes;
    parts.front().iov_len -= bytes;
    return parts;
  }

  void release(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) done_.redelivered += in_->was_delivered_before(i) ? 1 : 0;
    in_->release(count);
    done_.messages += count;
    if (count != 0) done_.bytes += payload_ends_[count - 1];
  }

  std::unique_ptr<consumer_port> in_;
  companion companion_;
  casualties casualties_;
  const recv_options& options_;
  std::string what_;
  std::uint64_t room_;
  bool keeps_;  // what it does not release, for the next receiver
  tally& done_;
  std::vector<iovec> parts_;
  std::uint64_t output_bytes_ = 0;           // of all parts
  std::vector<std::uint64_t> ends_;          // of each message, in bytes of output
  std::vector<std::uint64_t> payload_ends_;  // and without what is written around the payload
  std::uint64_t mentioned_loss_ = 0;
  std::chrono::steady_clock::time_point mentioned_loss_at_;
};

exit_code run(const session& common, const recv_options& options) {
  catch_interrupts();
  tally done;
  if (options.create)
    (void)subscription_to(options.ring.value_or(ring_options().kind), options);  // before it makes one
  auto from = std::make_optional(open_stream(common, options));
  const auto name = from->name;
  note_removal(*from, "recv", done);
  widen_pipe(STDOUT_FILENO);
  const auto finish = [&](bool is_complete) {
    if (done.redelivered != 0)
      spdlog::warn(
          "recv \"{}\": {} message(s) may have been delivered before: to a consumer that died, or before the machine "
          "was reset",
          name, done.redelivered);
    from.reset();
    done.print(common, "recv", name, is_complete);
  };
  try {
    receiver(*from, options, done).run();
  } catch (...) {
    finish(false);
    throw;
  }
  finish(true);
  return exit_code::done;
}

}  // namespace

runner add_recv(CLI::App& app, const session& common) {
  auto options = std::make_shared<recv_options>();
  add_stream_options(app, *options);
  app.add_option("--mark", options->mark,
                 "Write TEXT before each line that may have been delivered before; with --lines")
      ->needs(app.get_option("--lines"))
      ->type_name("TEXT");
  add_parsed(app, "--from", options->from, history_from, "oldest, new or last:N, such as last:100",
             "Of a topic: where to begin. oldest: everything that is still there (the default); new: what is\n"
             "published from now on; last:N: with the N messages before that")
      ->type_name("WHERE");
  auto* lossless =
      app.add_flag("--lossless", options->is_lossless,
                   "Of a topic: miss nothing, and hold the senders up when it is a ring behind (the default)");
  app.add_flag("--lossy", options->is_lossy,
               "Of a topic: never hold a sender up. When it was overtaken, recv says on standard error how many\n"
               "messages it lost, and goes on at the oldest one")
      ->excludes(lossless);
  app.add_option(
         "--subscription", options->subscription,
         "Of a topic: receive as the subscription NAME, 1 to 24 of A-Z a-z 0-9 . _ -. It stays when recv ends or\n"
         "is killed, for as long as the topic does: senders overwrite nothing that it has not released, and the\n"
         "next recv of that name goes on there; --from is for the first. `sluice clear TOPIC --subscription\n"
         "NAME` ends it")
      ->excludes(app.get_option("--lossy"))
      ->type_name("NAME");
  app.footer(
      "Ends (exit 0) when the producer closed the channel and all was delivered, or after --count.\n"
      "mpmc: each message goes to one receiver; a sender's messages reach each of them in the order in which they were "
      "sent.\n"
      "topic: every receiver gets every message, and ends when the senders have closed it. With --ring the kind of\n"
      "what is there is checked, also without --create. --lossy: exit 0 whatever was lost, since loss was allowed;\n"
      "\"lost\" of the --json summary is how many. What a lossless one that is killed had not written, no other gets\n"
      "for it, and its successor begins where its own --from says; the next one of its --subscription gets it.\n"
      "With --lines every message is followed by a '\\n'.\n"
      "A message is released only when it was written completely: a recv that is killed loses none,\n"
      "and the next one gets again what was not released: it says at its end how many messages that\n"
      "were, and --mark shows which.\n"
      "--timeout counts while recv waits for the producer, not while its output is stuck.");
  return [&common, options] { return run(common, *options); };
}

}  // namespace sluice::tools
