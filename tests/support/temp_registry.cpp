#include "support/temp_registry.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace sluice::detail::test {

temp_directory::temp_directory(const std::string& below) : path_(below + "/sluice-test-XXXXXX"), made_by_(::getpid()) {
  if (::mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp " + path_);
}

temp_directory::~temp_directory() {
  if (::getpid() != made_by_) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace sluice::detail::test
