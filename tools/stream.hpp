#pragma once

// What send and recv have in common: their options, the channel they share, and waiting for the other side.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "session.hpp"
#include "sluice/inspect.hpp"
#include "sluice/port.hpp"
#include "sluice/registry.hpp"

namespace sluice::tools {

/// Of one claim or peek, so that the other side can go on meanwhile.
inline constexpr std::uint64_t max_messages_at_once = 64;

struct stream_options {
  std::string name;
  bool lines = false;
  bool create = false;
  bool persistent = false;
  std::optional<ring_kind> ring;  // spsc
  std::string mode = "600";
  sluice::durability durability = {};           // with any but none(), the channel is persistent
  std::optional<std::uint64_t> message_bytes;   // of records: 64 KiB
  std::optional<std::uint64_t> capacity_slots;  // of records: 64
  std::uint64_t capacity_bytes = 0;             // of messages of any length; 0: the library's choice
  topic_policy topic;                           // of a topic
  bool any_size = false;
  std::uint64_t count = 0;  // 0: all
  double timeout_s = 0;     // 0: none
};

/// Declares them.
void add_stream_options(CLI::App& app, stream_options& options);

/// A channel of records or of messages of any length, attached to.
struct stream {
  attached_segment attached;
  std::string name;
  std::uint64_t room_bytes = 0;  // of a record's payload
  bool any_size = false;
  bool is_ephemeral = false;
  ring_kind kind{};
};

/// @throws error of registry::attach and create_or_attach; wrong_type when it is not a channel of records.
[[nodiscard]] stream open_stream(const session& common, const stream_options& options);

/// @throws interrupted, when SIGINT or SIGTERM came.
void leave_if_interrupted(const std::string& what);

/// Waits in slices, so that signals, deaths and the time-out are noticed.
class companion {
 public:
  /// @param self  the own side, alive as long as this.
  companion(port& self, std::string name, double timeout_s);

  /// Repeats `step(until)` until it says ready or closed. Says on stderr what became of the other side.
  /// @throws interrupted; command_failure timed_out after `timeout_s` in which the other side did nothing.
  wait_result until(const std::function<wait_result(std::chrono::steady_clock::time_point until)>& step);

 private:
  /// After a while: what it waits for, if that is not there.
  void hint();
  void look_at_peer(bool one_died);
  [[nodiscard]] std::uint64_t peer_progress() const;

  port& self_;
  std::string what_;  // `send "orders"`
  std::string name_;
  const char* peer_name_;             // "consumer"
  bool needs_peer_;                   // a publisher goes on without subscribers
  std::chrono::nanoseconds timeout_;  // zero: none
  peer_state last_seen_ = peer_state::none;
  bool has_hinted_ = false;
};

/// What a stream has done: the summary of --verbose and --json.
struct tally {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t redelivered = 0;
  std::uint64_t holes = 0;    // claims of dead producers that were stepped over, by whomever, while this ran
  std::uint64_t lost = 0;     // undelivered messages that went with the name of an ephemeral channel, or that a lossy
                              // receiver was overtaken by
  bool is_loss_exact = true;  // false: no more than that
  std::chrono::steady_clock::time_point began;

  tally();
  void print(const session& common, const char* command, const std::string& name, bool is_complete) const;
};

/// Says on stderr, and in `done`, what goes with an ephemeral channel's name when this process turns out to be the last
/// one: when the last copy of the attachment goes, which must be before `done` does.
void note_removal(const stream& channel, const char* command, tally& done);

/// What the dead did to a stream, from when this is made until now.
class casualties {
 public:
  explicit casualties(const port& self);
  /// Claims of producers that died before they published.
  [[nodiscard]] std::uint64_t holes() const noexcept;
  /// "pid 4711, pid 4712": producers that died meanwhile, and whose seats no process has taken since. Empty: none.
  [[nodiscard]] std::string dead_producers() const;

 private:
  const port& self_;
  std::uint64_t holes_before_;
  std::vector<std::pair<std::uint32_t, std::uint64_t>> dead_before_;  // seat index and generation
};

/// Waits until `descriptor`, which is non-blocking, can be used; returns as well when a signal comes.
void wait_for_descriptor(int descriptor, short events);

/// A larger pipe means fewer switches between processes. No harm where it is refused or no pipe.
void widen_pipe(int descriptor);

}  // namespace sluice::tools
