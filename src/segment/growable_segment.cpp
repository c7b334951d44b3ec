#include "sluice/segment.hpp"

#include <algorithm>

#include "os/file.hpp"
#include "segment/map_file.hpp"
#include "sluice/detail/base/bytes.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

namespace {

segment reserve(os::fd file, const std::string& path, std::uint64_t max_bytes) {
  memory_options how;
  how.guard = false;
  return map_file(std::move(file), {segment_kind::file, max_bytes, 0, path}, how);
}

void require_within(std::uint64_t bytes, std::uint64_t max_bytes, const std::string& what) {
  if (max_bytes == 0) throw error(errc::bad_argument, what + ": room for no bytes at all; ask for some");
  if (bytes > max_bytes)
    throw error(errc::bad_argument, what + " to " + std::to_string(bytes) + " bytes: addresses were kept for " +
                                        std::to_string(max_bytes) + "; keep more when it is made and attached");
}

}  // namespace

growable_segment growable_segment::create(const std::string& path, std::uint64_t bytes, std::uint64_t max_bytes,
                                          std::uint32_t mode) {
  require_within(bytes, max_bytes, "create " + path);
  auto file = os::create_in(os::working_directory, path, mode, path);
  try {
    if (bytes != 0) os::allocate(file.get(), round_up(bytes, os::page_bytes_of(file.get())), path);
    return growable_segment(reserve(std::move(file), path, max_bytes));
  } catch (...) {
    os::unlink_in(os::working_directory, path, path);
    throw;
  }
}

growable_segment growable_segment::attach(const std::string& path, std::uint64_t max_bytes) {
  require_within(0, max_bytes, "attach " + path);
  auto file = os::open_in(os::working_directory, path, true, path);
  if (!file) throw error(errc::not_found, "attach " + path + ": no such file");
  if (!os::facts_of(file->get(), path).is_regular)
    throw error(errc::not_a_segment, "attach " + path + ": not a regular file");
  return growable_segment(reserve(std::move(*file), path, max_bytes));
}

std::span<std::byte> growable_segment::bytes() const {
  const auto& file = memory_.file();
  auto length = length_of(file);
  if (!length) {
    const auto anew = file_behind(memory_, "look at the length of " + file.path);
    length = os::facts_of(anew.get(), file.path).length_bytes;
  }
  return memory_.bytes().first(std::min<std::uint64_t>(*length, max_bytes()));
}

void growable_segment::grow(std::uint64_t bytes) const {
  const auto& path = memory_.file().path;
  require_within(bytes, max_bytes(), "grow " + path);
  const auto file = file_behind(memory_, "grow " + path);
  const auto now = os::facts_of(file.get(), path).length_bytes;
  if (bytes > now && os::is_in_memory(file.get())) require_memory(bytes - now, path, {});
  if (bytes != 0) os::allocate(file.get(), round_up(bytes, memory_.placement().page_bytes), path);
}

}  // namespace sluice
