#include "sluice/detail/layout/type_identity.hpp"

#include <gtest/gtest.h>

#include <array>
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

namespace sluice::detail {
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

// ---- Fields ---------------------------------------------------------------------------------------------------------------

struct point {
  float x;
  int y;
  char z;
};

TEST(TypeIdentity, TellsTwoOrdersOfFieldsOfOneSizeApart) {
  struct first {
    float price;
    int quantity;
    char side;
  };
  struct second {
    int quantity;
    float price;
    char side;
  };
  EXPECT_NE(identity_of<first>().layout_hash, 0U);
  EXPECT_NE(identity_of<first>().layout_hash, identity_of<second>().layout_hash);
  EXPECT_EQ(identity_of<first>().layout_hash, identity_of<point>().layout_hash) << "the names of fields do not count";
}

TEST(TypeIdentity, TellsFieldsApartInNestedClassesAndArrays) {
  struct inner_a {
    int v;
    float w;
  };
  struct inner_b {
    float v;
    int w;
  };
  struct a {
    inner_a parts[3];
    std::array<std::uint16_t, 2> tail;
  };
  struct b {
    inner_b parts[3];
    std::array<std::uint16_t, 2> tail;
  };
  struct c {
    inner_a parts[3];
    std::array<std::int16_t, 2> tail;
  };
  EXPECT_NE(identity_of<a>().layout_hash, 0U);
  EXPECT_NE(identity_of<a>().layout_hash, identity_of<b>().layout_hash);
  EXPECT_NE(identity_of<a>().layout_hash, identity_of<c>().layout_hash);
}

struct base {
  int a;
};
struct derived : base {
  int b;
};
struct with_bits {
  unsigned a : 16;
  unsigned b : 16;
};
struct with_anonymous_union {
  int kind;
  union {
    int a;
    float b;
  };
};
struct no_default {
  no_default() = delete;
  explicit no_default(int v) : value(v) {}
  int value;
};
struct with_no_default {
  int a;
  no_default b;
  int c;
};
struct takes_anything {
  takes_anything() = default;
  template <class Other>
  takes_anything(Other&&);  // NOLINT: greedy on purpose
  int value;
};
struct with_takes_anything {
  int a;
  takes_anything b;
  int c;
};
struct __attribute__((packed)) packed {
  char a;
  int b;
};
struct with_aligned_field {
  int a;
  alignas(16) int b;
};
struct of_33_fields {
  int a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, aa, ab, ac, ad, ae, af, ag;
};

TEST(TypeIdentity, OfATypeThatCannotBeTakenApartForCertainKnowsNoFields) {
  EXPECT_EQ(identity_of<int>().layout_hash, 0U);
  EXPECT_EQ(identity_of<derived>().layout_hash, 0U);
  EXPECT_EQ(identity_of<with_bits>().layout_hash, 0U);
  EXPECT_EQ(identity_of<with_anonymous_union>().layout_hash, 0U);
  EXPECT_EQ(identity_of<with_no_default>().layout_hash, 0U);
  EXPECT_EQ(identity_of<with_takes_anything>().layout_hash, 0U);
  EXPECT_EQ(identity_of<packed>().layout_hash, 0U);
  EXPECT_EQ(identity_of<with_aligned_field>().layout_hash, 0U);
  EXPECT_EQ(identity_of<of_33_fields>().layout_hash, 0U);
}

TEST(TypeIdentity, LayoutsHaveTheSameHashFromEveryCompiler) {
  struct order {
    float price;
    int quantity;
    char side;
  };
  struct book {
    order orders[3];
    double levels[2][4];
    std::array<std::uint8_t, 5> flags;
    bool is_open;
  };
  EXPECT_EQ(identity_of<order>().layout_hash, 0xe26ae96460fdd097U);  // as g++ 12 and clang 14 have it
  EXPECT_EQ(identity_of<book>().layout_hash, 0x9b1ebbb9510ed3afU);
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
}  // namespace sluice::detail
