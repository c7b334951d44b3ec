// sluice send: standard input into a channel, in records of a fixed size or in lines.

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "commands/commands.hpp"
#include "interrupt.hpp"
#include "record.hpp"
#include "sluice/port.hpp"
#include "stream.hpp"

namespace sluice::tools {
namespace {

constexpr std::uint64_t max_bytes_at_once = 1 << 20;  // so that the consumer can begin early
constexpr std::size_t line_buffer_bytes = 256 << 10;
constexpr std::size_t read_bytes = 64 << 10;

struct send_options : stream_options {
  bool no_wait = false;
  bool keep_open = false;
};

class sender {
 public:
  sender(const stream& into, const send_options& options, tally& done)
      : options_(options),
        what_("send \"" + into.name + "\""),
        done_(done),
        out_(open_producer(into.attached)),
        any_size_(into.any_size),
        room_(any_size_ ? out_->message_bytes() : into.room_bytes),
        may_have_others_(out_->seat_count(role::producer) > 1),
        is_topic_(is_topic(into.kind)),
        is_ephemeral_(into.is_ephemeral),
        companion_(*out_, into.name, options.timeout_s) {}

  void run() {
    try {
      if (options_.lines)
        send_lines();
      else
        send_records();
    } catch (...) {
      spdlog::warn("{}: left without closing the channel after {} message(s): what was sent is not complete", what_,
                   done_.messages);
      throw;
    }
    if (is_topic_) note_unheard();
    if (may_have_others_) {
      try {
        if (!options_.no_wait) drain_own();
        out_->require_whole();  // what was sent into a file that was cut short meanwhile is lost
      } catch (...) {
        leave_to_the_others();  // the input was sent whole all the same
        throw;
      }
      leave_to_the_others();
    } else {
      if (!options_.keep_open) out_->close();
      out_->require_whole();  // as above
      if (options_.no_wait) return;
      companion_.until([this](auto until) { return out_->drain_until(until); });
    }
  }

 private:
  /// A publisher waits for no subscriber to come.
  void note_unheard() const {
    const auto seats = out_->seats();
    const bool was_heard =
        std::any_of(seats.begin(), seats.end(), [](const auto& seat) { return seat.role == role::consumer; });
    if (is_ephemeral_ && !was_heard && done_.messages != 0)
      spdlog::warn(
          "{}: no subscriber came: {} message(s) go with the ephemeral topic (--persistent keeps the last ones)", what_,
          done_.messages);
  }

  /// The last one to leave so closes the channel.
  void leave_to_the_others() {
    if (!options_.keep_open) (void)producer_port::finish(std::move(out_));
    out_.reset();
  }

  /// Until what is in the channel now was released; others may add to it all the time.
  void drain_own() {
    const auto end = out_->position();  // ours is below it
    companion_.until([this, end](auto until) { return out_->drain_before_until(end, until); });
  }

  /// At least one slot and at most `count`.
  std::uint64_t claim(std::uint64_t count) {
    const auto result = companion_.until([this, count](auto until) {
      (void)out_->claim_until(count, until);
      return out_->status();
    });
    if (result == wait_result::closed) throw_closed();
    return out_->claimed_count();
  }
  [[noreturn]] void throw_closed() const {
    throw command_failure(exit_code::failed, what_ + ": another participant closed the channel");
  }

  /// A message of any length, by copy.
  void send_whole(std::string_view message) {
    const auto bytes = std::as_bytes(std::span(message));
    if (!out_->try_send(bytes) &&
        companion_.until([&](auto until) { return out_->send_until(bytes, until); }) == wait_result::closed)
      throw_closed();
    ++done_.messages;
    done_.bytes += message.size();
  }

  [[nodiscard]] std::byte* slot(std::uint64_t i) const { return out_->claimed(i).data(); }

  [[nodiscard]] std::uint64_t left() const noexcept {
    return options_.count == 0 ? std::numeric_limits<std::uint64_t>::max() : options_.count - done_.messages;
  }

  /// 0: the end.
  std::size_t read_some(const iovec* parts, std::size_t count) {
    for (;;) {
      const auto got = ::readv(STDIN_FILENO, parts, static_cast<int>(count));
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EAGAIN)
        wait_for_descriptor(STDIN_FILENO, POLLIN);
      else if (errno != EINTR)
        fail_to_read(errno);
      leave_if_interrupted(what_);
    }
  }

  [[noreturn]] void fail_to_read(int problem) {
    out_->require_whole();  // EFAULT: the kernel met the end of a file that was cut short
    throw error::from_errno(problem, what_ + ": read standard input");
  }

  void send_records() {
    if (any_size_)
      send_reads();
    else if (may_have_others_ || is_topic_)
      send_records_by_copy();
    else
      send_records_in_place();
  }

  /// What one read brings is a message.
  void send_reads() {
    std::vector<char> buffer(std::min<std::uint64_t>(read_bytes, room_));
    while (left() != 0) {
      const iovec part{buffer.data(), buffer.size()};
      const auto got = read_some(&part, 1);
      if (got == 0) return;
      send_whole({buffer.data(), got});
    }
  }

  /// An open claim holds up all later claims, and in a topic destroys the oldest messages: so first the input, however long it
  /// takes, then the claim.
  void send_records_by_copy() {
    const auto at_once = std::clamp<std::uint64_t>(max_bytes_at_once / room_, 1, max_messages_at_once);
    std::vector<std::byte> buffer(at_once * room_);
    std::size_t filled = 0;
    for (bool is_end = false; !is_end && left() != 0;) {
      const iovec part{buffer.data() + filled, std::min(at_once, left()) * room_ - filled};
      const auto got = read_some(&part, 1);
      filled += got;
      is_end = got == 0;
      const auto ready = (filled + (is_end ? room_ - 1 : 0)) / room_;
      std::size_t begin = 0;
      for (std::uint64_t sent = 0; sent < ready;) {
        const auto claimed = claim(ready - sent);
        for (std::uint64_t i = 0; i < claimed; ++i) {
          const auto length = std::min<std::size_t>(room_, filled - begin);
          set_length(slot(i), length);
          std::memcpy(payload_of(slot(i)), buffer.data() + begin, length);
          begin += length;
          done_.bytes += length;
        }
        out_->publish(claimed);
        done_.messages += claimed;
        sent += claimed;
      }
      filled -= begin;
      std::memmove(buffer.data(), buffer.data() + begin, filled);
    }
  }

  /// Straight from read(2) into the slots. The bytes of a record that is not full yet move on to the next claim.
  void send_records_in_place() {
    const auto at_once = std::clamp<std::uint64_t>(max_bytes_at_once / room_, 1, max_messages_at_once);
    std::vector<std::byte> rest;
    std::vector<iovec> parts(at_once);
    while (left() != 0) {
      const auto slots = claim(std::min(at_once, left()));
      if (!rest.empty()) std::memcpy(payload_of(slot(0)), rest.data(), rest.size());
      auto filled = rest.size();
      bool is_end = false;
      while (filled < room_ && !is_end) {
        for (std::uint64_t i = 0; i < slots; ++i) parts[i] = {payload_of(slot(i)), room_};
        parts[0].iov_base = payload_of(slot(0)) + filled;
        parts[0].iov_len = room_ - filled;
        const auto got = read_some(parts.data(), slots);
        filled += got;
        is_end = got == 0;
      }
      publish(filled, is_end, rest);
      if (is_end) return;
    }
  }

  /// Publishes the full records of `filled` bytes, and at the end the short one too; else its bytes go to `rest`.
  void publish(std::size_t filled, bool is_end, std::vector<std::byte>& rest) {
    const auto full = filled / room_;
    const auto short_bytes = filled % room_;
    for (std::uint64_t i = 0; i < full; ++i) set_length(slot(i), room_);
    rest.clear();
    if (short_bytes != 0 && is_end)
      set_length(slot(full), short_bytes);
    else if (short_bytes != 0)
      rest.assign(payload_of(slot(full)), payload_of(slot(full)) + short_bytes);
    const auto count = full + (short_bytes != 0 && is_end ? 1 : 0);
    if (count == 0) {
      out_->abandon();
      return;
    }
    out_->publish(count);
    done_.messages += count;
    done_.bytes += filled - rest.size();
  }

  void send_lines() {
    std::vector<char> buffer(any_size_ ? line_buffer_bytes : std::max<std::size_t>(line_buffer_bytes, 2 * room_));
    std::size_t filled = 0;
    for (bool is_end = false; !is_end && left() != 0;) {
      const iovec part{buffer.data() + filled, buffer.size() - filled};
      const auto got = read_some(&part, 1);
      filled += got;
      is_end = got == 0;
      std::vector<std::string_view> lines;
      std::size_t begin = 0;
      while (const void* end = std::memchr(buffer.data() + begin, '\n', filled - begin)) {
        const auto at = static_cast<std::size_t>(static_cast<const char*>(end) - buffer.data());
        lines.emplace_back(buffer.data() + begin, at - begin);
        begin = at + 1;
      }
      if (is_end && begin < filled) {  // the last line, without its end
        lines.emplace_back(buffer.data() + begin, filled - begin);
        begin = filled;
      }
      publish(lines, filled - begin);
      std::memmove(buffer.data(), buffer.data() + begin, filled - begin);
      filled -= begin;
      if (filled == buffer.size()) buffer.resize(2 * filled);  // one line, and the longest message is longer
    }
  }

  void require_room(std::size_t length, std::uint64_t line_number) const {
    if (length > room_)
      throw command_failure(exit_code::failed,
                            fmt::format("{}: line {} is longer than a message ({} bytes): neither it nor what follows "
                                        "was sent; create the channel with a larger {}",
                                        what_, line_number, room_, any_size_ ? "--capacity-bytes" : "--message-size"));
  }

  /// @param begun_bytes  how much there is of the line after them.
  void publish(const std::vector<std::string_view>& lines, std::size_t begun_bytes) {
    const auto wanted = std::min<std::uint64_t>(lines.size(), left());
    for (std::uint64_t sent = 0; sent < wanted;) {
      require_room(lines[sent].size(), done_.messages + 1);
      if (any_size_) {
        send_whole(lines[sent++]);
        continue;
      }
      const auto claimed = claim(std::min(max_messages_at_once, wanted - sent));
      std::uint64_t ready = 0;
      for (; ready < claimed && lines[sent + ready].size() <= room_; ++ready) {
        const auto& line = lines[sent + ready];
        set_length(slot(ready), line.size());
        if (!line.empty()) std::memcpy(payload_of(slot(ready)), line.data(), line.size());
        done_.bytes += line.size();
      }
      out_->publish(ready);
      done_.messages += ready;
      sent += ready;
    }
    if (left() != 0) require_room(begun_bytes, done_.messages + 1);
  }

  const send_options& options_;
  std::string what_;
  tally& done_;
  std::unique_ptr<producer_port> out_;
  bool any_size_;
  std::uint64_t room_;    // of a message
  bool may_have_others_;  // which must not wait for this sender, nor this one for all that they send
  bool is_topic_;
  bool is_ephemeral_;
  companion companion_;
};

exit_code run(const session& common, const send_options& options) {
  catch_interrupts();
  tally done;
  auto into = std::make_optional(open_stream(common, options));
  const auto name = into->name;
  if (options.no_wait && into->is_ephemeral)
    throw command_failure(exit_code::usage, "send \"" + name + "\": --no-wait would lose what is not delivered: the " +
                                                "channel is ephemeral and goes with the last process that leaves");
  note_removal(*into, "send", done);
  widen_pipe(STDIN_FILENO);
  const auto finish = [&](bool is_complete) {
    into.reset();
    done.print(common, "send", name, is_complete);
  };
  try {
    sender(*into, options, done).run();
  } catch (...) {
    finish(false);
    throw;
  }
  finish(true);
  return exit_code::done;
}

}  // namespace

runner add_send(CLI::App& app, const session& common) {
  auto options = std::make_shared<send_options>();
  add_stream_options(app, *options);
  app.get_option("--ring")->needs(app.get_option("--create"));
  app.add_flag("--no-wait", options->no_wait,
               "Leave when all is in the channel, delivered or not; persistent ones only");
  app.add_flag("--keep-open", options->keep_open,
               "Do not close the channel at the end of the input: another send will go on");
  app.footer(
      "Raw bytes travel in records of the channel's message size; the last one may be shorter, and\n"
      "arrives as short. With --lines a line travels without its '\\n', and a last line without one\n"
      "is a line too, of any length unless --message-size says which. A line longer than the longest\n"
      "message ends it all (exit 1); nothing is cut.\n"
      "At the end of the input the channel is closed, and send stays until all was delivered. Stopped\n"
      "by a signal or an error it leaves without closing: the consumer then waits for a successor.\n"
      "mpmc: each sender's records arrive whole and in its order, those of several senders mixed.\n"
      "A sender stays until what it sent was delivered; the last one that is alive closes.\n"
      "topic: every receiver gets every message. A lossless one that is a ring behind holds send up; none\n"
      "is waited for that has not come, so start receivers first, or let them ask for --from oldest.\n"
      "--timeout counts while send waits for the consumer, not while it waits for its input.");
  return [&common, options] { return run(common, *options); };
}

}  // namespace sluice::tools
