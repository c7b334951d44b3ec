#include "segment/lock_file.hpp"

#include <optional>
#include <string>

#include "sluice/error.hpp"

namespace sluice::detail {
namespace {

constexpr std::uint32_t may_read = 4, may_write = 2;
constexpr unsigned classes[] = {6, 3, 0};  // owner, group, others: how far left in the mode

}  // namespace

bool has_readers(std::uint32_t mode) noexcept {
  for (const auto shift : classes)
    if ((mode >> shift & (may_read | may_write)) == may_read) return true;
  return false;
}

std::uint32_t lock_file_mode(std::uint32_t mode) noexcept {
  std::uint32_t result = 0;
  for (const auto shift : classes) {
    constexpr auto both = may_read | may_write;
    if ((mode >> shift & both) == both) result |= both << shift;
  }
  return result;
}

lock_file open_lock_file(int directory, const std::string& directory_path, const segment_header& header,
                         std::uint32_t uid, bool writable) {
  const auto name = lock_file_name(header.creation_id);
  const auto path = directory_path + "/" + name;
  const auto& at = directory == os::working_directory ? path : name;
  const auto refuse = [&](const std::string& why) {
    return error(errc::corrupted,
                 "open " + path + ", which holds the segment's locks: " + why +
                     "; put the right one back beside the segment. Else end the processes that use the segment "
                     "and remove it (sluice clear), or recover it if it is durable (sluice recover)");
  };
  const auto named = os::facts_of_name(directory, at);
  if (!named) throw refuse("it is missing");
  if (!named->is_regular || named->inode != header.lock_inode || named->uid != uid)
    throw refuse("it is not the file that was made with the segment");
  std::optional<os::fd> file;
  try {
    file = os::open_in(directory, at, writable, path);
  } catch (const error& problem) {
    if (problem.reason() != errc::no_permission) throw;
    throw error(errc::no_permission,
                std::string(problem.what()) +
                    ": it holds the segment's locks, and its mode is of the segment's creation; let it "
                    "be created anew with the mode that is meant, or change the mode of both files");
  }
  if (!file) throw refuse("it is missing");
  const auto facts = os::facts_of(file->get(), path);
  if (!facts.same_file(*named)) throw refuse("it was replaced at this moment");
  return {std::move(*file), facts, path};
}

bool is_copy(const segment_header& header, std::uint64_t inode) noexcept {
  return header.lock_inode != 0 && header.segment_inode != inode;
}

lock_file lock_file_of(const segment& memory, bool writable) {
  const auto& file = memory.file();
  const auto facts = os::facts_of(file.descriptor, file.path);
  if (is_copy(memory.header(), facts.inode))
    throw error(errc::corrupted, "use " + file.path + ": it is a copy of a segment, whose locks are the original's");
  const auto path = os::path_of(file.descriptor, file.path);
  const auto slash = path.rfind('/');
  return open_lock_file(os::working_directory, path.substr(0, slash == std::string::npos ? 0 : slash), memory.header(),
                        facts.uid, writable);
}

}  // namespace sluice::detail
