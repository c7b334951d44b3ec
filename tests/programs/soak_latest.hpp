#pragma once

// Latest values and tables of them under load: writers that set keys and are killed in it, stopped, and succeeded by others;
// readers and watchers that check what they get. What is checked: a value is whole and is its key's; the versions of a key never
// go back; a version has one value, whichever process looks; what a writer has set is there.

#include <sluice/latest.hpp>
#include <sluice/registry.hpp>
#include <sluice/segment.hpp>

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "soak_ledger.hpp"
#include "soak_life.hpp"
#include "soak_worker.hpp"
#include "support/temp_registry.hpp"

namespace soak {

inline constexpr std::uint64_t soaked_keys = 4;

/// What lies beside the segment, and outlives every worker.
struct values_book {
  struct of_key {
    std::atomic<std::uint64_t> begun, done;             // by its writer: before it begins a value, and after it is set
    std::array<std::atomic<std::uint64_t>, 1024> seen;  // by version: version << 32 | half of its checksum
  };
  std::array<of_key, soaked_keys> keys;
  std::atomic<std::uint64_t> is_over, got, torn, back, twice, missing;

  static values_book& make() {
    void* at = ::mmap(nullptr, sizeof(values_book), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap of the ledger");
    return *new (at) values_book();
  }
};

/// One latest value, or a table of some keys, seen alike.
struct soaked_latest {
  using link = sluice::latest<message>;
  static constexpr std::uint64_t keys = 1;
  static constexpr std::uint32_t writers = 2;  // of which one has the seat
  static link create(const sluice::registry& where, const sluice::segment_name& name, dice& random) {
    return link::create(where, name, {.slots = std::uint64_t{2} << random.roll(3), .wakes_watchers = random.one_in(2)});
  }
  template <class Out>
  static auto claim(Out& out, std::uint64_t) {
    return out.claim();
  }
  template <class In>
  static bool try_get(In& in, std::uint64_t, message& m) {
    return in.try_get(m);
  }
  template <class In>
  static bool get_change(In& in, std::uint64_t& key, message& m, std::chrono::microseconds at_most) {
    key = 0;
    return in.get_change_for(m, at_most) == sluice::wait_result::ready;
  }
  template <class In>
  static std::uint64_t version(In& in, std::uint64_t) {
    return in.version();
  }
};
struct soaked_table {
  using link = sluice::table<std::uint64_t, message>;
  static constexpr std::uint64_t keys = soaked_keys;
  static constexpr std::uint32_t writers = 3;
  static link create(const sluice::registry& where, const sluice::segment_name& name, dice& random) {
    return link::create(where, name,
                        {.keys = soaked_keys,
                         .slots = std::uint64_t{2} << random.roll(3),
                         .writer_seats = 3,
                         .wakes_watchers = random.one_in(2)});
  }
  template <class Out>
  static auto claim(Out& out, std::uint64_t key) {
    return out.claim(key);
  }
  template <class In>
  static bool try_get(In& in, std::uint64_t key, message& m) {
    return in.try_get(key, m);
  }
  template <class In>
  static bool get_change(In& in, std::uint64_t& key, message& m, std::chrono::microseconds at_most) {
    return in.get_any_change_for(key, m, at_most) == sluice::wait_result::ready;
  }
  template <class In>
  static std::uint64_t version(In& in, std::uint64_t key) {
    return in.version(key);
  }
};

struct values_counts {
  std::uint64_t kills = 0, stops = 0, restarts = 0, unexpected = 0, wedged = 0, leaked_seats = 0;
};

/// One segment, its workers and its book, from the first value to the audit.
template <class Of>
class values_round {
 public:
  explicit values_round(std::uint64_t seed, const std::string& directory)
      : random_(seed), names_(directory), link_(Of::create(*names_, name(), random_)), book_(values_book::make()) {}
  values_round(const values_round&) = delete;
  values_round& operator=(const values_round&) = delete;
  ~values_round() {
    for (auto& one : workers_) end(one);
    ::munmap(static_cast<void*>(&book_), sizeof book_);
  }

  [[nodiscard]] const values_book& book() const { return book_; }
  [[nodiscard]] std::uint64_t values_set() const {
    std::uint64_t sum = 0;
    for (const auto& key : book_.keys) sum += key.done.load();
    return sum;
  }

  values_counts run(std::uint64_t duration_ns) {
    constexpr int readers = 4;
    for (std::uint32_t i = 0; i < Of::writers + readers; ++i) workers_.push_back({i < Of::writers, i, -1, false});
    const auto over_ns = sluice::detail::monotonic_now_ns() + duration_ns;
    while (sluice::detail::monotonic_now_ns() < over_ns) {
      for (auto& one : workers_)
        if (!lives(one)) spawn(one);
      auto& victim = workers_[random_.roll(workers_.size())];
      if (victim.is_stopped) {
        ::kill(victim.pid, SIGCONT);
        victim.is_stopped = false;
      } else if (random_.one_in(3)) {
        ::kill(victim.pid, SIGSTOP);
        victim.is_stopped = true;
        ++counts_.stops;
      } else {
        ::kill(victim.pid, SIGKILL);
      }
      std::this_thread::sleep_for(std::chrono::microseconds(random_.roll(4'000)));
    }
    book_.is_over = 1;
    for (auto& one : workers_)
      if (one.is_stopped) ::kill(one.pid, SIGCONT);
    for (auto& one : workers_) end(one);
    audit();
    return counts_;
  }

 private:
  struct worker {
    bool writes = false;
    std::uint32_t place = 0;
    pid_t pid = -1;
    bool is_stopped = false;
  };
  static sluice::segment_name name() { return sluice::segment_name("soak"); }

  bool lives(worker& one) {
    if (one.pid == -1) return false;
    int status = 0;
    if (::waitpid(one.pid, &status, WNOHANG) != one.pid) return true;
    note_end(one, status);
    return false;
  }
  void end(worker& one) {
    if (one.pid == -1) return;
    int status = 0;
    if (::waitpid(one.pid, &status, 0) == one.pid) note_end(one, status);
  }
  void note_end(worker& one, int status) {
    one.pid = -1;
    one.is_stopped = false;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      ++counts_.kills;
    else if (status != 0)
      ++counts_.unexpected;
  }
  void spawn(worker& one) {
    std::fflush(nullptr);
    const auto seed = random_();
    const auto parent = ::getpid();
    ++counts_.restarts;
    one.pid = ::fork();
    if (one.pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (one.pid != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    try {
      dice random(seed);
      one.writes ? write(one.place, random) : read(random);
      ::_exit(0);
    } catch (const std::exception& problem) {
      std::fprintf(stderr, "soak: a %s met: %s\n", one.writes ? "writer" : "reader", problem.what());
      ::_exit(9);
    }
  }

  void write(std::uint32_t place, dice& random) {
    const auto link = Of::link::attach(*names_, name());
    while (book_.is_over == 0) {
      std::optional<decltype(link.writer())> out;
      try {
        out.emplace(link.writer());
      } catch (const sluice::error& problem) {
        if (problem.reason() != sluice::errc::seat_taken && problem.reason() != sluice::errc::in_use) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        continue;
      }
      while (book_.is_over == 0 && !random.one_in(100'000)) set(*out, random.roll(Of::keys), place, random);
    }
  }
  template <class Out>
  void set(Out& out, std::uint64_t key, std::uint32_t place, dice& random) {
    try {
      auto slot = Of::claim(out, key);
      auto& of = book_.keys[key];
      const auto number = of.begun.fetch_add(1) + 1;
      message m;
      fill(m, static_cast<std::uint32_t>(key), place, number);
      slot->who = m.who;
      slot->number = m.number;
      linger(random);
      if (random.one_in(64)) {
        of.begun.fetch_sub(1);
        return;  // dropped
      }
      *slot = m;
      linger(random);
      slot.publish();
      of.done.fetch_add(1);
    } catch (const sluice::error& problem) {
      if (problem.reason() != sluice::errc::seat_taken && problem.reason() != sluice::errc::in_use) throw;
      if (random.one_in(50)) std::this_thread::sleep_for(std::chrono::microseconds(100));  // another's key
    }
  }

  void read(dice& random) {
    if (random.one_in(2)) {
      auto in = Of::link::watch(*names_, name());
      return read_by(in, random);
    }
    const auto link = Of::link::attach(*names_, name());
    auto in = seat([&] { return link.reader(); });
    read_by(in, random);
  }
  template <class In>
  void read_by(In& in, dice& random) {
    std::array<std::uint64_t, soaked_keys> last{};
    const bool waits = random.one_in(2);
    while (book_.is_over == 0) {
      message m;
      std::uint64_t key = random.roll(Of::keys);
      const auto certain = book_.keys[key].done.load();
      const bool has_got =
          waits && random.one_in(2) ? Of::get_change(in, key, m, some_time(random)) : Of::try_get(in, key, m);
      if (!has_got) continue;
      book_.got.fetch_add(1, std::memory_order_relaxed);
      const auto version = Of::version(in, key);
      if (!is_whole(m) || m.who >> 32 != key) book_.torn.fetch_add(1);
      if (version < last[key]) book_.back.fetch_add(1);
      if (!waits && version < certain) book_.missing.fetch_add(1);
      last[key] = version;
      auto& seen = book_.keys[key].seen[version % 1024];
      const auto mine = version << 32 | (m.checksum & 0xffffffffU);
      const auto before = seen.exchange(mine);
      if (before >> 32 == (version & 0xffffffffU) && before != mine) book_.twice.fetch_add(1);
    }
  }

  /// Each seat can be taken, each key set, and what was set is there.
  void audit() {
    std::vector<decltype(link_.writer())> out;
    for (std::uint32_t i = 0; i < (Of::keys == 1 ? 1 : 3); ++i) {
      try {
        out.push_back(link_.writer());
      } catch (const sluice::error& problem) {
        std::fprintf(stderr, "soak: %s\n", problem.what());
        ++counts_.leaked_seats;
      }
    }
    if (out.empty()) return;
    auto in = link_.reader();
    for (std::uint64_t key = 0; key < Of::keys; ++key) {
      const auto& of = book_.keys[key];
      message m, set;
      const bool is_there = Of::try_get(in, key, m);
      const auto version = Of::version(in, key);
      if (is_there && !is_whole(m)) book_.torn.fetch_add(1);
      if (version < of.done.load() || version > of.begun.load()) book_.missing.fetch_add(1);
      fill(set, static_cast<std::uint32_t>(key), 99, 4711);
      try {
        auto slot = Of::claim(out[key % out.size()], key);
        *slot = set;
        slot.publish();
      } catch (const sluice::error& problem) {
        std::fprintf(stderr, "soak: %s\n", problem.what());
        ++counts_.wedged;
      }
      if (!Of::try_get(in, key, m) || m.number != 4711 || Of::version(in, key) != version + 1) ++counts_.wedged;
    }
  }

  dice random_;
  sluice::detail::test::temp_registry names_;
  typename Of::link link_;
  values_book& book_;
  std::vector<worker> workers_;
  values_counts counts_;
};

}  // namespace soak
