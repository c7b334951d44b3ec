// bench_memory: what mapped memory costs on this machine: to have it at all, against read(2) and write(2), and to get it
// onto a disk. Google Benchmark; all means of one question are timed in turn in each run of it. See README.md.
#include <benchmark/benchmark.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "harness/clock.hpp"
#include "sluice/error.hpp"
#include "sluice/segment.hpp"

using namespace sluice_bench;

namespace {

struct memory_bench_options {
  std::uint64_t touch_bytes = std::uint64_t{1} << 30;
  std::uint64_t file_bytes = std::uint64_t{256} << 20;
  int runs = 5;
  std::string folder;  // on a disk; empty: there is none
};

const auto page_bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
constexpr std::size_t block_bytes = 128 << 10;  // of a reader that takes many pages at a time
bool was_damaged = false;

void fail_as_damaged(benchmark::State& state) {
  was_damaged = true;
  state.SkipWithError("the bytes that were read are not those that were written");
}

std::uint64_t minor_faults() noexcept {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<std::uint64_t>(used.ru_minflt);
}

/// What a piece of work took.
struct cost {
  double ns;
  double faults;
};

template <class Work>
cost cost_of(Work&& work) {
  const auto faults = minor_faults();
  const auto began = monotonic_ns();
  work();
  const auto ended = monotonic_ns();
  return {static_cast<double>(ended - began), static_cast<double>(minor_faults() - faults)};
}

void report_ratio(benchmark::State& state, const char* name, const cost& other, const cost& mapped) {
  state.counters[name] = other.ns / mapped.ns;
}

// ---- First touch ----------------------------------------------------------------------------------------------------

using creator = sluice::segment (*)(std::uint64_t, const sluice::memory_options&);

/// Writes a number into every page. @return what they add up to.
std::uint64_t touch(std::span<std::byte> bytes) noexcept {
  std::uint64_t number = 0, sum = 0;
  for (std::size_t at = 0; at < bytes.size(); at += page_bytes) {
    sum += ++number;
    std::memcpy(bytes.data() + at, &number, sizeof number);
  }
  benchmark::ClobberMemory();
  return sum;
}

std::uint64_t sum_of_touched(std::span<const std::byte> bytes) noexcept {
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < bytes.size(); at += page_bytes) {
    std::uint64_t number = 0;
    std::memcpy(&number, bytes.data() + at, sizeof number);
    sum += number;
  }
  return sum;
}

/// Timed: from asking for the memory until each of its pages was written to once; for a GiB.
void first_touch(benchmark::State& state, creator create, const sluice::memory_options& how, std::uint64_t bytes) {
  const double gib = static_cast<double>(bytes) / static_cast<double>(std::uint64_t{1} << 30);
  for (auto _ : state) {
    sluice::segment memory;
    std::uint64_t written = 0, found = 0;
    const auto creation = cost_of([&] { memory = create(bytes, how); });
    const auto page = memory.placement().page_bytes;
    if (how.huge != sluice::huge_pages::none && page == page_bytes) {
      state.SkipWithError("absent: no huge pages to be had (sysctl vm.nr_hugepages)");
      break;
    }
    const auto first = cost_of([&] { written = touch(memory.bytes()); });
    const auto second = cost_of([&] { touch(memory.bytes()); });
    found = sum_of_touched(memory.bytes());
    if (written != found) fail_as_damaged(state);
    state.SetIterationTime((creation.ns + first.ns) / 1e9 / gib);
    state.counters["create_ms"] = creation.ns / 1e6 / gib;
    state.counters["first_ms"] = first.ns / 1e6 / gib;
    state.counters["second_ms"] = second.ns / 1e6 / gib;
    state.counters["create_faults"] = creation.faults / gib;
    state.counters["first_faults"] = first.faults / gib;
    state.SetLabel("per GiB, in pages of " + std::to_string(page >> 10) + " KiB");
  }
}

// ---- A mapped file against read(2) and write(2) ---------------------------------------------------------------------

[[noreturn]] void throw_errno(const std::string& tried) {
  throw std::system_error(errno, std::system_category(), tried);
}

std::uint64_t words_a_page() noexcept { return page_bytes / sizeof(std::uint64_t); }

/// The words of a page rise by one, from the number of its first word in the file plus `seed`.
void fill_page(std::byte* at, std::uint64_t page, std::uint64_t seed) noexcept {
  auto* words = reinterpret_cast<std::uint64_t*>(at);
  const std::uint64_t first = seed + page * words_a_page();
  for (std::uint64_t i = 0; i < words_a_page(); ++i) words[i] = first + i;
}

std::uint64_t sum_of_words(const std::byte* at, std::size_t bytes) noexcept {
  const auto* words = reinterpret_cast<const std::uint64_t*>(at);
  return std::accumulate(words, words + bytes / sizeof(std::uint64_t), std::uint64_t{0});
}

/// A file of this process's own; gone with this, even when the disk was full before it was whole.
struct temporary_file {
  std::string path;
  int descriptor = -1;  // owned, if any

  temporary_file(const std::string& folder, const char* name)
      : path(folder + "/sluice_bench_" + std::to_string(::getpid()) + "_" + name) {}
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() {
    if (descriptor >= 0) ::close(descriptor);
    ::unlink(path.c_str());
  }
};

/// A file on a disk with known bytes, mapped, every page of it in memory and touched.
class visited_file {
 public:
  visited_file(const std::string& folder, const char* name, std::uint64_t bytes)
      : file_(folder, name), mapped_(sluice::file_segment::create(file_.path, bytes)) {
    for (std::uint64_t page = 0; page < pages(); ++page) fill_page(at(page), page, 0);
    mapped_.flush();
  }

  [[nodiscard]] const std::string& path() const noexcept { return file_.path; }
  [[nodiscard]] const sluice::segment& mapped() const noexcept { return mapped_; }
  [[nodiscard]] int descriptor() const noexcept { return mapped_.file().descriptor; }
  [[nodiscard]] std::uint64_t pages() const noexcept { return mapped_.bytes().size() / page_bytes; }
  [[nodiscard]] std::byte* at(std::uint64_t page) const noexcept { return mapped_.bytes().data() + page * page_bytes; }

  /// All pages, in the order of the file or in one that is drawn once.
  [[nodiscard]] std::vector<std::uint32_t> all_pages(bool in_order) const {
    std::vector<std::uint32_t> order(pages());
    std::iota(order.begin(), order.end(), std::uint32_t{0});
    if (!in_order) std::shuffle(order.begin(), order.end(), std::mt19937_64(order.size()));
    return order;
  }

 private:
  temporary_file file_;
  sluice::segment mapped_;
};

enum class order { sequential, random };
enum class extent { whole_page, one_word };  // what is looked at on a page

std::uint64_t look_at(const std::byte* page, extent what) noexcept {
  return sum_of_words(page, what == extent::whole_page ? page_bytes : sizeof(std::uint64_t));
}

std::uint64_t sum_expected(std::uint64_t pages, extent what, std::uint64_t seed) noexcept {
  const std::uint64_t words = what == extent::whole_page ? words_a_page() : 1;
  std::uint64_t sum = 0;
  for (std::uint64_t page = 0; page < pages; ++page)
    sum += words * (seed + page * words_a_page()) + words * (words - 1) / 2;
  return sum;
}

std::uint64_t sum_mapped(std::span<const std::byte> bytes, const std::vector<std::uint32_t>& pages, extent what) {
  std::uint64_t sum = 0;
  for (const auto page : pages) sum += look_at(bytes.data() + page * page_bytes, what);
  return sum;
}

std::uint64_t sum_pread(int file, const std::vector<std::uint32_t>& pages, extent what, std::byte* buffer) {
  const std::size_t wanted = what == extent::whole_page ? page_bytes : sizeof(std::uint64_t);
  std::uint64_t sum = 0;
  for (const auto page : pages) {
    if (::pread(file, buffer, wanted, static_cast<off_t>(page * page_bytes)) != static_cast<ssize_t>(wanted))
      throw_errno("pread " + std::to_string(wanted) + " bytes of page " + std::to_string(page));
    sum += look_at(buffer, what);
  }
  return sum;
}

std::uint64_t sum_read_in_blocks(int file, std::byte* buffer) {
  std::uint64_t sum = 0;
  if (::lseek(file, 0, SEEK_SET) != 0) throw_errno("lseek to the beginning");
  for (;;) {
    const auto count = ::read(file, buffer, block_bytes);
    if (count < 0) throw_errno("read " + std::to_string(block_bytes) + " bytes");
    if (count == 0) return sum;
    sum += sum_of_words(buffer, static_cast<std::size_t>(count));
  }
}

/// Timed: one pass over all pages through a mapping that is there already.
void visit(benchmark::State& state, const visited_file& file, order how, extent what) {
  const auto pages = file.all_pages(how == order::sequential);
  const auto expected = sum_expected(file.pages(), what, 0);
  std::vector<std::byte> buffer(block_bytes);
  std::uint64_t sum = 0;
  const auto timed = [&](auto&& pass) {
    const auto taken = cost_of([&] { sum = pass(); });
    if (sum != expected) fail_as_damaged(state);
    return taken;
  };
  for (auto _ : state) {
    const auto mapped = timed([&] { return sum_mapped(file.mapped().bytes(), pages, what); });
    const auto anew = timed([&] {
      const auto again = sluice::file_segment::attach(file.path(), {.access = sluice::view::read_only});
      return sum_mapped(again.bytes(), pages, what);
    });
    const auto read = timed([&] { return sum_pread(file.descriptor(), pages, what, buffer.data()); });
    state.SetIterationTime(mapped.ns / 1e9);
    state.counters["ns_a_page"] = mapped.ns / static_cast<double>(pages.size());
    state.counters["anew_faults"] = anew.faults;
    report_ratio(state, "anew_ratio", anew, mapped);
    report_ratio(state, "pread_ratio", read, mapped);
    if (how == order::sequential && what == extent::whole_page)
      report_ratio(state, "read_128K_ratio",
                   timed([&] { return sum_read_in_blocks(file.descriptor(), buffer.data()); }), mapped);
  }
}

enum class state_before { changed, flushed };

/// A file for the same purpose that is written to with pwrite(2) alone, page by page: how its pages first came into
/// memory decides what a later pwrite(2) costs.
class plain_file {
 public:
  plain_file(const std::string& folder, const char* name, std::uint64_t bytes) : file_(folder, name) {
    file_.descriptor = ::open(path().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor() < 0) throw_errno("open " + path());
    std::vector<std::byte> buffer(page_bytes);
    for (std::uint64_t page = 0; page < bytes / page_bytes; ++page) {
      fill_page(buffer.data(), page, 0);
      write_page(descriptor(), page, buffer.data());
    }
    flush();
  }

  [[nodiscard]] const std::string& path() const noexcept { return file_.path; }
  [[nodiscard]] int descriptor() const noexcept { return file_.descriptor; }
  void flush() const {
    if (::fdatasync(descriptor()) != 0) throw_errno("fdatasync " + path());
  }
  static void write_page(int file, std::uint64_t page, const std::byte* from) {
    if (::pwrite(file, from, page_bytes, static_cast<off_t>(page * page_bytes)) != static_cast<ssize_t>(page_bytes))
      throw_errno("pwrite page " + std::to_string(page));
  }

 private:
  temporary_file file_;
};

/// Timed: every page is filled anew in place; pwrite(2) has it filled in a buffer and copies it.
void overwrite(benchmark::State& state, const visited_file& file, const plain_file& other, order how,
               state_before before) {
  const auto pages = file.all_pages(how == order::sequential);
  std::vector<std::byte> buffer(page_bytes);
  static std::uint64_t seed = 0;
  const auto in_place = [&] {
    for (const auto page : pages) fill_page(file.at(page), page, seed);
    benchmark::ClobberMemory();
  };
  const auto by_pwrite = [&](int descriptor) {
    for (const auto page : pages) {
      fill_page(buffer.data(), page, seed);
      plain_file::write_page(descriptor, page, buffer.data());
    }
  };
  const auto require = [&](std::uint64_t sum) {
    if (sum != sum_expected(file.pages(), extent::whole_page, seed)) fail_as_damaged(state);
  };
  for (auto _ : state) {
    // Once without a clock, so that both begin with pages that are all changed, or all flushed. Each one's bytes are
    // then looked for in the other way.
    in_place();
    by_pwrite(other.descriptor());
    if (before == state_before::flushed) {
      file.mapped().flush();
      other.flush();
    }
    ++seed;
    const auto mapped = cost_of(in_place);
    require(sum_pread(file.descriptor(), pages, extent::whole_page, buffer.data()));
    const auto written = cost_of([&] { by_pwrite(other.descriptor()); });
    const auto look = sluice::file_segment::attach(other.path(), {.access = sluice::view::read_only});
    require(sum_mapped(look.bytes(), pages, extent::whole_page));
    state.SetIterationTime(mapped.ns / 1e9);
    state.counters["ns_a_page"] = mapped.ns / static_cast<double>(pages.size());
    state.counters["faults"] = mapped.faults;
    report_ratio(state, "pwrite_ratio", written, mapped);
    if (before == state_before::flushed) continue;
    ++seed;
    const auto into_mapped = cost_of([&] { by_pwrite(file.descriptor()); });
    require(sum_mapped(file.mapped().bytes(), pages, extent::whole_page));
    report_ratio(state, "pwrite_to_mapped_ratio", into_mapped, mapped);
  }
}

// ---- Flush ----------------------------------------------------------------------------------------------------------

/// Timed: the flush alone, of so many pages in a row that were changed since the last one that was waited for.
void flush(benchmark::State& state, const visited_file& file, sluice::flush_mode how, std::uint64_t pages) {
  static std::uint64_t seed = std::uint64_t{1} << 32;
  std::vector<std::byte> buffer(page_bytes);
  const auto changed = file.all_pages(true);
  const std::vector<std::uint32_t> some(changed.begin(), changed.begin() + static_cast<std::ptrdiff_t>(pages));
  file.mapped().flush();
  double change_ns = 0;
  for (auto _ : state) {
    ++seed;
    change_ns += cost_of([&] {
                   for (const auto page : some) fill_page(file.at(page), page, seed);
                   benchmark::ClobberMemory();
                 }).ns;
    state.SetIterationTime(cost_of([&] { file.mapped().flush(how); }).ns / 1e9);
    if (sum_pread(file.descriptor(), some, extent::whole_page, buffer.data()) !=
        sum_expected(pages, extent::whole_page, seed))
      fail_as_damaged(state);
    if (how != sluice::flush_mode::wait) file.mapped().flush();  // the next begins with clean pages
  }
  state.counters["change_us"] = change_ns / 1e3 / static_cast<double>(state.iterations());
}

// ---- Which of them --------------------------------------------------------------------------------------------------

bool is_on_a_disk(const std::string& folder) {
  constexpr decltype(statfs::f_type) tmpfs = 0x01021994, ramfs = 0x858458f6;
  struct statfs facts {};
  return ::statfs(folder.c_str(), &facts) == 0 && facts.f_type != tmpfs && facts.f_type != ramfs &&
         ::access(folder.c_str(), W_OK | X_OK) == 0;
}

/// Registers `run`, several runs of it; one when it has nothing to measure and only says so.
template <class Run>
void add(const std::string& name, benchmark::TimeUnit unit, int runs, std::int64_t iterations, Run run) {
  auto* const made = benchmark::RegisterBenchmark(name.c_str(), [run](benchmark::State& state) {
    try {
      run(state);
    } catch (const std::exception& problem) {
      state.SkipWithError(problem.what());
    }
  });
  made->Unit(unit)->UseManualTime()->Iterations(iterations)->Repetitions(runs)->ReportAggregatesOnly(runs > 1);
}

/// Only reserves them.
bool huge_pages_are_free_for(std::uint64_t bytes) {
  try {
    const auto memory = sluice::anonymous_segment::create(bytes, {.huge = sluice::huge_pages::prefer});
    return memory.placement().page_bytes > page_bytes;
  } catch (const sluice::error&) {
    return false;  // not even in ordinary pages: each question will say so
  }
}

void add_first_touch(const memory_bench_options& options) {
  const bool has_huge = huge_pages_are_free_for(options.touch_bytes);
  const std::pair<const char*, creator> kinds[] = {{"anonymous", sluice::anonymous_segment::create},
                                                   {"memfd", sluice::memfd_segment::create}};
  const std::pair<const char*, sluice::memory_options> ways[] = {
      {"touched", {}},
      {"prefaulted", {.prefault = true}},
      {"huge", {.huge = sluice::huge_pages::prefer}},
      {"huge_prefaulted", {.huge = sluice::huge_pages::prefer, .prefault = true}}};
  for (const auto& [kind, create] : kinds)
    for (const auto& [way, how] : ways) {
      const bool is_absent = how.huge != sluice::huge_pages::none && !has_huge;
      add("first_touch/" + std::string(kind) + "/" + way, benchmark::kMillisecond, is_absent ? 1 : options.runs, 1,
          [create = create, how = how, bytes = options.touch_bytes](benchmark::State& state) {
            first_touch(state, create, how, bytes);
          });
    }
}

/// A file that is made when it is needed first, and again if that failed.
template <class File>
class file_on_demand {
 public:
  file_on_demand(std::string folder, const char* name, std::uint64_t bytes)
      : folder_(std::move(folder)), name_(name), bytes_(bytes) {}
  const File& get() {
    if (folder_.empty()) throw std::runtime_error("absent: no folder on a disk to write to (--folder PATH)");
    if (!file_) file_ = std::make_unique<File>(folder_, name_, bytes_);
    return *file_;
  }

 private:
  std::string folder_;
  const char* name_;
  std::uint64_t bytes_;
  std::unique_ptr<File> file_;
};

void add_visits(const memory_bench_options& options, file_on_demand<visited_file>& read,
                file_on_demand<visited_file>& written, file_on_demand<plain_file>& by_pwrite) {
  const int runs = options.folder.empty() ? 1 : options.runs;
  for (const auto& [order_name, how] :
       {std::pair{"sequential", order::sequential}, std::pair{"random", order::random}}) {
    for (const auto& [name, what] :
         {std::pair{"whole_page", extent::whole_page}, std::pair{"one_word", extent::one_word}})
      add(std::string("visit/") + order_name + "/" + name, benchmark::kMillisecond, runs, 1,
          [&read, how = how, what = what](benchmark::State& state) { visit(state, read.get(), how, what); });
    for (const auto& [name, before] :
         {std::pair{"changed", state_before::changed}, std::pair{"flushed", state_before::flushed}})
      add(std::string("overwrite/") + order_name + "/" + name, benchmark::kMillisecond, runs, 1,
          [&written, &by_pwrite, how = how, before = before](benchmark::State& state) {
            overwrite(state, written.get(), by_pwrite.get(), how, before);
          });
  }
}

constexpr std::uint64_t max_flushed_pages = 256;

void add_flushes(const memory_bench_options& options, file_on_demand<visited_file>& file) {
  const std::pair<const char*, sluice::flush_mode> modes[] = {
      {"wait", sluice::flush_mode::wait}, {"begin", sluice::flush_mode::begin}, {"reread", sluice::flush_mode::reread}};
  for (const auto& [name, how] : modes)
    for (const std::uint64_t pages : {std::uint64_t{1}, std::uint64_t{16}, max_flushed_pages})
      add("flush/" + std::string(name) + "/" + std::to_string(pages), benchmark::kMicrosecond,
          options.folder.empty() ? 1 : options.runs, 10,
          [&file, how = how, pages](benchmark::State& state) { flush(state, file.get(), how, pages); });
}

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "bench_memory: %s\n", why.c_str());
  std::exit(2);
}

std::uint64_t number_of(std::string_view option, std::string_view text, std::uint64_t most) {
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc{} || end != text.data() + text.size() || number == 0 || number > most)
    refuse(std::string(option) + " '" + std::string(text) + "': give a number, 1 to " + std::to_string(most));
  return number;
}

/// Takes what is ours; the rest must have been Google Benchmark's.
memory_bench_options options_of(int argc, char** argv) {
  constexpr std::uint64_t max_mib = 1 << 20;
  memory_bench_options options;
  const std::span given(argv, static_cast<std::size_t>(argc));
  if (std::ranges::find(given, std::string_view("--quick")) != given.end())
    options = {.touch_bytes = std::uint64_t{256} << 20, .file_bytes = std::uint64_t{64} << 20, .runs = 3, .folder = {}};
  bool has_folder = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const auto value = [&]() -> std::string_view {
      if (i + 1 == argc) refuse(std::string(option) + " needs a value; --help tells of it");
      return argv[++i];
    };
    if (option == "--quick") {
      continue;  // seen above: what is given beside it counts, before it or after
    } else if (option == "--touch") {
      options.touch_bytes = number_of(option, value(), max_mib) << 20;
    } else if (option == "--file") {
      options.file_bytes = number_of(option, value(), max_mib) << 20;
    } else if (option == "--runs") {
      options.runs = static_cast<int>(number_of(option, value(), 1000));
    } else if (option == "--folder") {
      options.folder = value();
      has_folder = true;
      if (!is_on_a_disk(options.folder))
        refuse("--folder '" + options.folder + "': no folder on a disk that can be written to; name one that is");
    } else {
      refuse("unknown option '" + std::string(option) + "'; --help tells of all");
    }
  }
  if (!has_folder)
    for (const char* folder : {"/var/tmp", "/tmp", "."})
      if (options.folder.empty() && is_on_a_disk(folder)) options.folder = folder;
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  for (const std::string_view argument : std::span(argv, static_cast<std::size_t>(argc)).subspan(1))
    if (argument == "--help")
      std::printf(
          "bench_memory [--quick] [--touch MIB] [--file MIB] [--runs N] [--folder PATH] [Google Benchmark's options]\n"
          "  --quick        256 MiB touched, a file of 64 MiB, 3 runs\n"
          "  --touch MIB    memory that is touched first (1024)\n"
          "  --file MIB     file that is visited (256)\n"
          "  --runs N       of each question, of which the median is told (5)\n"
          "  --folder PATH  on a disk, for files (/var/tmp, /tmp or ., whichever is on a disk)\n\n");
  // Runs of all questions are shuffled among each other, so that a slow minute meets all.
  std::vector<char*> arguments(argv, argv + argc);
  std::string interleaved = "--benchmark_enable_random_interleaving=true";
  arguments.insert(arguments.begin() + 1, interleaved.data());
  arguments.push_back(nullptr);
  int count = argc + 1;
  benchmark::Initialize(&count, arguments.data());
  const auto options = options_of(count, arguments.data());

  file_on_demand<visited_file> read(options.folder, "read", options.file_bytes);
  file_on_demand<visited_file> written(options.folder, "written", options.file_bytes);
  file_on_demand<plain_file> by_pwrite(options.folder, "by_pwrite", options.file_bytes);
  file_on_demand<visited_file> flushed(options.folder, "flushed", max_flushed_pages * page_bytes);
  add_first_touch(options);
  add_visits(options, read, written, by_pwrite);
  add_flushes(options, flushed);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return was_damaged ? 1 : 0;
}
