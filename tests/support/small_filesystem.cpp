#include "support/small_filesystem.hpp"

#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

namespace sluice::detail::test {

std::unique_ptr<small_filesystem> small_filesystem::tmpfs(unsigned kib) {
  return of_type("tmpfs", "mode=0700,size=" + std::to_string(kib) + "k");
}

std::unique_ptr<small_filesystem> small_filesystem::of_type(const std::string& type, const std::string& options) {
  char place[] = "/tmp/sluice-mount-XXXXXX";
  if (::mkdtemp(place) == nullptr) return nullptr;
  if (::mount("none", place, type.c_str(), 0, options.c_str()) != 0) {
    ::rmdir(place);
    return nullptr;
  }
  std::unique_ptr<small_filesystem> mounted(new small_filesystem);
  mounted->path_ = place;
  return mounted;
}

small_filesystem::~small_filesystem() {
  if (path_.empty()) return;
  ::umount2(path_.c_str(), MNT_DETACH);
  ::rmdir(path_.c_str());
}

}  // namespace sluice::detail::test
