#include "os/filesystem.hpp"

#include <sys/vfs.h>

#include <cstdint>
#include <cstdio>

#include "sluice/error.hpp"

namespace sluice::os {
namespace {

struct known {
  std::uint32_t magic;
  const char* name;
  std::optional<bool> survives_reset;
  bool blocks_are_memory = false;
  bool is_network = false;
};
constexpr known all[] = {
    {0x01021994, "tmpfs", false, true},
    {0x858458f6, "ramfs", false},
    {0x958458f6, "hugetlbfs", false, true},
    {0xef53, "ext4", true},  // ext2 and ext3 too
    {0x58465342, "xfs", true},
    {0x9123683e, "btrfs", true},
    {0xf2f52010, "f2fs", true},
    {0xca451a4e, "bcachefs", true},
    {0x2fc12fc1, "zfs", true},
    {0x4d44, "vfat", true},
    {0x2011bab0, "exfat", true},
    {0x7366746e, "ntfs3", true},
    {0x794c7630, "overlayfs", {}},
    {0x6969, "nfs", {}, false, true},
    {0xff534d42, "cifs", {}, false, true},
    {0xfe534d42, "smb2", {}, false, true},
    {0x01021997, "9p", {}},
    {0x65735546, "fuse", {}},
    {0x00c36400, "ceph", {}, false, true},
    {0x517b, "smb", {}, false, true},
    {0x5346414f, "afs", {}, false, true},  // OpenAFS
    {0x6b414653, "afs", {}, false, true},
    {0x73757245, "coda", {}, false, true},
    {0x564c, "ncpfs", {}, false, true},
    {0x0bd00bd0, "lustre", {}, false, true},
    {0x47504653, "gpfs", {}, false, true},
    {0x20030528, "orangefs", {}, false, true},
};

}  // namespace

filesystem_facts filesystem_named_by(std::uint32_t magic) {
  for (const auto& one : all)
    if (one.magic == magic) return {one.name, one.survives_reset, one.blocks_are_memory, one.is_network};
  char text[2 + 8 + 1];
  std::snprintf(text, sizeof text, "0x%x", magic);
  return {text, {}};
}

filesystem_facts filesystem_of(int file) {
  struct statfs s {};
  if (::fstatfs(file, &s) != 0) return {"not known", {}};
  return filesystem_named_by(static_cast<std::uint32_t>(s.f_type));
}

void require_local(int file, const std::string& path, const std::string& what) {
  const auto facts = filesystem_of(file);
  if (!facts.is_network) return;
  throw error(
      errc::bad_argument,
      what + ": " + path + " lies on " + facts.name +
          ", a network filesystem: what one process writes to a mapping there reaches another one late or never, "
          "and its locks depend on a server; name a directory of this machine in SLUICE_DIR, such as one of your "
          "own in /dev/shm, or on a local disk");
}

}  // namespace sluice::os
