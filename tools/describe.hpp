#pragma once

// A segment_info in words and in JSON: what list, inspect and clear have in common.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "sluice/inspect.hpp"

namespace sluice::tools {

/// "alive", "stopped", "frozen", "exiting", "dead", "left" or "died" (and what it left was settled).
[[nodiscard]] const char* condition_of(const seat_report& seat);

/// "producer" or "consumer", of a topic "publisher" or "subscriber", of values "writer" or "reader".
[[nodiscard]] const char* role_text(const ring_info& ring, role whose);

/// "4711", or "4711 (of another pid namespace)": such a number means nothing here, or another process.
[[nodiscard]] std::string pid_text(const seat_report& seat);

/// "4711 (feed)", with what is known of its namespace.
[[nodiscard]] std::string occupant_text(const seat_report& seat);

/// The seat that has it.
[[nodiscard]] const seat_report& seat_of(const ring_info& ring, const hold_report& hold);

/// "producer 4711 (feed) alive, consumer 4712 dead"; empty: there are none.
[[nodiscard]] std::string participants_text(const ring_info& ring);
/// "subscriber 4711 (feed) alive for subscription \"billing\"", or the subscription alone where no process is.
[[nodiscard]] std::string participant_text(const ring_info& ring, const seat_report& seat);
/// Whether a process sits there, as far as is known.
[[nodiscard]] bool has_process(const seat_report& seat);
/// Whether a process sits there, or died there and left something, or a subscription has its place there.
[[nodiscard]] bool is_of_interest(const seat_report& seat);
/// Of all rings; never empty.
[[nodiscard]] std::string participants_text(const segment_info& info);

/// Bytes of undelivered_messages(), in all rings.
[[nodiscard]] std::uint64_t unread_bytes(const segment_info& info);

[[nodiscard]] const char* to_string(repair_kind kind) noexcept;
[[nodiscard]] const char* to_string(slot_kind kind) noexcept;
[[nodiscard]] const char* to_string(wake_mode mode) noexcept;

/// How long ago a value was set: "3s", "?" for one of which that is not known.
[[nodiscard]] std::string age_text(const value_report& value);
/// A key as people write it: its text, its number, or its bytes as hexadecimal digits.
[[nodiscard]] std::string key_text(const value_policy& form, std::span<const std::byte> key);

/// "01234567-89ab-cdef-0123-456789abcdef", as /proc/sys/kernel/random/boot_id has it.
[[nodiscard]] std::string boot_id_text(const std::uint64_t (&words)[2]);

/// All of it.
[[nodiscard]] nlohmann::json to_json(const segment_info& info);

}  // namespace sluice::tools
