#include <algorithm>
#include <string>
#include <utility>

#include "part/part_kind.hpp"
#include "sluice/inspect.hpp"
#include "sluice/latest.hpp"
#include "sluice/registry.hpp"

namespace sluice {

using namespace detail;

namespace {

/// Of whatever type the segment says that it holds.
owned<watch_post> post_at(const registry& in, const segment_name& name) {
  const auto looked_at = observer::attach(in, name);
  const auto& part = looked_at.header().parts[0];
  if (!holds_values(kind_in(part)))
    throw error(errc::wrong_kind, "watch the values of " + in.directory() + "/" + name.str() + ": it is of kind " +
                                      to_string(kind_in(part)) + ", which holds messages; receive them");
  const type_identity type{part.type_name, part.type_hash, part.message_bytes, part.message_alignment,
                           part.layout_hash};
  return watch_post::at(in, name, {type, kind_in(part), &latest_bell, &latest_wakes_watchers, {}});
}

}  // namespace

struct values_watcher::impl {
  explicit impl(owned<watch_post> post) : part(post->descriptor()), raw(std::move(post), spin_then_park()) {}

  part_descriptor part;
  raw_watching_reader<spin_then_park> raw;

  /// False: none was set yet.
  [[nodiscard]] bool get(std::uint64_t entry, value_bytes& into) {
    const auto& view = raw.view();
    into.value.resize(view.value_bytes());
    const auto copy = [&](const std::byte* from, const std::atomic<std::uint64_t>& word, std::uint64_t expected) {
      return copy_if_intact(into.value.data(), from, into.value.size(), word, expected);
    };
    if (!raw.try_get(entry, copy)) return false;
    into.key.assign(view.key(entry), view.key(entry) + view.key_bytes());
    into.version = raw.got(entry).version;
    into.age_ns = age_of(raw.got(entry));
    return true;
  }
};

values_watcher::values_watcher(impl* made) noexcept : impl_(made) {}
values_watcher::values_watcher(values_watcher&& other) noexcept : impl_(std::exchange(other.impl_, nullptr)) {}
values_watcher& values_watcher::operator=(values_watcher&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}
values_watcher::~values_watcher() { delete impl_; }

values_watcher values_watcher::watch(const registry& in, const segment_name& name) {
  return values_watcher(new impl(post_at(in, name)));
}

values_watcher::impl& values_watcher::usable() const {
  if (impl_ == nullptr) throw_moved_from(role::consumer);
  return *impl_;
}

const part_descriptor& values_watcher::descriptor() const { return usable().part; }

value_policy values_watcher::form() const {
  ring_options options;
  part_kind_of(usable().part).recall(usable().part, options);
  return options.values;
}

std::optional<value_bytes> values_watcher::try_get(std::span<const std::byte> key) {
  const auto key_bytes = usable().raw.view().key_bytes();
  if (key.size() != key_bytes)
    throw error(errc::bad_argument, "get a value by a key of " + std::to_string(key.size()) + " bytes: its keys have " +
                                        std::to_string(key_bytes));
  const auto entry = usable().raw.entry_of(key.data());
  value_bytes found;
  if (entry == no_entry || !usable().get(entry, found)) return std::nullopt;
  return found;
}

std::vector<value_bytes> values_watcher::get_all() {
  std::vector<value_bytes> all;
  value_bytes found;
  for (std::uint64_t i = 0; i < usable().raw.view().entries(); ++i)
    if (newest_version(usable().raw.view().entry(i)) != 0 && usable().get(i, found)) all.push_back(found);
  return all;
}

wait_result values_watcher::get_any_change_until(value_bytes& into, time_limit when) {
  const auto take = [&] {
    const auto entry = usable().raw.next_with_news();
    return entry != no_entry && usable().get(entry, into);
  };
  return usable().raw.wait_until(take, deadline_at(when), {});
}

peer_state values_watcher::peer() { return usable().raw.peer(); }
void values_watcher::end_waits_on_signals(bool is_wanted) { usable().raw.end_waits_on_signals(is_wanted); }

}  // namespace sluice
