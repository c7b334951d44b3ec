#include "sluice/segment/file_segment.hpp"

#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>

#include "os/file.hpp"
#include "segment/map_file.hpp"
#include "sluice/base/bytes.hpp"
#include "sluice/base/error.hpp"

namespace sluice {
namespace {

namespace bip = boost::interprocess;

/// What mapped_region maps from: a descriptor that it does not own.
struct borrowed_descriptor {
  int descriptor;
  [[nodiscard]] bip::mapping_handle_t get_mapping_handle() const { return {descriptor, false}; }
};

struct file_holder {
  os::fd file;
  bip::mapped_region region;
};

}  // namespace

segment map_file(os::fd file, std::uint64_t bytes, const std::string& path) {
  try {
    auto holder = std::make_shared<file_holder>();
    holder->region = bip::mapped_region(borrowed_descriptor{file.get()}, bip::read_write, 0, bytes);
    holder->file = std::move(file);
    const std::span all(static_cast<std::byte*>(holder->region.get_address()), holder->region.get_size());
    const int descriptor = holder->file.get();
    return {segment_kind::file, all, std::move(holder), {descriptor, path}};
  } catch (const bip::interprocess_exception& problem) {
    throw error::from_errno(problem.get_native_error(), "map " + std::to_string(bytes) + " bytes of " + path);
  }
}

segment file_segment::create(const std::string& path, std::uint64_t bytes, std::uint32_t mode) {
  const auto mapped = round_up(bytes, os::kernel_page_bytes());
  auto file = os::create_in(os::working_directory, path, mode, path);
  try {
    os::allocate(file.get(), mapped, path);
    return map_file(std::move(file), mapped, path);
  } catch (...) {
    os::unlink_in(os::working_directory, path, path);
    throw;
  }
}

segment file_segment::attach(const std::string& path) {
  auto file = os::open_in(os::working_directory, path, true, path);
  if (!file) throw error(errc::not_found, "attach " + path + ": no such file");
  const auto facts = os::facts_of(file->get(), path);
  if (!facts.is_regular) throw error(errc::not_a_segment, "attach " + path + ": not a regular file");
  if (facts.length_bytes == 0)
    throw error(errc::half_made,
                "attach " + path + ": the file is empty: whoever made it died before it was whole; remove it");
  return map_file(std::move(*file), facts.length_bytes, path);
}

}  // namespace sluice
