#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace sluice::detail {

/// The least multiple of `step` that is not below `value`; `step` is not zero.
constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t step) noexcept {
  return (value + step - 1) / step * step;
}

/// The lesser of two. std::min of <algorithm>, which costs more to include than the rings.
constexpr std::uint64_t lesser(std::uint64_t a, std::uint64_t b) noexcept { return b < a ? b : a; }

/// memcpy(3), which must not be given the null of an empty span.
inline void copy_bytes(void* into, std::span<const std::byte> from) noexcept {
  if (!from.empty()) std::memcpy(into, from.data(), from.size());
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv). For names of types, not for integrity.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t hash = 0xcbf29ce484222325ULL) noexcept {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

/// `hash` continued over the eight bytes of `value`, lowest first.
constexpr std::uint64_t fnv1a(std::uint64_t value, std::uint64_t hash) noexcept {
  for (int i = 0; i < 8; ++i, value >>= 8) hash = (hash ^ (value & 0xff)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace sluice::detail
