#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace sluice {

/// A legal name of a segment: 1 to 63 bytes of [A-Za-z0-9._-], the first a letter or a digit. Nothing of it can leave the
/// registry's directory or hide in it.
class segment_name {
 public:
  /// @throws error bad_name, which says what is wrong with it.
  explicit segment_name(std::string_view text);

  [[nodiscard]] static bool is_legal(std::string_view text) noexcept;
  [[nodiscard]] const std::string& str() const noexcept { return text_; }
  auto operator<=>(const segment_name&) const = default;

 private:
  std::string text_;
};

}  // namespace sluice
