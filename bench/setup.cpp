// bench_setup: what it costs until the first of 1,024 messages of 64 bytes has come from one process to another, and what
// memory such a channel takes. Both processes are born for each run: its first pass is what a user's program sees, the
// later ones what is left once its own code and heap are warm. See README.md.
//
// Edges
//   M: store of "made" (release) -> the other process's look at it (acquire): the name is there.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "harness/options.hpp"
#include "harness/report.hpp"
#include "ours/sluice_link.hpp"

using namespace sluice_bench;

namespace {

constexpr std::size_t slots = 1024;
constexpr std::size_t message_bytes = 64;
constexpr std::size_t passes = 5;

using message = plain_message<message_bytes>;

struct setup_times {
  double create_ns = 0;  // until the producer can send
  double attach_ns = 0;  // until the consumer, who knows the name, can receive
  double first_ns = 0;   // from the beginning of create until the consumer has the first message
};

struct setup_run {
  std::string failure;
  setup_times cold, warm;
};

struct memory_use {
  std::string failure;
  double mapped_bytes = 0;
  double empty_bytes = 0;  // of memory that exists, once both sides are there
  double full_bytes = 0;   // after as many messages as there are slots
  double producer_rss_bytes = 0, consumer_rss_bytes = 0;
};

// ---- What is set up: a maker and a taker each ----------------------------------------------------------------------

/// The kernel's calls and nothing else: bytes with a name, one message in them.
struct raw_mapping {
  static constexpr std::size_t length_bytes = std::size_t{128} << 10;
  static std::string path_of(const std::string& name) { return "/dev/shm/" + name; }
  static void remove(const std::string& name) { ::shm_unlink(("/" + name).c_str()); }

  class end {
   public:
    end(const std::string& name, int flags) {
      const int fd = ::shm_open(("/" + name).c_str(), flags | O_CLOEXEC, 0600);
      if (fd < 0) throw std::system_error(errno, std::system_category(), "shm_open");
      struct stat found {};
      if ((flags & O_CREAT) != 0 ? ::ftruncate(fd, length_bytes) != 0 : ::fstat(fd, &found) != 0)
        throw std::system_error(errno, std::system_category(), "ftruncate or fstat");
      void* at = ::mmap(nullptr, length_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (at == MAP_FAILED) throw std::system_error(errno, std::system_category(), "mmap");
      ::close(fd);
      at_ = static_cast<std::byte*>(at);
    }
    ~end() { ::munmap(at_, length_bytes); }
    end(const end&) = delete;
    end& operator=(const end&) = delete;

    bool send(const message& from) {
      std::memcpy(slot() + 8, &from, sizeof from);
      word().store(++next_, std::memory_order_release);  // M
      return true;
    }
    bool receive(message& into) {
      if (word().load(std::memory_order_acquire) != next_ + 1) return false;  // M
      std::memcpy(&into, slot() + 8, sizeof into);
      ++next_;
      return true;
    }

   private:
    std::byte* slot() const { return at_ + next_ % slots * 128; }
    std::atomic<std::uint64_t>& word() const { return *reinterpret_cast<std::atomic<std::uint64_t>*>(slot()); }
    std::byte* at_ = nullptr;
    std::uint64_t next_ = 0;
  };

  struct maker : end {
    explicit maker(const std::string& name) : end(name, O_RDWR | O_CREAT | O_EXCL) {}
  };
  struct taker : end {
    explicit taker(const std::string& name) : end(name, O_RDWR) {}
  };
};

struct boost_mq {
  static std::string path_of(const std::string& name) { return "/dev/shm/" + name; }
  static void remove(const std::string& name) { boost::interprocess::message_queue::remove(name.c_str()); }
  struct maker {
    explicit maker(const std::string& name)
        : queue(boost::interprocess::create_only, name.c_str(), slots, message_bytes) {}
    bool send(const message& from) { return queue.try_send(&from, sizeof from, 0); }
    boost::interprocess::message_queue queue;
  };
  struct taker {
    explicit taker(const std::string& name) : queue(boost::interprocess::open_only, name.c_str()) {}
    bool receive(message& into) {
      boost::interprocess::message_queue::size_type length_bytes = 0;
      unsigned priority = 0;
      return queue.try_receive(&into, sizeof into, length_bytes, priority);
    }
    boost::interprocess::message_queue queue;
  };
};

/// Registry, name, seats and all: "folder/name".
template <sluice::ring Ring>
struct named_channel {
  static std::string directory_of(const std::string& name) { return "/dev/shm/" + name + "_names"; }
  static std::string path_of(const std::string& name) { return directory_of(name) + "/quotes"; }
  static void remove(const std::string& name) {
    sluice::registry(directory_of(name)).remove(sluice::segment_name("quotes"), true);
    ::rmdir(directory_of(name).c_str());  // fails where others have theirs
  }
  using channel = sluice::channel<message, Ring>;
  struct maker {
    explicit maker(const std::string& name)
        : producer(channel::create(path_of(name), {.capacity_slots = slots}).producer()) {}
    bool send(const message& from) { return producer.try_send(from); }
    sluice::producer<message, Ring> producer;
  };
  struct taker {
    explicit taker(const std::string& name) : consumer(channel::attach(path_of(name)).consumer()) {}
    bool receive(message& into) { return consumer.try_receive(into); }
    sluice::consumer<message, Ring> consumer;
  };
};

class others {
 public:
  others(const std::string& name, std::size_t count) : where_(named_channel<sluice::spsc_ring>::directory_of(name)) {
    for (std::size_t i = 0; i < count; ++i)
      channels_.push_back(
          sluice::channel<message>::create(where_, sluice::segment_name(other(i)), {.capacity_slots = 16}));
  }
  ~others() {
    for (std::size_t i = 0; i < channels_.size(); ++i) where_.remove(sluice::segment_name(other(i)), true);
    ::rmdir(where_.directory().c_str());
  }
  others(const others&) = delete;
  others& operator=(const others&) = delete;

 private:
  static std::string other(std::size_t i) { return "other" + std::to_string(i); }
  sluice::registry where_;
  std::vector<sluice::channel<message>> channels_;
};

// ---- Measuring -----------------------------------------------------------------------------------------------------

struct shared_notes {
  alignas(64) std::atomic<std::uint32_t> made{0};
  alignas(64) std::array<std::uint64_t, passes> began_ns{}, created_ns{};
  alignas(64) std::array<std::uint64_t, passes> found_ns{}, attached_ns{}, received_ns{};
};

/// Of this process: what it wrote, and what it touched of memory that it shares. Its code is not counted.
double rss_bytes() {
  std::ifstream status("/proc/self/status");
  double kib = 0;
  for (std::string line; std::getline(status, line);)
    for (const char* kind : {"RssAnon:", "RssShmem:"})
      if (line.starts_with(kind)) kib += std::stod(line.substr(std::strlen(kind)));
  return kib * 1024;
}

double allocated_bytes(const std::string& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) throw std::system_error(errno, std::system_category(), "stat " + path);
  return static_cast<double>(found.st_blocks) * 512;
}

template <class Subject>
setup_run set_up(const run_options& options) {
  setup_run result;
  const shared_pages pages(sizeof(shared_notes));
  auto& notes = *new (pages.data()) shared_notes;
  process_pair pair(options.cores, options.limit_seconds());
  result.failure = pair.run(
      [&](control_page& control) {
        pages.touch();
        for (std::size_t i = 0; i < passes; ++i) {
          message first{};
          fill_payload<message_bytes>(first.bytes, i);
          control.barrier();
          notes.began_ns[i] = monotonic_ns();
          typename Subject::maker maker(options.run_name);
          notes.created_ns[i] = monotonic_ns();
          if (!maker.send(first)) throw std::runtime_error("no room for the first message");
          notes.made.store(static_cast<std::uint32_t>(i + 1), std::memory_order_release);  // M
          control.barrier();
          Subject::remove(options.run_name);
        }
      },
      [&](control_page& control) {
        pages.touch();
        for (std::size_t i = 0; i < passes; ++i) {
          message first{};
          control.barrier();
          while (notes.made.load(std::memory_order_acquire) != i + 1) relax();  // M
          notes.found_ns[i] = monotonic_ns();
          typename Subject::taker taker(options.run_name);
          notes.attached_ns[i] = monotonic_ns();
          while (!taker.receive(first)) relax();
          notes.received_ns[i] = monotonic_ns();
          if (!payload_is<message_bytes>(first.bytes, i)) throw std::runtime_error("the first message was damaged");
          control.barrier();
        }
      });
  if (!result.failure.empty()) {
    try {
      Subject::remove(options.run_name);
    } catch (const std::exception&) {  // it was not there: what failed is told already
    }
    return result;
  }
  const auto between = [&](const auto& from, const auto& to, std::size_t i) {
    return static_cast<double>(to[i]) - static_cast<double>(from[i]);
  };
  const auto times_of = [&](std::size_t i) {
    return setup_times{between(notes.began_ns, notes.created_ns, i), between(notes.found_ns, notes.attached_ns, i),
                       between(notes.began_ns, notes.received_ns, i)};
  };
  result.cold = times_of(0);
  std::vector<double> create, attach, first;
  for (std::size_t i = 1; i < passes; ++i) {
    const setup_times at = times_of(i);
    create.push_back(at.create_ns), attach.push_back(at.attach_ns), first.push_back(at.first_ns);
  }
  result.warm = {median(create), median(attach), median(first)};
  return result;
}

template <class Subject>
setup_run set_up_among_others(const run_options& options) {
  const others idle(options.run_name, 1000);
  return set_up<Subject>(options);
}

template <class Subject>
memory_use memory_of_one(const run_options& options) {
  memory_use result;
  const shared_pages pages(sizeof(memory_use));
  auto& seen = *new (pages.data()) memory_use;
  process_pair pair(options.cores, options.limit_seconds());
  result.failure = pair.run(
      [&](control_page& control) {
        pages.touch();
        message any{};
        const double before = rss_bytes();
        typename Subject::maker maker(options.run_name);
        control.barrier();
        control.barrier();
        struct stat found {};
        if (::stat(Subject::path_of(options.run_name).c_str(), &found) == 0)
          seen.mapped_bytes = static_cast<double>(found.st_size);
        seen.empty_bytes = allocated_bytes(Subject::path_of(options.run_name));
        for (std::size_t i = 0; i < slots; ++i)
          if (!maker.send(any)) throw std::runtime_error("full after " + std::to_string(i) + " messages");
        seen.full_bytes = allocated_bytes(Subject::path_of(options.run_name));
        seen.producer_rss_bytes = rss_bytes() - before;
        control.barrier();
        control.barrier();
        Subject::remove(options.run_name);
      },
      [&](control_page& control) {
        pages.touch();
        message any{};
        const double before = rss_bytes();
        control.barrier();
        typename Subject::taker taker(options.run_name);
        control.barrier();
        control.barrier();
        for (std::size_t i = 0; i < slots; ++i)
          while (!taker.receive(any)) relax();
        seen.consumer_rss_bytes = rss_bytes() - before;
        control.barrier();
      });
  const std::string failure = result.failure;
  result = seen;
  result.failure = failure;
  return result;
}

struct subject {
  std::string name;
  origin from;
  setup_run (*set_up)(const run_options&);
  memory_use (*memory)(const run_options&);  // null: as another row
};

const std::vector<subject> subjects = {
    {"floor:shm_open + mmap", origin::floor, set_up<raw_mapping>, memory_of_one<raw_mapping>},
    {"sluice:spsc", origin::sluice, set_up<named_channel<sluice::spsc_ring>>,
     memory_of_one<named_channel<sluice::spsc_ring>>},
    {"sluice:mpmc", origin::sluice, set_up<named_channel<sluice::mpmc_ring>>,
     memory_of_one<named_channel<sluice::mpmc_ring>>},
    {"sluice:spsc + 1000 channels", origin::sluice, set_up_among_others<named_channel<sluice::spsc_ring>>, nullptr},
    {"Boost.Interprocess mq", origin::peer, set_up<boost_mq>, memory_of_one<boost_mq>},
};

struct cell {
  subject what;
  std::vector<setup_run> runs;
  std::vector<memory_use> memory;
};

double median_of(const std::vector<setup_run>& runs, setup_times setup_run::*when, double setup_times::*field) {
  std::vector<double> values;
  for (const setup_run& run : runs)
    if (run.failure.empty()) values.push_back(run.*when.*field);
  return median(std::move(values));
}

void write_json(const std::string& path, const bench_options& options, const std::vector<cell>& cells) {
  json_file json(path, "setup", options, 0);
  for (const cell& at : cells) {
    for (const setup_run& run : at.runs) {
      json.begin_run(at.what.name, at.what.from, "setup", message_bytes, {}, run.failure);
      json.field("cold_create_ns", run.cold.create_ns);
      json.field("cold_attach_ns", run.cold.attach_ns);
      json.field("cold_first_ns", run.cold.first_ns);
      json.field("create_ns", run.warm.create_ns);
      json.field("attach_ns", run.warm.attach_ns);
      json.field("first_ns", run.warm.first_ns);
    }
    for (const memory_use& use : at.memory) {
      json.begin_run(at.what.name, at.what.from, "memory", message_bytes, {}, use.failure);
      json.field("mapped_bytes", use.mapped_bytes);
      json.field("empty_bytes", use.empty_bytes);
      json.field("full_bytes", use.full_bytes);
      json.field("producer_rss_bytes", use.producer_rss_bytes);
      json.field("consumer_rss_bytes", use.consumer_rss_bytes);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench_options options =
      parse_options(argc, argv, "from nothing to the first message, and the memory of a channel of 1,024 x 64 B");
  std::vector<cell> cells;
  for (const subject& what : subjects) {
    if (options.list) std::printf("%s\n", what.name.c_str());
    if (options.wants(what.name)) cells.push_back({what, {}, {}});
  }
  if (options.list) return 0;
  run_in_random_rounds(cells.size(), options.rounds,
                       [&](std::size_t i) { cells[i].runs.push_back(cells[i].what.set_up(options.run)); });
  for (cell& at : cells)
    if (at.what.memory != nullptr) at.memory.push_back(at.what.memory(options.run));

  std::printf("%s, processes on cores %d and %d, %d rounds in random order, median of rounds\n", cpu_model().c_str(),
              options.run.cores.first, options.run.cores.second, options.rounds);
  std::printf("\n1,024 x 64 B, us          %28s %32s\n%-30s %9s %9s %9s   %9s %9s %9s\n", "in a new process",
              "in a warm one", "", "create", "attach", "first", "create", "attach", "first");
  std::map<std::string, int> failures;
  for (const cell& at : cells) {
    std::printf("%-30s", at.what.name.c_str());
    for (auto when : {&setup_run::cold, &setup_run::warm}) {
      for (auto field : {&setup_times::create_ns, &setup_times::attach_ns, &setup_times::first_ns})
        std::printf(" %9.1f", median_of(at.runs, when, field) / 1e3);
      std::printf("  ");
    }
    std::printf("\n");
    for (const setup_run& run : at.runs)
      if (!run.failure.empty()) ++failures[at.what.name + ": " + run.failure];
  }
  std::printf("  first: from the beginning of create until the other process has the first message\n");
  std::printf("\nMemory, KiB; payload 64\n%-30s %9s %9s %9s %9s %9s\n", "", "mapped", "empty", "full", "producer +",
              "consumer +");
  for (const cell& at : cells)
    for (const memory_use& use : at.memory) {
      if (!use.failure.empty()) {
        ++failures[at.what.name + ", memory: " + use.failure];
        continue;
      }
      std::printf("%-30s", at.what.name.c_str());
      for (const double bytes :
           {use.mapped_bytes, use.empty_bytes, use.full_bytes, use.producer_rss_bytes, use.consumer_rss_bytes})
        std::printf(" %9.0f", bytes / 1024);
      std::printf("\n");
    }
  std::printf(
      "  empty, full: what the file holds; +: growth of the process's own resident memory, its share included\n");
  for (const auto& [why, count] : failures) std::printf("    %d runs failed: %s\n", count, why.c_str());
  if (!options.json_path.empty()) write_json(options.json_path, options, cells);
  return failures.empty() ? 0 : 1;
}
