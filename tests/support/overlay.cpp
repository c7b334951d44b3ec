#include "support/overlay.hpp"

#include <sys/mount.h>
#include <sys/stat.h>

namespace sluice::detail::test {

std::unique_ptr<overlay> overlay::mount() {
  std::unique_ptr<overlay> mounted(new overlay);
  mounted->below_ = small_filesystem::tmpfs(16 * 1024);
  if (!mounted->below_) return nullptr;
  const auto& base = mounted->below_->path();
  for (const char* name : {"/low", "/up", "/work", "/merged"})
    if (::mkdir((base + name).c_str(), 0700) != 0) return nullptr;
  const auto options = "lowerdir=" + base + "/low,upperdir=" + base + "/up,workdir=" + base + "/work";
  if (::mount("overlay", (base + "/merged").c_str(), "overlay", 0, options.c_str()) != 0) return nullptr;
  mounted->path_ = base + "/merged";
  return mounted;
}

overlay::~overlay() {
  if (!path_.empty()) ::umount2(path_.c_str(), MNT_DETACH);
}

}  // namespace sluice::detail::test
