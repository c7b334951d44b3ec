#include "sender_gate.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <thread>

namespace sluice::tools {

sender_gate::sender_gate(const segment_file& file, const std::function<void()>& look) {
  // A description of its own: a lock on the segment's would be shared by all who inherit that.
  descriptor_ = ::open(("/proc/self/fd/" + std::to_string(file.descriptor)).c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor_ < 0) throw error::from_errno(errno, "reopen " + file.path);
  constexpr int tries_each_look = 100;
  for (int i = 1; ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0; ++i) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      const int why = errno;
      ::close(descriptor_);
      throw error::from_errno(why, "flock " + file.path);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // it is held for a few system calls
    try {
      if (i % tries_each_look == 0) look();
    } catch (...) {
      ::close(descriptor_);
      throw;
    }
  }
}

sender_gate::~sender_gate() { ::close(descriptor_); }

bool has_other_producers(const participant& self) {
  const auto seats = self.seats();
  return std::any_of(seats.begin(), seats.end(), [&](const seat_report& seat) {
    return seat.role == role::producer && seat.index != self.seat_index() && seat.state == seat_state::taken &&
           seat.alive != liveness::dead;
  });
}

bool is_released_before(const ring_view& ring, std::uint64_t end) noexcept {
  for (auto q = end - std::min(end, ring.capacity()); q != end; ++q) {
    // Free in its lap means claimed and not published, which a consumer mends when its claimer is dead.
    const auto free_in_lap = ring.word_for(q, slot_kind::free);
    if (lap_of(ring.word(q).load(std::memory_order_relaxed)) == lap_of(free_in_lap)) return false;  // nothing is read
  }
  return true;
}

}  // namespace sluice::tools
