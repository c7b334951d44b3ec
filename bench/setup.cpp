// bench_setup: what it costs until the first of 1,024 messages of 64 bytes has come from one process to another, and what
// memory such a channel takes. Both sides of a run are programs started anew (execve), pinned to a core each: the first
// pass is what a user's program sees once it has reached main(), the later ones what is left when its own code and heap
// are warm. What comes before main() stands in a column of its own. See README.md.
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
#include <new>
#include <optional>
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
  double attach_ns = 0;  // until the consumer, which knows the name, can receive
  double first_ns = 0;   // from the beginning of create until the consumer has the first message
};

struct setup_run {
  std::string failure;
  double load_ns = 0;  // from execve until main(): the dynamic linker's, and no part of what follows
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

enum class side { maker, taker };

/// What both programs of a run share, beside what is measured. They inherit it as a descriptor.
struct shared_notes {
  control_page control;
  alignas(64) std::atomic<std::uint32_t> made{0};
  alignas(64) std::array<std::uint64_t, passes> began_ns{}, created_ns{};
  alignas(64) std::array<std::uint64_t, passes> found_ns{}, attached_ns{}, received_ns{};
  std::array<std::uint64_t, 2> exec_ns{}, main_ns{};  // by side
  char failure[2][240] = {};
};

class notes_file {
 public:
  notes_file() : descriptor_(::memfd_create("notes", 0)) {
    if (descriptor_ < 0 || ::ftruncate(descriptor_, sizeof(shared_notes)) != 0)
      throw std::system_error(errno, std::system_category(), "memfd_create or ftruncate");
    notes_ = new (map(descriptor_)) shared_notes;
  }
  ~notes_file() {
    ::munmap(static_cast<void*>(notes_), sizeof *notes_);
    ::close(descriptor_);
  }
  notes_file(const notes_file&) = delete;
  notes_file& operator=(const notes_file&) = delete;

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] shared_notes& notes() const noexcept { return *notes_; }

  static void* map(int descriptor) {
    void* const at = ::mmap(nullptr, sizeof(shared_notes), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (at == MAP_FAILED) throw std::system_error(errno, std::system_category(), "mmap of the notes");
    touch_pages(static_cast<std::byte*>(at), sizeof(shared_notes));
    return at;
  }

 private:
  int descriptor_;
  shared_notes* notes_;
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
void make(shared_notes& notes, const std::string& run_name) {
  for (std::size_t i = 0; i < passes; ++i) {
    message first{};
    fill_payload<message_bytes>(first.bytes, i);
    notes.control.barrier();
    notes.began_ns[i] = monotonic_ns();
    typename Subject::maker maker(run_name);
    notes.created_ns[i] = monotonic_ns();
    if (!maker.send(first)) throw std::runtime_error("no room for the first message");
    notes.made.store(static_cast<std::uint32_t>(i + 1), std::memory_order_release);  // M
    notes.control.barrier();
    Subject::remove(run_name);
  }
}

template <class Subject>
void take(shared_notes& notes, const std::string& run_name) {
  for (std::size_t i = 0; i < passes; ++i) {
    message first{};
    notes.control.barrier();
    while (notes.made.load(std::memory_order_acquire) != i + 1) relax();  // M
    notes.found_ns[i] = monotonic_ns();
    typename Subject::taker taker(run_name);
    notes.attached_ns[i] = monotonic_ns();
    while (!taker.receive(first)) relax();
    notes.received_ns[i] = monotonic_ns();
    if (!payload_is<message_bytes>(first.bytes, i)) throw std::runtime_error("the first message was damaged");
    notes.control.barrier();
  }
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
  void (*make)(shared_notes&, const std::string& run_name);
  void (*take)(shared_notes&, const std::string& run_name);
  void (*remove)(const std::string& run_name);
  memory_use (*memory)(const run_options&);  // null: as another row
  std::size_t others = 0;                    // channels that lie in the same directory
};

template <class Subject>
subject row(const char* name, origin from) {
  return {name, from, make<Subject>, take<Subject>, Subject::remove, memory_of_one<Subject>};
}

template <class Subject>
subject row_among_others(const char* name, std::size_t others) {
  return {name, origin::sluice, make<Subject>, take<Subject>, Subject::remove, nullptr, others};
}

const std::vector<subject> subjects = {
    row<raw_mapping>("floor:shm_open + mmap", origin::floor),
    row<named_channel<sluice::spsc_ring>>("sluice:spsc", origin::sluice),
    row<named_channel<sluice::mpmc_ring>>("sluice:mpmc", origin::sluice),
    row_among_others<named_channel<sluice::spsc_ring>>("sluice:spsc + 1000 channels", 1000),
    row<boost_mq>("Boost.Interprocess mq", origin::peer),
};

/// In a forked child: this program anew, as one side of a run. Nothing of the runner's memory is left in it.
[[noreturn]] void become(side which, const subject& what, const notes_file& file, const std::string& run_name) {
  const auto index = std::to_string(&what - subjects.data());
  const auto descriptor = std::to_string(file.descriptor());
  file.notes().exec_ns[static_cast<std::size_t>(which)] = monotonic_ns();
  ::execl("/proc/self/exe", "bench_setup", "--side", which == side::maker ? "maker" : "taker", index.c_str(),
          descriptor.c_str(), run_name.c_str(), nullptr);
  throw std::system_error(errno, std::system_category(), "exec of one side");
}

/// What become() runs.
int live_as_side(side which, const subject& what, int descriptor, const std::string& run_name, std::uint64_t main_ns) {
  auto& notes = *static_cast<shared_notes*>(notes_file::map(descriptor));
  notes.main_ns[static_cast<std::size_t>(which)] = main_ns;
  try {
    (which == side::maker ? what.make : what.take)(notes, run_name);
    return 0;
  } catch (const std::exception& problem) {
    auto& text = notes.failure[static_cast<std::size_t>(which)];
    std::snprintf(text, sizeof text, "%s", problem.what());
    return 1;
  }
}

setup_run set_up(const subject& what, const run_options& options) {
  setup_run result;
  std::optional<others> idle;
  if (what.others != 0) idle.emplace(options.run_name, what.others);
  const notes_file file;
  const auto& notes = file.notes();
  process_pair pair(options.cores, options.limit_seconds());
  result.failure = pair.run([&](control_page&) { become(side::maker, what, file, options.run_name); },
                            [&](control_page&) { become(side::taker, what, file, options.run_name); });
  for (const auto& text : notes.failure)
    if (!result.failure.empty() && text[0] != '\0') result.failure = text;
  if (!result.failure.empty()) {
    try {
      what.remove(options.run_name);
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
  result.load_ns = (between(notes.exec_ns, notes.main_ns, 0) + between(notes.exec_ns, notes.main_ns, 1)) / 2;
  result.cold = times_of(0);
  std::vector<double> create, attach, first;
  for (std::size_t i = 1; i < passes; ++i) {
    const setup_times at = times_of(i);
    create.push_back(at.create_ns), attach.push_back(at.attach_ns), first.push_back(at.first_ns);
  }
  result.warm = {median(create), median(attach), median(first)};
  return result;
}

struct cell {
  const subject* what;
  std::vector<setup_run> runs;
  std::vector<memory_use> memory;
};

double median_load_of(const std::vector<setup_run>& runs) {
  std::vector<double> values;
  for (const setup_run& run : runs)
    if (run.failure.empty()) values.push_back(run.load_ns);
  return median(std::move(values));
}

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
      json.begin_run(at.what->name, at.what->from, "setup", message_bytes, {}, run.failure);
      json.field("load_ns", run.load_ns);
      json.field("cold_create_ns", run.cold.create_ns);
      json.field("cold_attach_ns", run.cold.attach_ns);
      json.field("cold_first_ns", run.cold.first_ns);
      json.field("create_ns", run.warm.create_ns);
      json.field("attach_ns", run.warm.attach_ns);
      json.field("first_ns", run.warm.first_ns);
    }
    for (const memory_use& use : at.memory) {
      json.begin_run(at.what->name, at.what->from, "memory", message_bytes, {}, use.failure);
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
  const auto main_ns = monotonic_ns();
  if (argc == 6 && std::strcmp(argv[1], "--side") == 0)
    return live_as_side(std::strcmp(argv[2], "maker") == 0 ? side::maker : side::taker,
                        subjects.at(std::stoul(argv[3])), std::stoi(argv[4]), argv[5], main_ns);
  const bench_options options =
      parse_options(argc, argv, "from nothing to the first message, and the memory of a channel of 1,024 x 64 B");
  std::vector<cell> cells;
  for (const subject& what : subjects) {
    if (options.list) std::printf("%s\n", what.name.c_str());
    if (options.wants(what.name)) cells.push_back({&what, {}, {}});
  }
  if (options.list) return 0;
  run_in_random_rounds(cells.size(), options.rounds,
                       [&](std::size_t i) { cells[i].runs.push_back(set_up(*cells[i].what, options.run)); });
  for (cell& at : cells)
    if (at.what->memory != nullptr) at.memory.push_back(at.what->memory(options.run));

  std::printf("%s, processes on cores %d and %d, %d rounds in random order, median of rounds\n", cpu_model().c_str(),
              options.run.cores.first, options.run.cores.second, options.rounds);
  std::printf("\n1,024 x 64 B, us          %38s %32s\n%-30s %9s %9s %9s %9s   %9s %9s %9s\n", "in a new process",
              "in a warm one", "", "(load)", "create", "attach", "first", "create", "attach", "first");
  std::map<std::string, int> failures;
  for (const cell& at : cells) {
    std::printf("%-30s %9.1f", at.what->name.c_str(), median_load_of(at.runs) / 1e3);
    for (auto when : {&setup_run::cold, &setup_run::warm}) {
      for (auto field : {&setup_times::create_ns, &setup_times::attach_ns, &setup_times::first_ns})
        std::printf(" %9.1f", median_of(at.runs, when, field) / 1e3);
      std::printf("  ");
    }
    std::printf("\n");
    for (const setup_run& run : at.runs)
      if (!run.failure.empty()) ++failures[at.what->name + ": " + run.failure];
  }
  std::printf(
      "  first: from the beginning of create until the other process has the first message\n"
      "  load: from execve until main(), the dynamic linker's work on this program; in none of the others\n");
  std::printf("\nMemory, KiB; payload 64\n%-30s %9s %9s %9s %9s %9s\n", "", "mapped", "empty", "full", "producer +",
              "consumer +");
  for (const cell& at : cells)
    for (const memory_use& use : at.memory) {
      if (!use.failure.empty()) {
        ++failures[at.what->name + ", memory: " + use.failure];
        continue;
      }
      std::printf("%-30s", at.what->name.c_str());
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
