#pragma once

// What a key of a table may be: anything that is compared by its bytes.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "sluice/message.hpp"
#include "sluice/options.hpp"

namespace sluice::detail {

/// @throws error bad_argument: longer than `max_bytes`, or with a zero byte in it.
void require_key_text(std::string_view text, std::size_t max_bytes);

/// Text of up to N bytes, filled up with zeroes.
template <std::size_t N>
class key_text {
  static_assert(N >= 1 && N <= 1024, "sluice: a key has 1 to 1024 bytes.");

 public:
  constexpr key_text() noexcept = default;
  /// @throws error bad_argument: it is longer, or has a zero byte in it.
  key_text(std::string_view text) {
    require_key_text(text, N);
    for (std::size_t i = 0; i < text.size(); ++i) bytes_[i] = text[i];
  }
  key_text(const char* text) : key_text(std::string_view(text)) {}

  [[nodiscard]] constexpr std::string_view text() const noexcept {
    const std::string_view all(bytes_, N);
    return all.substr(0, all.find('\0'));
  }
  [[nodiscard]] constexpr bool operator==(const key_text&) const noexcept = default;
  [[nodiscard]] constexpr auto operator<=>(const key_text&) const noexcept = default;

 private:
  char bytes_[N] = {};
};

template <class Key>
struct require_key {
  static_assert(
      std::is_trivially_copyable_v<Key> && std::has_unique_object_representations_v<Key> && !std::is_pointer_v<Key>,
      "sluice: a key is compared by its bytes: take an integer, an enumeration, key_text, or a struct of these "
      "without padding.");
  static_assert(sizeof(Key) <= 1024, "sluice: a key has 1 to 1024 bytes.");
  static constexpr bool value = true;
};

template <class Key>
[[nodiscard]] const std::byte* bytes_of_key(const Key& key) noexcept {
  return reinterpret_cast<const std::byte*>(&key);
}

template <class Key>
inline constexpr bool is_key_text = false;
template <std::size_t N>
inline constexpr bool is_key_text<key_text<N>> = true;

/// How people read it.
template <class Key>
[[nodiscard]] constexpr key_kind kind_of_key() noexcept {
  if constexpr (is_key_text<Key>) {
    return key_kind::text;
  } else if constexpr (std::is_enum_v<Key>) {
    return kind_of_key<std::underlying_type_t<Key>>();
  } else if constexpr (std::is_integral_v<Key> && sizeof(Key) <= sizeof(std::uint64_t)) {
    return std::is_signed_v<Key> ? key_kind::signed_number : key_kind::unsigned_number;
  } else {
    return key_kind::bytes;
  }
}

}  // namespace sluice::detail

template <std::size_t N>
struct sluice::message_traits<sluice::detail::key_text<N>> {
  static constexpr std::string_view name = "sluice.key_text";
  static constexpr std::uint64_t version = 0;
};
