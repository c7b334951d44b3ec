#pragma once

// /proc/PID/maps and smaps, line by line: proc(5). What the lines say of paths was chosen by the processes that made the files.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>

#include "os/fd.hpp"

namespace sluice::os {

/// Calls `look(line)` for each line until it says true; whether it did. Empty when there was no line at all: it may not be
/// read, or the process has no memory any more. A line that is longer than the buffer is given as its beginning.
template <class Look>
std::optional<bool> find_line(int file, Look look) {
  char buffer[2 * 4096];
  std::size_t filled = 0;
  off_t at = 0;
  bool saw_a_line = false, is_rest_of_a_line = false;
  for (;;) {
    const auto length = ::pread(file, buffer + filled, sizeof buffer - filled, at);
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) return saw_a_line ? std::optional(false) : std::nullopt;
    filled += static_cast<std::size_t>(length);
    at += length;
    std::string_view rest(buffer, filled);
    for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      saw_a_line = true;
      if (!is_rest_of_a_line && look(rest.substr(0, end))) return true;
      is_rest_of_a_line = false;
      rest.remove_prefix(end + 1);
    }
    if (rest.size() == sizeof buffer) {
      if (!is_rest_of_a_line && look(rest)) return true;
      saw_a_line = is_rest_of_a_line = true;
      rest.remove_prefix(rest.size());
    }
    filled = rest.size();
    std::memmove(buffer, rest.data(), filled);
  }
}

template <class Look>
std::optional<bool> find_line(const char* path, Look look) {
  const auto file = fd::above_standard(::open(path, O_RDONLY | O_CLOEXEC));
  return file ? find_line(file.get(), look) : std::nullopt;
}

/// The words of "begin-end permissions offset device inode path", counted from 0. Empty where there are not so many.
[[nodiscard]] inline std::string_view word_of(std::string_view line, int index) noexcept {
  for (; !line.empty(); --index) {
    const auto end = std::min(line.find(' '), line.size());
    if (index == 0) return line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return {};
}

/// "device inode" of such a line: what lies behind it.
[[nodiscard]] inline std::string_view backing_in(std::string_view line) noexcept {
  const auto device = word_of(line, 3), inode = word_of(line, 4);
  return inode.empty()
             ? std::string_view()
             : std::string_view(device.data(), static_cast<std::size_t>(inode.data() + inode.size() - device.data()));
}

}  // namespace sluice::os
