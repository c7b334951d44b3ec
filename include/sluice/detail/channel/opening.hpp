#pragma once

// How channel<T> comes to its segment, of any T: out of line, so that a program that includes channel.hpp reads nothing of
// registries and segments.

#include <cstdint>
#include <span>
#include <string_view>

#include "sluice/detail/base/stop_signal.hpp"
#include "sluice/detail/channel/kept_attachment.hpp"
#include "sluice/detail/layout/segment_header.hpp"
#include "sluice/detail/layout/type_identity.hpp"
#include "sluice/options.hpp"

namespace sluice {
class registry;
class segment;
class segment_name;
enum class name_state : int;
}  // namespace sluice

namespace sluice::detail {

/// What a channel holds: messages of a type, in a ring of a kind.
struct channel_kind {
  type_identity type;
  ring_kind ring;
  const char* label = "";  // of one of several rings in a segment
};

/// Ring `ring_index` of an attachment, once it is known to be of that kind and to offer what was asked for.
/// @throws error wrong_type; wrong_kind; misuse: there is no such ring. An ephemeral name is left to its others then.
[[nodiscard]] kept_attachment checked_channel(const attached_segment& attached, std::uint32_t ring_index,
                                              const channel_kind& kind, const requirements& asked = {});

/// By name or path, or by a name in a registry. @throws error as channel<T> says of each.
[[nodiscard]] kept_attachment create_channel(std::string_view name_or_path, const channel_kind& kind,
                                             const channel_options& options);
[[nodiscard]] kept_attachment create_channel(const registry& where, const segment_name& name, const channel_kind& kind,
                                             const channel_options& options);
[[nodiscard]] kept_attachment attach_channel(std::string_view name_or_path, const channel_kind& kind,
                                             const attach_options& options);
[[nodiscard]] kept_attachment attach_channel(const registry& where, const segment_name& name, const channel_kind& kind,
                                             const attach_options& options);
[[nodiscard]] kept_attachment attach_channel_before(std::uint64_t deadline_ns, std::string_view name_or_path,
                                                    const channel_kind& kind, const attach_options& options,
                                                    const stop_signal& stop);
[[nodiscard]] kept_attachment attach_channel_before(std::uint64_t deadline_ns, const registry& where,
                                                    const segment_name& name, const channel_kind& kind,
                                                    const attach_options& options, const stop_signal& stop);
[[nodiscard]] kept_attachment create_or_attach_channel(std::string_view name_or_path, const channel_kind& kind,
                                                       const channel_options& options);
[[nodiscard]] kept_attachment create_or_attach_channel(const registry& where, const segment_name& name,
                                                       const channel_kind& kind, const channel_options& options);

/// Without a name: one ring for each of `kinds`, in an anonymous segment or in memory of at least planned_bytes().
[[nodiscard]] kept_attachment create_unnamed_channel(std::span<const channel_kind> kinds,
                                                     const channel_options& options);
[[nodiscard]] std::uint64_t planned_bytes(std::span<const channel_kind> kinds, const channel_options& options);
[[nodiscard]] kept_attachment create_channel_in(const segment& memory, std::span<const channel_kind> kinds,
                                                const channel_options& options);
[[nodiscard]] kept_attachment attach_channel_in(const segment& memory, const channel_kind& kind);
[[nodiscard]] kept_attachment accept_channel(int socket, const memory_options& memory, const channel_kind& kind);
void offer_channel(int socket, const attached_segment& attached);

[[nodiscard]] const segment& memory_of(const attached_segment& attached) noexcept;
[[nodiscard]] const segment_header& header_of(const attached_segment& attached) noexcept;
[[nodiscard]] name_state name_now(const attached_segment& attached) noexcept;

}  // namespace sluice::detail
