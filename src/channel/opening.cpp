#include "sluice/detail/channel/opening.hpp"

#include <string>
#include <utility>
#include <vector>

#include "sluice/detail/channel/planning.hpp"
#include "sluice/detail/registry/requirements.hpp"
#include "sluice/segment.hpp"

namespace sluice::detail {

kept_attachment::kept_attachment(const attached_segment& attached) : kept_(new attached_segment(attached)) {}
kept_attachment::kept_attachment(const kept_attachment& other)
    : kept_(other.kept_ != nullptr ? new attached_segment(*other) : nullptr) {}
kept_attachment::~kept_attachment() { delete kept_; }

namespace {

segment_plan plan(std::span<const channel_kind> kinds, const channel_options& options) {
  std::vector<ring_request> requests;
  for (const auto& kind : kinds) {
    requests.push_back(request_for(kind.type, kind.ring, options));
    requests.back().label = kind.label;
  }
  return plan_segment(requests);
}

}  // namespace

kept_attachment checked_channel(const attached_segment& attached, std::uint32_t ring_index, const channel_kind& kind,
                                const requirements& asked) {
  kept_attachment kept(attached);
  try {
    require_ring(header_of(attached), ring_index, kind.ring, kind.type, "attach " + attached.what());
    require_options(header_of(attached), ring_index, asked, "attach " + attached.what());
  } catch (...) {
    (*kept).leave_name();  // another's channel, with its messages
    throw;
  }
  return kept;
}

kept_attachment create_channel(std::string_view name_or_path, const channel_kind& kind,
                               const channel_options& options) {
  const auto located = locate(name_or_path);
  return create_channel(located.where, located.name, kind, options);
}
kept_attachment create_channel(const registry& where, const segment_name& name, const channel_kind& kind,
                               const channel_options& options) {
  return checked_channel(where.create(name, plan({&kind, 1}, options), naming_of(options)), 0, kind);
}

kept_attachment attach_channel(std::string_view name_or_path, const channel_kind& kind, const attach_options& options) {
  const auto located = locate(name_or_path);
  return attach_channel(located.where, located.name, kind, options);
}
kept_attachment attach_channel(const registry& where, const segment_name& name, const channel_kind& kind,
                               const attach_options& options) {
  return checked_channel(where.attach(name, options.memory), 0, kind, options.require);
}

kept_attachment attach_channel_before(std::uint64_t deadline_ns, std::string_view name_or_path,
                                      const channel_kind& kind, const attach_options& options,
                                      const stop_signal& stop) {
  const auto located = locate(name_or_path);
  return attach_channel_before(deadline_ns, located.where, located.name, kind, options, stop);
}
kept_attachment attach_channel_before(std::uint64_t deadline_ns, const registry& where, const segment_name& name,
                                      const channel_kind& kind, const attach_options& options,
                                      const stop_signal& stop) {
  return checked_channel(where.attach_before(deadline_ns, name, options.memory, stop), 0, kind, options.require);
}

kept_attachment create_or_attach_channel(std::string_view name_or_path, const channel_kind& kind,
                                         const channel_options& options) {
  const auto located = locate(name_or_path);
  return create_or_attach_channel(located.where, located.name, kind, options);
}
kept_attachment create_or_attach_channel(const registry& where, const segment_name& name, const channel_kind& kind,
                                         const channel_options& options) {
  return checked_channel(where.create_or_attach(name, plan({&kind, 1}, options), naming_of(options)), 0, kind,
                         asked_by(options));
}

kept_attachment create_unnamed_channel(std::span<const channel_kind> kinds, const channel_options& options) {
  return create_channel_in(anonymous_segment::create(planned_bytes(kinds, options), options.memory), kinds, options);
}
std::uint64_t planned_bytes(std::span<const channel_kind> kinds, const channel_options& options) {
  return plan(kinds, options).mapped_bytes;
}
kept_attachment create_channel_in(const segment& memory, std::span<const channel_kind> kinds,
                                  const channel_options& options) {
  return kept_attachment(format_unnamed(memory, plan(kinds, options)));
}
kept_attachment attach_channel_in(const segment& memory, const channel_kind& kind) {
  return checked_channel(attach_unnamed(memory), 0, kind);
}
kept_attachment accept_channel(int socket, const memory_options& memory, const channel_kind& kind) {
  return attach_channel_in(sluice::accept(socket, memory), kind);
}
void offer_channel(int socket, const attached_segment& attached) { sluice::offer(socket, attached.memory()); }

const segment& memory_of(const attached_segment& attached) noexcept { return attached.memory(); }
const segment_header& header_of(const attached_segment& attached) noexcept { return attached.memory().header(); }
name_state name_now(const attached_segment& attached) noexcept { return attached.name_now(); }

}  // namespace sluice::detail
