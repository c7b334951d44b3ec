#pragma once

// Tables of newest values with their writers, and the promise about deaths as a function: given the bytes that a death left,
// let readers look and the living writers go on, and tell what of the promise is broken.

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "crash/tracer.hpp"
#include "crash/tracer_table.hpp"
#include "crash/tracer_trial.hpp"
#include "sluice/detail/part/latest/latest_values.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test::tracer {

inline constexpr std::uint32_t table_writers = 3;
using table_key = std::uint64_t;

/// What was set of one key before the operation that is traced.
struct known_value {
  std::uint64_t version = 0;
  std::uint64_t id = 0;
};

struct table_cast {
  explicit table_cast(const latest_view& of) : view(of) {}

  latest_view view;
  std::map<table_key, known_value> known;
  graves dead;
  std::uint64_t last_number = 0;

  [[nodiscard]] std::uint64_t own_word(std::uint32_t seat) const {
    return owner_word(seat, generation_of(view.ring().seats[seat].state.load()));
  }
  void sit(std::uint32_t seat) const {
    auto& state = view.ring().seats[seat].state;
    state.store(seat_word(seat_state::taken, generation_of(state.load()) + 1));
  }
  /// Its owner is dead, which no process has noticed.
  void die(std::uint32_t seat) { dead[seat] = generation_of(view.ring().seats[seat].state.load()); }
  [[nodiscard]] static const std::byte* bytes_of(const table_key& key) noexcept {
    return reinterpret_cast<const std::byte*>(&key);
  }

  /// As raw_latest_writer does it. Where it fails it says why.
  [[nodiscard]] owned_by find(std::uint32_t seat, table_key key, seat_keeper& keeper) const {
    auto entry = find_key(view, bytes_of(key));
    if (entry == no_entry) {
      const auto added = add_key(view, bytes_of(key), own_word(seat), keeper);
      if (added.result != attempt::done) return added;
      entry = added.entry;
    }
    return take_entry(view, entry, own_word(seat), keeper);
  }
  owned_by set(std::uint32_t seat, table_key key, seat_keeper& keeper, bool publishes = true) {
    const auto found = find(seat, key, keeper);
    if (found.result != attempt::done) return found;
    const auto slots = view.slots(found.entry);
    const auto version = next_version(slots);
    const auto id = std::uint64_t{seat + 1} << 32 | ++last_number;
    fill(begin_value(slots, version), id);
    if (!publishes) return found;
    publish_value(slots, version, 1);
    known[key] = {version, id};
    return found;
  }
  void set(std::uint32_t seat, table_key key, bool publishes = true) {
    told_keeper keeper(view.ring(), dead);
    if (set(seat, key, keeper, publishes).result != attempt::done) throw std::logic_error("the scene cannot set a key");
  }
};

class table_trial {
 public:
  table_trial(table_cast all, std::uint64_t sets)
      : all_(std::move(all)), keeper_(all_.view.ring(), all_.dead), sets_(sets) {}

  /// `child` is dead. Another writer goes on, or a newcomer in its seat.
  [[nodiscard]] std::string run(std::uint32_t child, bool newcomer_comes, table_key extra) {
    read_all();
    const auto writer = newcomer_comes ? child : (child + 1) % table_writers;
    if (newcomer_comes &&
        !take_seat(
            all_.view.ring(), child, keeper_, [](std::uint32_t) { return true; }, [](std::uint32_t) {}))
      complain("a dead one's seat is not given back");
    all_.last_number += 100;
    go_on(writer, child, extra);
    return broken_;
  }

  /// It is stopped: what is its own stays its own, and everything is readable.
  [[nodiscard]] std::string run_beside_a_stopped(std::uint32_t child) {
    read_all();
    const auto other = (child + 1) % table_writers;
    const bool adds = latest_control_of(all_.view.ring()).adding.load() == all_.own_word(child);
    for (const auto& [key, value] : std::map(all_.known)) {
      const auto entry = find_key(all_.view, table_cast::bytes_of(key));
      const bool is_its_own = all_.view.entry(entry).owner.load() == all_.own_word(child);
      const auto done = all_.set(other, key, keeper_);
      if (is_its_own && (done.result != attempt::held || done.holder != child))
        complain("a stopped process lost a key");
      if (!is_its_own && done.result != attempt::done && done.holder == child) complain("a key waits for no reason");
    }
    const auto added = all_.set(other, 4711, keeper_);
    if (all_.view.key_bytes() != 0 && adds != (added.result == attempt::held)) complain("the lock of keys is not kept");
    return broken_;
  }

 private:
  void complain(const std::string& what) {
    if (broken_.find(what) == std::string::npos) broken_ += (broken_.empty() ? "" : "; ") + what;
  }

  bool try_read(std::uint64_t entry, std::uint64_t version, message& into) {
    value_stamp stamp;
    return read_value(all_.view.slots(entry), version, stamp,
                      [&](const std::byte* from, const std::atomic<std::uint64_t>& word, std::uint64_t expected) {
                        return copy_if_intact<sizeof(message)>(reinterpret_cast<std::byte*>(&into), from, word,
                                                               expected);
                      });
  }

  /// What was set stays until it is overwritten; what is the newest is whole.
  void read_all() {
    for (const auto& [key, value] : all_.known) {
      const auto entry = find_key(all_.view, table_cast::bytes_of(key));
      if (entry == no_entry) {
        complain("a key is gone");
        continue;
      }
      const auto version = newest_version(all_.view.entry(entry));
      if (version < value.version || version > value.version + sets_) complain("a version that none has set");
      if (version == 0) continue;
      message m;
      if (!try_read(entry, version, m)) complain("the newest value is not there");
      if (!is_whole(m)) complain("the newest value is torn");
      if (version == value.version && m.id != value.id) complain("the newest value is another");
      // A reader that looked before the operation may be in the middle of its copy.
      if (value.version != 0 && version - value.version + 1 < all_.view.form().slots_each &&
          (!try_read(entry, value.version, m) || m.id != value.id))
        complain("a value was overwritten before its turn");
      if (value.version != 0 && try_read(entry, value.version, m) && (!is_whole(m) || m.id != value.id))
        complain("a reader accepted torn bytes");
    }
    check_keys();
  }

  void check_keys() {
    std::map<table_key, int> seen;
    for (std::uint64_t i = 0; i < all_.view.entries() && all_.view.key_bytes() != 0; ++i) {
      if (!has_key(all_.view.entry(i))) continue;
      table_key key = 0;
      std::memcpy(&key, all_.view.key(i), sizeof key);
      if (++seen[key] > 1) complain("a key has two entries");
      if (key == 0) complain("a key is broken");
      if (find_key(all_.view, table_cast::bytes_of(key)) != i) complain("a key is not found");
    }
  }

  void go_on(std::uint32_t writer, std::uint32_t child, table_key extra) {
    auto keys = std::map(all_.known);
    if (all_.view.key_bytes() != 0) keys[extra];
    for (std::uint64_t turn = 0; turn < 2 * all_.view.form().slots_each; ++turn)
      for (const auto& [key, value] : keys) {
        const auto found = find_key(all_.view, table_cast::bytes_of(key));
        const auto before = found == no_entry ? 0 : newest_version(all_.view.entry(found));
        const auto done = all_.set(writer, key, keeper_);
        if (done.result == attempt::held && done.holder != child && done.holder != writer) continue;  // a living one's
        if (done.result != attempt::done) {
          complain(done.result == attempt::full ? "no room for a key" : "the dead hold a key");
          continue;
        }
        message m;
        if (newest_version(all_.view.entry(done.entry)) != before + 1) complain("a version is skipped or set twice");
        if (!try_read(done.entry, before + 1, m) || !is_whole(m) || m.id != all_.known[key].id)
          complain("what a successor sets is not there");
      }
    check_keys();
    if (all_.view.key_bytes() == 0) return;
    std::uint64_t there = 0;
    for (std::uint64_t i = 0; i < all_.view.entries(); ++i) there += has_key(all_.view.entry(i)) ? 1 : 0;
    for (table_key more = 1000; there < all_.view.entries(); ++there, ++more)
      if (all_.set(writer, more, keeper_).result != attempt::done) return complain("there is no room for all keys");
    check_keys();
    if (all_.set(writer, 9999, keeper_).result != attempt::full) complain("a table has no end");
  }

  table_cast all_;
  told_keeper keeper_;
  std::uint64_t sets_;
  std::string broken_;
};

/// What the child in seat 0 does.
struct table_scene {
  std::string name;
  std::function<void(table_cast&)> arrange;
  std::function<void(table_cast&)> act;
  std::uint64_t sets = 0;  // of any one key, without a death
  table_key key = 1;       // which was set, or not
};

class table_workbench {
 public:
  explicit table_workbench(ring_kind kind)
      : request_(request_of(kind)),
        memory_(ring_memory_bytes(request_)),
        view_(view_memory(memory_.own(), request_), plan_segment(request_).parts[0]) {}

  void expect_kept(const std::vector<table_scene>& scenes) {
    expect_none_broken(scenes, [this](const table_scene& now, std::ostream& complaints) {
      tally row;
      for (const auto start : starts_of(view_.form().slots_each)) row += trace(now, start, complaints);
      return row;
    });
  }

 private:
  static ring_request request_of(ring_kind kind) {
    ring_request request{identity_of<message>(), {.kind = kind}};
    if (kind == table_kind) {
      request.options.capacity_slots = 3;
      request.options.producer_seats = table_writers;
      request.options.values.key_bytes = sizeof(table_key);
    }
    return request;
  }
  [[nodiscard]] bool has_keys() const { return view_.key_bytes() != 0; }

  tally trace(const table_scene& now, std::uint64_t start, std::ostream& complaints) {
    memory_.join();
    std::memset(memory_.own().data(), 0, memory_.own().size());
    table_cast all(view_);
    for (std::uint32_t seat = 0; seat < (has_keys() ? table_writers : 1); ++seat) all.sit(seat);
    for (std::uint64_t i = 0; i < start; ++i) all.set(0, 1);
    if (now.arrange) now.arrange(all);

    stepped_child child([&](const marks& here) {
      auto own = all;
      here.begin();
      now.act(own);
      here.end();
    });
    memory_.part();
    tally row;
    check(now, all, row, complaints);
    watched_bytes bytes(memory_.live());
    for (bool goes_on = true; goes_on;) {
      goes_on = child.step();
      ++row.instructions;
      if (bytes.have_changed()) check(now, all, row, complaints);
    }
    std::memcpy(memory_.own().data(), memory_.live().data(), memory_.own().size());
    const auto entry = find_key(view_, table_cast::bytes_of(now.key));
    const auto version = entry == no_entry ? 0 : newest_version(view_.entry(entry));
    if (const auto known = all.known.find(now.key);
        version != now.sets + (known == all.known.end() ? 0 : known->second.version)) {
      ++row.broken;
      complaints << now.name << ": the operation ended at version " << version << '\n';
    }
    child.kill();
    return row;
  }

  void check(const table_scene& now, const table_cast& all, tally& row, std::ostream& complaints) {
    ++row.states;
    const auto judge = [&](const std::string& broken) {
      if (broken.empty()) return;
      ++row.broken;
      complaints << now.name << ", instruction " << row.instructions << ": " << broken << '\n';
    };
    const auto reset = [&] { std::memcpy(memory_.own().data(), memory_.live().data(), memory_.own().size()); };
    for (const bool newcomer_comes : {true, false}) {
      if (!newcomer_comes && !has_keys()) continue;  // there is one seat
      reset();
      auto dead = all;
      const auto state = view_.ring().seats[0].state.load();
      if (state_of(state) == seat_state::taken) dead.dead[0] = generation_of(state);
      judge(table_trial(dead, now.sets).run(0, newcomer_comes, now.key));
    }
    if (!all.dead.empty() || !has_keys()) return;
    reset();
    judge(table_trial(all, now.sets).run_beside_a_stopped(0));
  }

  ring_request request_;
  twin_memory memory_;
  latest_view view_;
};

}  // namespace sluice::detail::test::tracer
