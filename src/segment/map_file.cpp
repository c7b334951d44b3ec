#include "segment/map_file.hpp"

#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cerrno>
#include <functional>
#include <optional>

#include "os/fault_guard.hpp"
#include "os/file.hpp"
#include "os/kept_descriptor.hpp"
#include "os/memfd.hpp"
#include "os/residence.hpp"
#include "sluice/detail/base/bytes.hpp"
#include "sluice/error.hpp"
#include "sluice/segment.hpp"

namespace sluice::detail {
namespace {

namespace bip = boost::interprocess;

/// What mapped_region maps from: a descriptor that it does not own.
struct borrowed_descriptor {
  int descriptor;
  [[nodiscard]] bip::mapping_handle_t get_mapping_handle() const { return {descriptor, false}; }
};

struct file_holder {
  std::optional<os::kept_descriptor> file;
  bip::mapped_region region;
  std::optional<os::guarded_range> guard;  // goes before the region does
};

bip::mode_t mode_of(view access) noexcept {
  switch (access) {
    case view::read_only: return bip::read_only;
    case view::private_copy: return bip::copy_on_write;
    case view::shared: break;
  }
  return bip::read_write;
}

/// From here on it is asked what memory there is: some reads of /proc, too much for a small channel.
constexpr std::uint64_t worth_asking_bytes = 4U << 20;

void require_huge_if_asked(const memory_options& how, std::uint64_t page, const std::string& what) {
  if (how.huge == huge_pages::require && page == os::kernel_page_bytes())
    throw error(errc::bad_argument, "map " + what +
                                        " in huge pages: it is not on hugetlbfs; use a directory on a mounted "
                                        "hugetlbfs, or a memfd or anonymous segment");
}

/// Prefaults and locks as asked, and notes it. `missing_page`: what EFAULT means here.
void settle(std::span<std::byte> bytes, const memory_options& how, segment_placement& placement,
            const std::string& what, const std::function<error()>& missing_page) {
  if (how.huge == huge_pages::prefer && placement.page_bytes == os::kernel_page_bytes()) os::advise_huge(bytes);
  if (how.no_dump)
    if (const int problem = os::leave_out_of_dumps(bytes); problem != 0)
      throw error::from_errno(problem, "leave " + what + " out of core dumps");
  if (how.prefault) {
    const auto tried = "prefault " + std::to_string(bytes.size()) + " bytes of " + what;
    const int problem = os::populate(bytes, how.access == view::shared);
    if (problem == EFAULT) throw missing_page();
    if (problem == EINVAL)
      throw error(errc::bad_argument, tried + ": this kernel cannot (Linux 5.14 can); do without prefault");
    if (problem != 0) throw error::from_errno(problem, tried);
    placement.is_prefaulted = true;
  }
  if (how.lock_in_memory) {
    const auto tried = "lock " + std::to_string(bytes.size()) + " bytes of " + what + " in memory";
    const int problem = os::lock_in_memory(bytes);
    const auto limit = os::lock_limit_bytes();
    if (problem == EPERM || problem == EAGAIN || (problem == ENOMEM && limit != ~std::uint64_t{0}))
      throw error(errc::no_space, tried + ": above RLIMIT_MEMLOCK, which is " + std::to_string(limit) +
                                      " bytes for all that this process locks; raise it (ulimit -l, LimitMEMLOCK= of "
                                      "the unit), or choose a smaller capacity");
    if (problem != 0) throw error::from_errno(problem, tried);
    placement.is_locked = true;
  }
}

}  // namespace

std::optional<std::uint64_t> length_of(const segment_file& file) noexcept {
  if (file.descriptor < 0) return std::nullopt;
  try {
    const auto facts = os::facts_of(file.descriptor, file.path);
    if (facts.inode != file.inode || facts.device != file.device) return std::nullopt;
    return facts.length_bytes;
  } catch (const error&) {
    return std::nullopt;  // the program closed it
  }
}

os::fd file_behind(const segment& memory, const std::string& what) {
  const auto& file = memory.file();
  try {
    // Compared after it was duplicated: another thread may close the number and use it again at any moment.
    auto copy = os::duplicate(file.descriptor, false, what);
    const auto now = os::facts_of(copy.get(), file.path);
    if (now.device == file.device && now.inode == file.inode) return copy;
  } catch (const error& problem) {
    if (problem.reason() != errc::bad_argument) throw;  // else it is closed
  }
  try {
    return os::reopen_path(file.path, file.device, file.inode);
  } catch (const error& problem) {
    throw error(problem.reason(), what + ": the program closed descriptor " + std::to_string(file.descriptor) +
                                      ", which led to its file, and the file cannot be opened anew (" + problem.what() +
                                      "); keep the descriptors that the library opens");
  }
}

os::map_wishes wishes_for(const memory_options& how) noexcept { return {how.no_reserve, false, how.address}; }

void require_shared(const memory_options& how, const std::string& what) {
  if (how.access != view::shared)
    throw error(errc::bad_argument,
                what + ": a new segment is for reading and writing; ask for a view when you attach");
}

void require_memory(std::uint64_t bytes, const std::string& what, const memory_options& how) {
  if (bytes < worth_asking_bytes || how.no_reserve) return;
  const auto limits = memory_limits_here();
  const auto tried = "take " + std::to_string(bytes) + " bytes of memory for " + what;
  if (bytes > limits.cgroup_bytes)
    throw error(errc::no_space, tried + ": the memory limit of its cgroup is " + std::to_string(limits.cgroup_bytes) +
                                    " bytes (" + limits.cgroup +
                                    "), and the kernel would end processes of it; choose a smaller capacity, or raise "
                                    "that (MemoryMax= of the unit, --memory of the container)");
  if (bytes > limits.available_bytes)
    throw error(errc::no_space,
                tried + ": " + std::to_string(limits.available_bytes) +
                    " bytes are free, and the kernel would end processes to find more; choose a smaller capacity, make "
                    "room, or ask for no_reserve if little of it will be used");
}

std::uint64_t make_room(int file, std::uint64_t bytes, const std::string& path, const memory_options& how) {
  require_shared(how, "create " + path);
  const auto page = os::page_bytes_of(file);
  require_huge_if_asked(how, page, path);
  const auto whole = round_up(bytes, page);
  if (whole >= worth_asking_bytes && page == os::kernel_page_bytes() && os::is_in_memory(file))
    require_memory(whole, path, how);
  if (how.no_reserve)
    os::set_length(file, whole, path);
  else
    os::allocate(file, whole, path);
  return whole;
}

segment map_file(os::fd file, const file_part& part, const memory_options& how) {
  const auto facts = os::facts_of(file.get(), part.path);
  segment_placement placement;
  placement.page_bytes = os::page_bytes_of(file.get(), facts);
  placement.is_writable = how.access != view::read_only;
  placement.is_shared = how.access != view::private_copy;
  require_huge_if_asked(how, placement.page_bytes, part.path);
  const auto bytes = round_up(part.bytes, placement.page_bytes);
  const auto wishes = wishes_for(how);
  const int flags = os::flags_for(wishes);
  auto holder = std::make_shared<file_holder>();
  try {
    holder->region = bip::mapped_region(borrowed_descriptor{file.get()}, mode_of(how.access),
                                        static_cast<bip::offset_t>(part.offset_bytes), bytes, how.address,
                                        flags != 0 ? flags : bip::default_map_options);
  } catch (const bip::interprocess_exception& problem) {
    const int number = problem.get_error_code() == bip::busy_error ? EEXIST : problem.get_native_error();
    throw os::map_error(number, bytes, part.path, wishes);
  }
  const std::span all(static_cast<std::byte*>(holder->region.get_address()), bytes);
  if (how.guard && facts.is_regular && !os::cannot_shrink(file.get())) {
    holder->guard.emplace(all, placement.is_writable);
    placement.is_guarded = true;
  }
  settle(all, how, placement, part.path, [&] {
    const auto now = os::facts_of(file.get(), part.path).length_bytes;
    const auto needed = part.offset_bytes + part.bytes;
    if (facts.is_regular && now < needed)
      return error(errc::truncated, "prefault " + part.path + ": it has " + std::to_string(now) + " bytes and not " +
                                        std::to_string(needed) + ": cut short; remove it and create it anew");
    return error(errc::no_space, "prefault " + std::to_string(bytes) + " bytes of " + part.path +
                                     ": no space left; make room there, or choose a smaller capacity");
  });
  auto* const guard = holder->guard ? &*holder->guard : nullptr;
  if (facts.is_regular)  // locks on a device would be shared by all that use it
    holder->file.emplace(std::move(file), facts.device, facts.inode, os::kept_descriptor::in_child::stays);
  const segment_file behind{holder->file ? holder->file->get() : -1,
                            part.kind == segment_kind::file ? os::absolute(part.path) : part.path,
                            part.offset_bytes,
                            part.bytes,
                            facts.device,
                            facts.inode};
  return {part.kind, all, std::move(holder), behind, placement, guard};
}

segment place_memory(segment_kind kind, os::mapping mapped, const memory_options& how, std::uint64_t page,
                     const std::string& what) {
  auto holder = std::make_shared<os::mapping>(std::move(mapped));
  segment_placement placement;
  placement.page_bytes = page;
  const auto all = holder->bytes();
  settle(all, how, placement, what, [&] {
    return error(errc::no_space, "prefault " + std::to_string(all.size()) + " bytes of " + what +
                                     ": not that much memory; ask for less");
  });
  return {kind, all, std::move(holder), {}, placement};
}

}  // namespace sluice::detail
