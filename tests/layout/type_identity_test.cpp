#include "sluice/layout/type_identity.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>

namespace one {
struct quote {
  std::uint64_t id;
};
}  // namespace one
namespace two {
struct quote {
  std::uint64_t id;
};
}  // namespace two
namespace named {
struct a {
  std::uint64_t id;
};
struct b {
  std::uint64_t id;
};
struct b_next {
  std::uint64_t id;
};
struct wide {
  std::uint64_t id[2];
};
struct alignas(16) aligned {
  std::uint64_t id[2];
};
}  // namespace named
namespace generic {
struct red {};
struct blue {};
template <class Array, class Colour>
struct box {
  Array values;
};
}  // namespace generic

template <>
struct sluice::message_traits<named::a> {
  static constexpr std::string_view name = "acme.message";
  static constexpr std::uint64_t version = 1;
};
template <>
struct sluice::message_traits<named::b> {
  static constexpr std::string_view name = "acme.message";
  static constexpr std::uint64_t version = 1;
};
template <>
struct sluice::message_traits<named::b_next> {
  static constexpr std::string_view name = "acme.message";
  static constexpr std::uint64_t version = 2;
};
template <>
struct sluice::message_traits<named::wide> {
  static constexpr std::string_view name = "acme.message";
  static constexpr std::uint64_t version = 1;
};
template <>
struct sluice::message_traits<named::aligned> {
  static constexpr std::string_view name = "acme.message";
  static constexpr std::uint64_t version = 1;
};

namespace sluice {
namespace {

TEST(TypeIdentity, OfOneTypeIsOneIdentity) {
  EXPECT_EQ(identity_of<one::quote>().hash, identity_of<one::quote>().hash);
  EXPECT_EQ(identity_of<one::quote>().name, "one::quote");
  EXPECT_EQ(identity_of<one::quote>().message_bytes, 8U);
  EXPECT_EQ(identity_of<one::quote>().message_alignment, 8U);
}

TEST(TypeIdentity, TellsTwoNamespacesApart) {
  EXPECT_NE(identity_of<one::quote>().hash, identity_of<two::quote>().hash);
}

TEST(TypeIdentity, OfTwoTypesWithOneChosenNameAndVersionIsTheSame) {
  EXPECT_EQ(identity_of<named::a>().hash, identity_of<named::b>().hash);
}

TEST(TypeIdentity, TellsVersionsApart) { EXPECT_NE(identity_of<named::b>().hash, identity_of<named::b_next>().hash); }

TEST(TypeIdentity, TellsSizesApart) { EXPECT_NE(identity_of<named::b>().hash, identity_of<named::wide>().hash); }

TEST(TypeIdentity, TellsAlignmentsApart) {
  EXPECT_NE(identity_of<named::wide>().hash, identity_of<named::aligned>().hash);
}

TEST(TypeIdentity, TellsTemplateArgumentsBehindAnArrayApart) {
  using red = generic::box<int[3], generic::red>;
  using blue = generic::box<int[3], generic::blue>;
  EXPECT_NE(identity_of<red>().hash, identity_of<blue>().hash) << identity_of<red>().name;
}

TEST(TypeIdentity, BuiltInTypesHaveTheSameNameEverywhere) {
  EXPECT_EQ(identity_of<bool>().name, "bool");
  EXPECT_EQ(identity_of<char>().name, "byte");
  EXPECT_EQ(identity_of<std::byte>().name, "byte");
  EXPECT_EQ(identity_of<std::int8_t>().name, "i8");
  EXPECT_EQ(identity_of<std::uint8_t>().name, "u8");
  EXPECT_EQ(identity_of<std::int16_t>().name, "i16");
  EXPECT_EQ(identity_of<std::uint32_t>().name, "u32");
  EXPECT_EQ(identity_of<std::uint64_t>().name, "u64");
  EXPECT_EQ(identity_of<unsigned long long>().name, "u64");
  EXPECT_EQ(identity_of<float>().name, "f32");
  EXPECT_EQ(identity_of<double>().name, "f64");
  EXPECT_EQ(identity_of<long long>().hash, identity_of<std::int64_t>().hash);
}

}  // namespace
}  // namespace sluice
