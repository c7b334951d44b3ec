#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::detail {

/// What a subscription is called that outlives the process of its subscriber. 24 bytes of a seat, padded with zeroes; none: all
/// of them.
class subscription_name {
 public:
  static constexpr std::size_t max_bytes = 24;
  using words = std::array<std::uint64_t, max_bytes / 8>;

  constexpr subscription_name() noexcept = default;
  /// @throws error bad_name: not 1 to 24 of A-Z a-z 0-9 . _ -, the first a letter or a digit.
  explicit subscription_name(std::string_view text);
  /// As they stand in a seat: input.
  constexpr explicit subscription_name(const words& as_stored) noexcept : words_(as_stored) {}

  /// Whether it may be one: of those that stand in a seat.
  [[nodiscard]] bool is_legal() const noexcept;
  [[nodiscard]] constexpr bool is_none() const noexcept { return words_[0] == 0; }
  [[nodiscard]] constexpr const words& as_stored() const noexcept { return words_; }
  /// For people: what no name may contain is shown as '?'.
  [[nodiscard]] std::string text() const;

  friend constexpr bool operator==(const subscription_name&, const subscription_name&) noexcept = default;

 private:
  words words_{};
};

}  // namespace sluice::detail
