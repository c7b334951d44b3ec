#include "os/filesystem.hpp"

#include <sys/vfs.h>

#include <cstdint>
#include <cstdio>

namespace sluice::os {
namespace {

struct known {
  std::uint32_t magic;
  const char* name;
  std::optional<bool> survives_reset;
  bool blocks_are_memory = false;
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
    {0x6969, "nfs", {}},
    {0xff534d42, "cifs", {}},
    {0xfe534d42, "smb2", {}},
    {0x01021997, "9p", {}},
    {0x65735546, "fuse", {}},
    {0x00c36400, "ceph", {}},
};

}  // namespace

filesystem_facts filesystem_of(int file) {
  struct statfs s {};
  if (::fstatfs(file, &s) != 0) return {"not known", {}};
  const auto magic = static_cast<std::uint32_t>(s.f_type);
  for (const auto& one : all)
    if (one.magic == magic) return {one.name, one.survives_reset, one.blocks_are_memory};
  char text[2 + 8 + 1];
  std::snprintf(text, sizeof text, "0x%x", magic);
  return {text, {}};
}

}  // namespace sluice::os
