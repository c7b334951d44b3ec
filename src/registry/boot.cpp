#include "registry/boot.hpp"

#include "os/file.hpp"
#include "os/process.hpp"
#include "sluice/detail/base/clock.hpp"
#include "sluice/detail/layout/durability.hpp"
#include "sluice/error.hpp"

namespace sluice::detail {
namespace {

constexpr std::uint64_t slack_ns = 2'000'000'000;  // between two clocks that are read one after the other

bool is_known(const std::uint64_t (&id)[2]) noexcept { return id[0] != 0 || id[1] != 0; }

constexpr const char* where_it_is_told =
    "/proc/sys/kernel/random/boot_id, which tells it, cannot be read here or is not the kernel's own (a unit with "
    "ProcSubset=pid, a container with a boot_id of its own)";

}  // namespace

made_in boot_of(const segment_header& header, const opened_file& opened) {
  if (opened.is_copy()) return made_in::another_boot;  // its pages may be of different moments just the same
  const auto now = os::boot();
  const bool are_known = is_known(header.boot_id) && is_known(now.words);
  if (are_known && header.boot_id[0] == now.words[0] && header.boot_id[1] == now.words[1]) return made_in::this_boot;
  if (os::is_in_memory(opened.file.get())) return made_in::this_boot;  // nothing in it outlives the boot
  if (is_attached_by_anybody(opened)) return made_in::this_boot;       // nor does a lock
  if (are_known) return made_in::another_boot;
  const auto started = os::boot_realtime_ns();
  if (!started) return made_in::unknown;
  if (header.created_realtime_ns + slack_ns < *started) return made_in::another_boot;
  // It looks younger than this boot. A clock that was set back would make it look so as well: not enough for messages that
  // are promised to be whole.
  if (is_durable(header) || header.created_realtime_ns > realtime_now_ns() + slack_ns) return made_in::unknown;
  return made_in::this_boot;
}

void require_known(made_in boot, const std::string& what) {
  if (boot != made_in::unknown) return;
  throw error(
      errc::system_failure,
      what +
          ": whether the machine was started anew since it was made is not known, and so torn messages could be "
          "delivered as good: " +
          where_it_is_told +
          "; attach where it can be read, or while a process there is attached, or recover it there (sluice "
          "recover)");
}

void require_boot_is_known(const std::string& what) {
  if (is_known(os::boot().words)) return;
  throw error(errc::system_failure,
              what + ": a durable channel must tell later whether the machine was started anew: " + where_it_is_told +
                  "; create it where it can be read, or do without durability");
}

}  // namespace sluice::detail
