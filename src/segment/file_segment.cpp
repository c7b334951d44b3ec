#include "sluice/segment.hpp"

#include "os/file.hpp"
#include "segment/map_file.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

segment file_segment::create(const std::string& path, std::uint64_t bytes, std::uint32_t mode,
                             const memory_options& how) {
  auto file = os::create_in(os::working_directory, path, mode, path);
  try {
    const auto whole = make_room(file.get(), bytes, path, how);
    return map_file(std::move(file), {kind, whole, 0, path}, how);
  } catch (...) {
    os::unlink_in(os::working_directory, path, path);
    throw;
  }
}

segment file_segment::attach(const std::string& path, const memory_options& how) {
  auto file = os::open_in(os::working_directory, path, how.access == view::shared, path);
  if (!file) throw error(errc::not_found, "attach " + path + ": no such file");
  const auto facts = os::facts_of(file->get(), path);
  if (!facts.is_regular) throw error(errc::not_a_segment, "attach " + path + ": not a regular file");
  if (facts.length_bytes == 0)
    throw error(
        errc::half_made,
        "attach " + path + ": the file is empty: its creator died before it was whole, or it was cut short; remove it");
  return map_file(std::move(*file), {kind, facts.length_bytes, 0, path}, how);
}

}  // namespace sluice
