#pragma once

// From what a reset of the machine left of a ring of slots to a whole one. The old ring is read, never mapped: its pages
// may be of different moments, and its bytes are input.
//
// Which messages are kept. A checksum is over sequence and message, so a slot whose word and checksum agree holds what was
// published as that sequence. Let `end` be one more than the newest of them: it was published into a slot that had to be
// free, so all below end - capacity was released. Nor is anything kept that a word on the disk says was released: these
// only ever go forward, so each was true at some time. All else that is whole is kept, in order. It may have been released
// as well, in a word that did not reach the disk: so all of it is marked as perhaps delivered before.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "sluice/detail/layout/ring_view.hpp"

namespace sluice::detail {

struct old_slots;
struct new_slots;

/// A message that is as long as its ring's are, in its slot.
std::optional<std::span<const std::byte>> message_in_slot(const old_slots& from, std::span<const std::byte> payload,
                                                          std::vector<std::byte>& room);
void put_in_slot(const new_slots& into, std::byte* payload, std::span<const std::byte> old_payload,
                 std::span<const std::byte> message);

/// In which the kinds differ.
struct slot_recovery {
  bool consumers_write_words;  ///< a consumer hands a slot back by a word of the next lap
  bool has_later_words;        ///< a hole, gone, or a word of a later lap says that a sequence is not missing
  /// Offset in the segment of the word that counts what was published or claimed.
  std::uint64_t (*tail_offset)(const part_descriptor&);
  /// Of the word below which all was released; null: there is none.
  std::uint64_t (*released_offset)(const part_descriptor&);
  /// Makes a new ring hold the messages of its first `count` slots, for a consumer to deliver marked.
  void (*fill)(const ring_view& fresh, std::uint64_t count) noexcept;
  /// The message of a slot whose payload was read; `room` is for what lies elsewhere. Nothing: the slot leads to none.
  std::optional<std::span<const std::byte>> (*message)(const old_slots& from, std::span<const std::byte> payload,
                                                       std::vector<std::byte>& room) = message_in_slot;
  /// Gives the new ring the named subscriptions of the old one, given the old sequences of what it holds, in order. Null: the
  /// kind has none.
  void (*keep_subscriptions)(const old_slots& from, const new_slots& into,
                             std::span<const std::uint64_t> kept) = nullptr;
  /// Puts it into a new slot, whose word is written later.
  void (*put)(const new_slots& into, std::byte* payload, std::span<const std::byte> old_payload,
              std::span<const std::byte> message) = put_in_slot;
};

struct slots_recovered {
  std::uint64_t kept = 0;     ///< whole, and will be delivered
  std::uint64_t torn = 0;     ///< did not fit their checksums: not delivered
  std::uint64_t missing = 0;  ///< claimed or published, and not to be found on the disk
};

/// A ring that a reset left: reads bytes of its segment from `offset` on; fewer when it ends before.
struct old_slots {
  const part_descriptor& ring;
  std::uint64_t creation_id;  // of its segment: part of the checksums
  std::function<std::size_t(std::uint64_t offset, std::span<std::byte> into)> read;
};

/// An empty ring of the same form, to which no other process is attached yet.
struct new_slots {
  const part_descriptor& ring;
  std::uint64_t creation_id;
  ring_view view;
};

/// Moves what is whole. @throws error what `from.read` throws.
slots_recovered recover_slots(const slot_recovery& kind, const old_slots& from, const new_slots& into);

}  // namespace sluice::detail
