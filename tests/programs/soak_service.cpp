// Kills, stops and restarts clients and servers of a service under load, and accounts for every request: answered once, or its
// client knows why not, or its client was killed. usage: soak_service SECONDS [SEED]

#include <sluice/service.hpp>

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "sluice/registry.hpp"
#include "sluice/segment.hpp"
#include "soak_life.hpp"
#include "support/temp_registry.hpp"

namespace soak {
namespace {

using namespace std::chrono_literals;
using sluice::wait_result;
using sluice::detail::monotonic_now_ns;
constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint32_t clients = 3, servers = 3, lanes = 4;
constexpr std::uint64_t numbers = 1 << 20;  // of each client's place, in a round

struct request {
  std::uint64_t client, number, parts, check;
  static request of(std::uint64_t client, std::uint64_t number, std::uint64_t parts) {
    return {client, number, parts, client * 31 + number * 0x9e3779b97f4a7c15ULL + parts};
  }
  [[nodiscard]] bool is_whole() const { return check == of(client, number, parts).check; }
};
struct response {
  std::uint64_t client, number, part, check;
  std::uint64_t rest[9];  // so that it is more than a line
  static response of(std::uint64_t client, std::uint64_t number, std::uint64_t part) {
    response made{client, number, part, client * 37 + number * 0x9e3779b97f4a7c15ULL + part, {}};
    for (std::uint64_t i = 0; i < 9; ++i) made.rest[i] = made.check + i;
    return made;
  }
  [[nodiscard]] bool is_whole() const {
    for (std::uint64_t i = 0; i < 9; ++i)
      if (rest[i] != check + i) return false;
    return check == of(client, number, part).check;
  }
};
using service = sluice::service<request, response>;

enum class outcome : std::uint8_t { open, answered, failed, given_up };

/// In memory that all share and that outlives each of them.
struct ledger {
  struct entry {
    std::atomic<outcome> end;
    std::atomic<std::uint8_t> begun;  // how often a server got it
  };
  std::atomic<std::uint64_t> sent[clients];
  std::atomic<std::uint64_t> answered, failed, given_up, parts, anew, redelivered, told_gone;
  std::atomic<std::uint64_t> torn, crossed, doubled, unmarked, late, mixed;  // what must not be
  std::atomic<std::uint32_t> stop_clients, stop_servers;
  entry of[clients][numbers];
};

class work {
 public:
  work(ledger& book, const service& link, std::uint32_t place, dice random)
      : book_(book), link_(link), place_(place), random_(random) {}

  void call() {
    auto client = link_.client();
    struct open_call {
      service_call pending;
      std::uint64_t number, parts;
      std::uint32_t attempt = 0, next = 0;
    };
    std::vector<open_call> open;
    const auto end = [&](open_call& one, outcome how) {
      if (book_.of[place_][one.number].end.exchange(how) != outcome::open) ++book_.doubled;
      ++(how == outcome::answered ? book_.answered : how == outcome::failed ? book_.failed : book_.given_up);
    };
    const auto hear = [&](open_call& one, bool may_wait) {
      const auto part = may_wait ? one.pending.receive_for(some_time(random_)) : one.pending.try_receive();
      if (!part) {
        if (!one.pending) end(one, outcome::failed);
        return one.pending ? true : false;
      }
      linger(random_);
      if (!part->is_whole()) ++book_.torn;
      if (part->client != place_ || part->number != one.number) ++book_.crossed;
      if (part.attempt() != one.attempt) {
        if (one.attempt != 0) ++book_.anew;
        if (part.attempt() < one.attempt) ++book_.mixed;
        one.attempt = part.attempt();
        one.next = 0;
      }
      if (part.index() != one.next || part->part != one.next) ++book_.mixed;
      ++one.next;
      ++book_.parts;
      if (part.is_last() != (part->part == one.parts)) ++book_.mixed;
      if (!part.is_last()) return true;
      end(one, outcome::answered);
      return false;
    };
    while (book_.stop_clients == 0 || !open.empty()) {
      if (random_.one_in(50'000) && book_.stop_clients == 0) {  // leaves in order, with calls open
        for (auto& one : open) end(one, outcome::given_up);
        return;
      }
      if (open.size() < lanes && book_.stop_clients == 0 && book_.sent[place_] < numbers && !random_.one_in(4)) {
        const auto number = book_.sent[place_]++;
        const auto parts = random_.one_in(3) ? random_.roll(12) : 0;
        const auto made = request::of(place_, number, parts);
        linger(random_);
        auto pending = random_.one_in(4) ? client.send_for(made, some_time(random_)) : client.try_send(made);
        open.push_back({std::move(pending), number, parts});
        if (!open.back().pending) {
          end(open.back(), outcome::failed);
          open.pop_back();
        }
        continue;
      }
      if (open.empty()) {
        std::this_thread::yield();
        continue;
      }
      const auto at = open.begin() + static_cast<std::ptrdiff_t>(random_.roll(open.size()));
      if (random_.one_in(64)) {
        at->pending.cancel();
        linger(random_);
        end(*at, outcome::given_up);
        open.erase(at);
      } else if (!hear(*at, random_.one_in(2) || book_.stop_clients != 0)) {
        open.erase(at);
      }
    }
  }

  void serve() {
    auto server = link_.server();
    while (book_.stop_servers == 0) {
      auto call = random_.one_in(2) ? server.receive_for(some_time(random_)) : server.try_receive();
      if (!call) {
        if (random_.one_in(20'000)) return;
        continue;
      }
      const request asked = *call;
      if (!asked.is_whole() || asked.client >= clients || asked.number >= numbers) {
        ++book_.torn;
        continue;
      }
      auto& entry = book_.of[asked.client][asked.number];
      if (entry.end == outcome::answered) ++book_.late;
      if (call.was_delivered_before())
        ++book_.redelivered;
      else if (entry.begun != 0)
        ++book_.unmarked;
      ++entry.begun;
      linger(random_);
      bool is_wanted = true;
      for (std::uint64_t i = 0; i < asked.parts && is_wanted; ++i) {
        auto result = wait_result::timed_out;
        while (result == wait_result::timed_out && !call.is_cancelled())
          result = call.respond_part_for(response::of(asked.client, asked.number, i), some_time(random_));
        is_wanted = result == wait_result::ready;
        linger(random_);
      }
      if (random_.one_in(40'000)) return;  // leaves in order, with a call in its hands
      if (!is_wanted) continue;
      if (call.respond(response::of(asked.client, asked.number, asked.parts)) == wait_result::peer_gone)
        ++book_.told_gone;
      linger(random_);
    }
  }

 private:
  using service_call = sluice::client<request, response>::pending;
  ledger& book_;
  const service& link_;
  std::uint32_t place_;
  dice random_;
};

/// A seat comes back when the kernel has freed its dead owner's memory.
template <class Take>
auto seat(const Take& take) {
  for (;;) try {
      return take();
    } catch (const sluice::error& problem) {
      if (problem.reason() != sluice::errc::seat_taken) throw;
      std::this_thread::sleep_for(10ms);
    }
}

struct worker {
  bool is_client;
  std::uint32_t place;
  pid_t pid = 0;
  std::uint64_t continue_at_ns = 0;  // 0: it is not stopped
};

struct counts {
  std::uint64_t kills = 0, stops = 0, unexpected = 0, unknown = 0, leaked = 0, wedged = 0;
};

class round_of {
 public:
  round_of(const std::string& segment, std::uint64_t seed)
      : random_(seed),
        book_(*new (::mmap(nullptr, sizeof(ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) ledger),
        link_(make(segment)) {
    for (std::uint32_t i = 0; i < clients; ++i) workers_.push_back({true, i});
    for (std::uint32_t i = 0; i < servers; ++i) workers_.push_back({false, i});
  }
  ~round_of() { ::munmap(&book_, sizeof book_); }
  round_of(const round_of&) = delete;
  round_of& operator=(const round_of&) = delete;

  bool run(std::uint64_t duration_ns) {
    for (auto& w : workers_) spawn(w);
    for (const auto end = monotonic_now_ns() + duration_ns; monotonic_now_ns() < end;) {
      std::this_thread::sleep_for(300us);
      for (auto& w : workers_) {
        if (w.continue_at_ns != 0 && monotonic_now_ns() > w.continue_at_ns) resume(w);
        notice(w);
        if (w.pid == 0) spawn(w);
      }
      auto& w = workers_[random_.roll(workers_.size())];
      if (random_.one_in(30)) ::kill(w.pid, SIGKILL), w.continue_at_ns = 0;
      if (random_.one_in(60) && w.continue_at_ns == 0) {
        ::kill(w.pid, SIGSTOP);
        w.continue_at_ns = monotonic_now_ns() + random_.roll(20 * ms);
        ++counts_.stops;
      }
    }
    for (auto& w : workers_) resume(w);
    book_.stop_clients = 1;
    wait_for(true);
    book_.stop_servers = 1;
    wait_for(false);
    if (counts_.wedged == 0) audit();
    return report();
  }

 private:
  service make(const std::string& segment) {
    const sluice::service_options how{.capacity_slots = std::uint64_t{8} << random_.roll(4),
                                      .client_seats = clients + static_cast<std::uint32_t>(random_.roll(2)),
                                      .server_seats = servers + static_cast<std::uint32_t>(random_.roll(2)),
                                      .calls_in_flight = lanes,
                                      .response_slots = 2U << random_.roll(3)};
    if (segment == "anonymous") return service::create_unnamed(how);
    if (segment == "memfd") return service::create_unnamed<sluice::memfd_segment>(how);
    names_ = std::make_unique<sluice::detail::test::temp_registry>();
    return service::create(**names_, sluice::segment_name("soak"), how);
  }

  void spawn(worker& w) {
    const auto seed = random_();
    const auto parent = ::getpid();
    w.continue_at_ns = 0;
    w.pid = ::fork();
    if (w.pid != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    try {
      work own(book_, link_, w.place, dice(seed));
      w.is_client ? own.call() : own.serve();
      ::_exit(0);
    } catch (const sluice::error& problem) {
      if (problem.reason() == sluice::errc::seat_taken) ::_exit(0);  // as seat()
      std::fprintf(stderr, "soak_service: a %s met: %s\n", w.is_client ? "client" : "server", problem.what());
      ::_exit(9);
    }
  }
  void resume(worker& w) {
    if (std::exchange(w.continue_at_ns, 0) != 0) ::kill(w.pid, SIGCONT);
  }
  void notice(worker& w) {
    int status = 0;
    if (w.pid == 0 || ::waitpid(w.pid, &status, WNOHANG) != w.pid) return;
    w.pid = 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      ++counts_.kills, clients_killed_ += w.is_client;
    else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
      ++counts_.unexpected;
  }
  /// Those that died meanwhile are followed by others: a call waits for a server.
  void wait_for(bool is_client) {
    const auto began = monotonic_now_ns();
    for (bool goes_on = true; goes_on;) {
      goes_on = false;
      std::this_thread::sleep_for(1ms);
      for (auto& w : workers_) {
        notice(w);
        if (w.is_client == is_client) goes_on |= w.pid != 0;
        if (is_client && !w.is_client && w.pid == 0) spawn(w);
      }
      if (!goes_on || monotonic_now_ns() - began < 20'000 * ms) continue;
      std::fprintf(stderr, "soak_service: WEDGED: a %s that was asked to stop did not\n",
                   is_client ? "client" : "server");
      counts_.wedged = 1;
      for (auto& w : workers_)
        if (w.pid != 0) ::kill(w.pid, SIGKILL), ::waitpid(w.pid, nullptr, 0), w.pid = 0;
      return;
    }
  }

  /// What has no outcome was sent by a client that was killed, which has so many calls at most; and every seat and lane is of
  /// use.
  void audit() {
    for (std::uint32_t p = 0; p < clients; ++p)
      for (std::uint64_t n = 0; n < book_.sent[p]; ++n) counts_.unknown += book_.of[p][n].end == outcome::open;
    const auto& part = link_.header().parts[0];
    std::vector<sluice::client<request, response>> all;
    auto server = seat([&] { return link_.server(); });
    for (std::uint32_t i = 0; i < part.producer_seats; ++i) all.push_back(seat([&] { return link_.client(); }));
    for (auto call = server.receive_for(200ms); call; call = server.receive_for(200ms)) {
      // of the dead, which no process noticed before
    }
    for (int lap = 0; lap < 20; ++lap)
      for (auto& client : all) {
        std::vector<sluice::client<request, response>::pending> open;
        for (std::uint32_t i = 0; i < lanes; ++i) open.push_back(client.try_send(request::of(7, i, 0)));
        for (std::uint32_t i = 0; i < lanes; ++i) {
          auto call = server.receive_for(200ms);
          if (call && call->client == 7)
            (void)call.respond(response::of(7, call->number, 0));
          else
            ++counts_.leaked;
        }
        for (std::uint32_t i = 0; i < lanes; ++i) {
          const auto last = open[i].try_receive();
          counts_.leaked += !last || last->number != i || !last.is_last();
        }
      }
  }
  bool report() {
    const auto n = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::uint64_t sent = 0;
    for (const auto& one : book_.sent) sent += one;
    const bool adds_up = book_.answered + book_.failed + book_.given_up + counts_.unknown == sent;
    const bool is_clean = book_.torn + book_.crossed + book_.doubled + book_.unmarked + book_.late + book_.mixed == 0 &&
                          counts_.unexpected + counts_.leaked + counts_.wedged == 0 &&
                          counts_.unknown <= clients_killed_ * (lanes + 1) && adds_up;
    std::printf(
        "%s %llu requests: %llu answered, %llu failed, %llu given up, %llu of killed clients; %llu parts, %llu "
        "begun anew, %llu redelivered, %llu told of a dead client; %llu kills, %llu stops\n",
        is_clean ? "ok:" : "FAILED:", n(sent), n(book_.answered), n(book_.failed), n(book_.given_up),
        n(counts_.unknown), n(book_.parts), n(book_.anew), n(book_.redelivered), n(book_.told_gone), n(counts_.kills),
        n(counts_.stops));
    if (!is_clean)
      std::printf(
          "  torn %llu, of another call %llu, twice %llu, twice unmarked %llu, after its answer %llu, attempts mixed "
          "%llu, unexpected ends %llu, leaked %llu, wedged %llu\n",
          n(book_.torn), n(book_.crossed), n(book_.doubled), n(book_.unmarked), n(book_.late), n(book_.mixed),
          n(counts_.unexpected), n(counts_.leaked), n(counts_.wedged));
    std::fflush(stdout);
    return is_clean;
  }

  dice random_;
  ledger& book_;
  std::unique_ptr<sluice::detail::test::temp_registry> names_;
  service link_;
  std::vector<worker> workers_;
  counts counts_;
  std::uint64_t clients_killed_ = 0;
};

}  // namespace
}  // namespace soak

int main(int argc, char** argv) {
  const auto seconds = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
  if (seconds == 0 || argc > 3) {
    std::fputs("usage: soak_service SECONDS [SEED]\n", stderr);
    return 2;
  }
  soak::dice random(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : sluice::detail::monotonic_now_ns());
  const auto end = sluice::detail::monotonic_now_ns() + seconds * 1'000'000'000;
  bool is_clean = true;
  for (bool is_first = true; is_first || sluice::detail::monotonic_now_ns() < end; is_first = false)
    for (const char* segment : {"file", "memfd", "anonymous"}) {
      std::printf("%s: ", segment);
      std::fflush(stdout);
      is_clean &= soak::round_of(segment, random()).run(std::min<std::uint64_t>(seconds * 300, 3000) * 1'000'000);
    }
  std::printf("%s\n", is_clean ? "passed" : "failed");
  return is_clean ? 0 : 1;
}
