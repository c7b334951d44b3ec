#pragma once

// What channels, segments and rings are made with and attached with. All have defaults that serve.
//
//   auto orders = sluice::create<order>("orders", {.capacity_slots = 4096,
//                                                  .durability = sluice::durability::every(100),
//                                                  .memory = {.prefault = true}});
//   auto again = sluice::attach<order>("orders", {.require = {.capacity_slots = 4096}});
//
// Plain values: any thread, no lifetime of their own. What is out of range is errc::bad_argument of the call that gets it,
// and what an existing channel does not offer is errc::wrong_kind, with what was asked for and what is there.

#include "sluice/detail/base/language.hpp"

#include <cstdint>
#include <string>

#include "sluice/detail/layout/seat.hpp"
#include "sluice/detail/layout/segment_header.hpp"

namespace sluice {

using detail::lifetime;
using detail::ring_kind;
using detail::role;
using detail::segment_kind;
using detail::to_string;

/// What a ring is sized for when its capacity is not given.
enum class footprint { latency, throughput };

/// When what was published is written to the disk, so that it survives a reset of the machine. Unless the kernel decides,
/// each message carries a checksum: registry::recover() delivers no torn one.
enum class flush_when : std::uint32_t {
  kernel_decides = 0,  ///< after a reset nothing can be told apart, and nothing is kept
  on_close = 1,        ///< when a producer leaves in order, and at close()
  every = 2,           ///< as on_close, and whenever a producer has published so many
};

/// What a channel is created with. docs/decisions/0023-durability.md says what each costs.
struct durability {
  flush_when when = flush_when::kernel_decides;
  std::uint32_t messages = 0;  ///< of one producer, with `every`: at most so many of its last may be lost in a reset

  [[nodiscard]] static constexpr durability none() noexcept { return {}; }
  [[nodiscard]] static constexpr durability on_close() noexcept { return {flush_when::on_close, 0}; }
  /// 1: each message is on the disk when publish() returns.
  [[nodiscard]] static constexpr durability every(std::uint32_t messages) noexcept {
    return {flush_when::every, messages};
  }
  [[nodiscard]] constexpr bool is_none() const noexcept { return when == flush_when::kernel_decides; }
  [[nodiscard]] constexpr bool operator==(const durability&) const noexcept = default;
};

/// "none", "on close", "every message", "every 100 messages".
[[nodiscard]] std::string to_string(const durability& value);

/// Of a topic: what its publishers do about some of its subscribers. topic_options says more.
struct topic_policy {
  std::uint64_t drop_stalled_after_ns = 0;  ///< 0: a lossless subscriber holds a publisher up for as long as it lives
  bool wakes_watchers = false;              ///< watchers may sleep until there is a message

  [[nodiscard]] constexpr bool operator==(const topic_policy&) const noexcept = default;
};

/// How people read a key of a table, and write it.
enum class key_kind : std::uint64_t {
  bytes = 0,            ///< as hexadecimal digits
  text = 1,             ///< up to its first zero byte
  unsigned_number = 2,  ///< of 1, 2, 4 or 8 bytes
  signed_number = 3,
};

/// Of a latest value or a table of them: what its form is. latest_options says more.
struct value_policy {
  std::uint64_t slots_each = 0;  ///< of each value: power of two, 2 to 1024; 0: 4
  std::uint64_t key_bytes = 0;   ///< 0: one value without a key
  std::uint64_t key_hash = 0;    ///< of the type of the keys, as type_identity::hash
  key_kind keys = key_kind::bytes;

  [[nodiscard]] constexpr bool operator==(const value_policy&) const noexcept = default;
};

/// Of a service: its replies. service_options says more.
struct reply_policy {
  std::uint64_t bytes = 0;            ///< of one reply
  std::uint32_t alignment = 1;        ///< of one reply
  std::uint32_t calls_in_flight = 0;  ///< of each client; 0: 4
  std::uint32_t reply_slots = 0;      ///< of each call; 0: 4
};

/// A ring by itself, without a segment: see ring.hpp.
struct ring_options {
  ring_kind kind = ring_kind::spsc;
  std::uint64_t capacity_slots = 0;  ///< power of two, 2 to 2^32; 0: chosen by `sized_for` from the message size
  std::uint64_t capacity_bytes = 0;  ///< messages of any length: as channel_options::capacity_bytes
  std::uint64_t inline_bytes = 0;    ///< messages of any length: as channel_options::inline_bytes
  footprint sized_for = footprint::latency;  ///< latency: 64 KiB, or 1 MiB for messages from 1 KiB; throughput: 4 MiB
  std::uint32_t producer_seats = 0;          ///< mpmc: how many producers at once, 1 to 4096; 0: 64. spsc: always 1
  std::uint32_t consumer_seats = 0;          ///< mpmc: how many consumers at once, 1 to 4096; 0: 64. spsc: always 1
  sluice::durability durability = {};        ///< for a ring in a file on a disk
  sluice::topic_policy topic = {};           ///< of a topic; wakes_watchers of values too
  sluice::value_policy values = {};          ///< of a latest value or a table
  sluice::reply_policy replies = {};         ///< of a service
};

/// Pages of 2 MiB (on x86) instead of 4 KiB: fewer misses of the translation cache in rings of many megabytes.
enum class huge_pages {
  none,     ///< ordinary pages
  prefer,   ///< huge ones if they can be had; segment::placement() says what it was
  require,  ///< huge ones or an error
};

/// What this process may do with what it maps.
enum class view {
  shared,        ///< read and write, seen by all
  read_only,     ///< the kernel refuses every write (SIGSEGV): for observers; takes no seat
  private_copy,  ///< writes stay in this process; others' bytes are seen until this process writes to their page
};

/// How memory is to be mapped. All have defaults that serve; what does not apply to a kind of segment is bad_argument.
struct memory_options {
  huge_pages huge = huge_pages::none;  ///< at creation: memfd, anonymous, or a directory on hugetlbfs
  bool prefault = false;  ///< every page is there before the call returns; what cannot be had is no_space or truncated
  bool lock_in_memory = false;  ///< never swapped out: mlock(2), within RLIMIT_MEMLOCK
  bool no_reserve = false;      ///< at creation: space is taken when a page is touched first; then it may be missing
  bool no_dump = false;         ///< left out of core dumps: MADV_DONTDUMP
  bool guard = true;            ///< a file that is cut short becomes the error `truncated` and not a SIGBUS
  view access = view::shared;
  void* address = nullptr;  ///< exactly there or in_use; never over what is mapped already. Null: anywhere
};

/// What an existing channel must offer to be attached to. What stands here as zero or none is not asked for.
struct requirements {
  std::uint64_t capacity_slots = 0;    ///< at least so many
  std::uint64_t capacity_bytes = 0;    ///< messages of any length: at least so many
  std::uint32_t producer_seats = 0;    ///< at least so many
  std::uint32_t consumer_seats = 0;    ///< at least so many
  sluice::durability durability = {};  ///< that, or more often flushed
  sluice::topic_policy topic = {};     ///< of a topic: what of it is not zero, exactly
  sluice::value_policy values = {};    ///< of values: at least so many slots each, and keys of that type
  std::uint32_t calls_in_flight = 0;   ///< of a service: at least so many
  std::uint32_t reply_slots = 0;       ///< of a service: at least so many
  std::uint64_t reply_bytes = 0;       ///< of a service: at least so many
};

/// What a channel is created with. All have defaults that serve. An existing channel that offers less than the capacity,
/// the seats or the durability that are given here is an error of create_or_attach().
struct channel_options {
  std::uint64_t capacity_slots = 0;  ///< power of two, 2 to 2^32; 0: chosen by `sized_for` and the message's size
  /// Messages of any length only. For the long messages of each producer: 128 to 2^31, rounded up to a power of two; it is
  /// the longest message, and of up to half of it there is always room sooner or later. Unless capacity_slots is given, the
  /// slots of the short messages take as much. 0: 256 KiB, or 1 MiB for throughput.
  std::uint64_t capacity_bytes = 0;
  /// Messages of any length only. The longest that is short, and lies in its slot: 1 to 4096, rounded up to 16; 0: 112.
  std::uint64_t inline_bytes = 0;
  footprint sized_for = footprint::latency;  ///< see footprint
  std::uint32_t producer_seats = 0;          ///< mpmc only: how many at once; 0: 64
  std::uint32_t consumer_seats = 0;          ///< mpmc only: how many at once; 0: 64
  sluice::lifetime lifetime = sluice::lifetime::persistent;
  /// What survives a reset of the machine; by name and on a disk only. A durable channel is persistent.
  sluice::durability durability = {};
  std::uint32_t mode = 0600;          ///< permissions of the file, whatever the umask. chmod(2) later moves no locks
  memory_options memory = {};         ///< how this process maps it: huge pages, prefault, …
  sluice::topic_policy topic = {};    ///< of a topic: topic_options says what it means
  sluice::value_policy values = {};   ///< of a latest value or a table: latest_options says what it means
  sluice::reply_policy replies = {};  ///< of a service: service_options says what it means
};

/// How an existing channel is attached to.
struct attach_options {
  memory_options memory = {};  ///< how this process maps it
  requirements require = {};   ///< what it must offer: `{.require = {.capacity_slots = 1024}}`
};

}  // namespace sluice
