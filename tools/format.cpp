#include "format.hpp"

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <chrono>

#include "output.hpp"

namespace sluice::tools {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;
constexpr std::size_t bytes_per_line = 16;

}  // namespace

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  auto value = static_cast<double>(bytes);
  const char* unit = "B";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

std::string age_text(std::uint64_t realtime_ns) {
  const auto now =
      static_cast<std::uint64_t>(std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
  if (realtime_ns == 0 || realtime_ns > now) return "?";
  return duration_text(now - realtime_ns);
}

std::string duration_text(std::uint64_t ns) {
  const auto s = ns / ns_per_s;
  if (s < 60) return fmt::format("{}s", s);
  if (s < 3600) return fmt::format("{}m{:02}s", s / 60, s % 60);
  if (s < 86400) return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
  return fmt::format("{}d{:02}h", s / 86400, s / 3600 % 24);
}

std::string time_text(std::uint64_t realtime_ns) {
  constexpr std::uint64_t year_9999_s = 253'402'300'799;  // gmtime gives up some way beyond; the number is a stranger's
  const auto s = realtime_ns / ns_per_s;
  if (s == 0 || s > year_9999_s) return "unknown";
  return fmt::format("{:%Y-%m-%d %H:%M:%S} UTC ({} ago)", fmt::gmtime(static_cast<std::time_t>(s)),
                     age_text(realtime_ns));
}

std::string shortened(std::string text, std::size_t width) {
  if (text.size() <= width) return text;
  return text.substr(0, width - 3) + "...";
}

std::string hex_dump(std::span<const std::byte> bytes, std::string_view indent) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += bytes_per_line) {
    const auto line = bytes.subspan(at, std::min(bytes_per_line, bytes.size() - at));
    std::string hex, ascii;
    for (std::size_t i = 0; i < line.size(); ++i) {
      hex += fmt::format("{}{:02x}", i == bytes_per_line / 2 ? "  " : " ", std::to_integer<unsigned>(line[i]));
      const auto c = std::to_integer<char>(line[i]);
      ascii += c >= ' ' && c <= '~' ? c : '.';
    }
    text += fmt::format("{}{:08x} {:<49} |{}|\n", indent, at, hex, ascii);
  }
  return text;
}

void table::add(std::vector<std::string> row) {
  for (auto& cell : row) cell = printable(cell);
  rows_.push_back(std::move(row));
}

std::string table::text(std::string_view indent) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto width = columns_[i].title.size();
    for (const auto& row : rows_) width = std::max(width, row[i].size());
    widths.push_back(width);
  }
  std::string text;
  const auto add_line = [&](const auto& cell) {
    std::string line(indent);
    for (std::size_t i = 0; i < columns_.size(); ++i)
      line += (columns_[i].is_number ? fmt::format("{:>{}}", cell(i), widths[i])
                                     : fmt::format("{:<{}}", cell(i), widths[i])) +
              "  ";
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  add_line([&](std::size_t i) { return columns_[i].title; });
  for (const auto& row : rows_) add_line([&](std::size_t i) { return row[i]; });
  return text;
}

}  // namespace sluice::tools
