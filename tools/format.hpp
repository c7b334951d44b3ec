#pragma once

// How numbers, times, bytes and tables look to people.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::tools {

/// "512 B", "4.0 KiB".
[[nodiscard]] std::string size_text(std::uint64_t bytes);

/// "12s", "3m05s", "2h10m", "5d02h"; "?" for a time in the future or none at all.
[[nodiscard]] std::string age_text(std::uint64_t realtime_ns);
/// The same of a length of time.
[[nodiscard]] std::string duration_text(std::uint64_t ns);

/// "2024-05-01 12:00:00 UTC (3m05s ago)".
[[nodiscard]] std::string time_text(std::uint64_t realtime_ns);

/// `text`, or as much of it as fits, with "..." at the end.
[[nodiscard]] std::string shortened(std::string text, std::size_t width);

/// Sixteen bytes a line: offset, hex, ASCII.
[[nodiscard]] std::string hex_dump(std::span<const std::byte> bytes, std::string_view indent);

/// Columns as wide as their widest text, two spaces between. What is in them is made printable.
class table {
 public:
  struct column {
    std::string title;
    bool is_number = false;  // aligned to the right
  };
  explicit table(std::vector<column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> row);
  [[nodiscard]] bool is_empty() const noexcept { return rows_.empty(); }
  [[nodiscard]] std::string text(std::string_view indent = "") const;

 private:
  std::vector<column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace sluice::tools
