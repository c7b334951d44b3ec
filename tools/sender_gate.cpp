#include "sender_gate.hpp"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "sluice/base/clock.hpp"
#include "sluice/layout/lock_file_name.hpp"

namespace sluice::tools {
namespace {

int open_again(const segment_file& file) {
  int fresh = ::open(("/proc/self/fd/" + std::to_string(file.descriptor)).c_str(), O_RDWR | O_CLOEXEC);
  if (fresh >= 0) return fresh;
  if (errno == ENOENT) fresh = ::open(file.path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);  // no /proc
  const int why = errno;
  struct stat facts {};
  if (fresh >= 0 && ::fstat(fresh, &facts) == 0 && facts.st_dev == file.device && facts.st_ino == file.inode)
    return fresh;
  if (fresh < 0) throw error::from_errno(why, "reopen " + file.path);
  ::close(fresh);
  throw error(errc::not_found, "reopen " + file.path + ": the name leads to another file by now");
}

}  // namespace

segment_file gate_file(const segment& memory) {
  auto file = memory.file();
  const auto& header = memory.header();
  if (header.lock_inode == 0) return file;
  file.path = file.path.substr(0, file.path.rfind('/') + 1) + lock_file_name(header.creation_id);
  file.inode = header.lock_inode;
  file.descriptor = -1;  // it is found by its name
  return file;
}

sender_gate::sender_gate(const segment_file& file, const std::function<void(std::uint64_t waited_ns)>& look) {
  // A description of its own: a lock on the segment's would be shared by all processes that inherit that.
  descriptor_ = open_again(file);
  constexpr int tries_each_look = 100;
  const auto began = monotonic_now_ns();
  for (int i = 1; ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0; ++i) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      const int why = errno;
      ::close(descriptor_);
      throw error::from_errno(why, "flock " + file.path);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // it is held for a few system calls
    try {
      if (i % tries_each_look == 0) look(monotonic_now_ns() - began);
    } catch (...) {
      ::close(descriptor_);
      throw;
    }
  }
}

sender_gate::~sender_gate() { ::close(descriptor_); }

std::string gate_holder_text(const segment_file& file) {
  struct stat facts {};
  if (::fstat(file.descriptor, &facts) != 0) return "another sender";
  // proc_locks(5): "1: FLOCK  ADVISORY  WRITE 4711 00:1a:12345 0 EOF"; the pid is 0 or less where it is not of ours.
  const auto wanted = fmt::format("{:02x}:{:02x}:{}", gnu_dev_major(facts.st_dev), gnu_dev_minor(facts.st_dev),
                                  static_cast<std::uint64_t>(facts.st_ino));
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, strictness, mode, place;
    long pid = 0;
    if (!(words >> number >> kind >> strictness >> mode >> pid >> place)) continue;
    if (kind != "FLOCK" || mode != "WRITE" || place != wanted || pid <= 0) continue;
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    std::string name, state;
    for (std::string fact; std::getline(status, fact);) {
      if (fact.starts_with("Name:\t")) name = fact.substr(6);
      if (fact.starts_with("State:\t")) state = fact.substr(7, 1);
    }
    return fmt::format("pid {}{}{}", pid, name.empty() ? "" : " (" + name + ")",
                       state == "T" || state == "t" ? ", stopped" : "");
  }
  return "another sender";
}

bool has_other_producers(const port& self) {
  const auto seats = self.seats();
  return std::any_of(seats.begin(), seats.end(), [&](const seat_report& seat) {
    return seat.role == role::producer && seat.index != self.seat_index() && seat.state == seat_state::taken &&
           seat.alive != liveness::dead;
  });
}

}  // namespace sluice::tools
