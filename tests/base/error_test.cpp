#include "sluice/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>

namespace sluice::detail {
namespace {

TEST(Error, EveryCodeHasANameOfItsOwn) {
  std::set<std::string> names;
  for (int code = static_cast<int>(errc::not_found); code <= static_cast<int>(errc::system_failure); ++code) {
    const std::string name = to_string(static_cast<errc>(code));
    EXPECT_NE(name, "unknown") << code;
    EXPECT_TRUE(names.insert(name).second) << name << " twice";
  }
  EXPECT_EQ(names.size(), 20U);
}

TEST(Error, ACodeThatDoesNotExistIsUnknown) { EXPECT_STREQ(to_string(static_cast<errc>(9999)), "unknown"); }

TEST(Error, KeepsItsTextAsItWasGiven) {
  const error problem(errc::in_use, "remove \"orders\": in use by pid 7");
  EXPECT_STREQ(problem.what(), "remove \"orders\": in use by pid 7");
}

TEST(Error, IsAStdSystemErrorWithOurCategory) {
  try {
    throw error(errc::truncated, "x");
  } catch (const std::system_error& problem) {
    EXPECT_EQ(problem.code(), errc::truncated);
    EXPECT_STREQ(problem.code().category().name(), "sluice");
    EXPECT_EQ(problem.code().message(), "truncated");
  }
}

TEST(Error, KeepsTheKernelsWordsOfAnErrno) {  // seeds row 11
  const auto problem = error::from_errno(EACCES, "open /dev/shm/x");
  EXPECT_STREQ(problem.what(), "open /dev/shm/x: Permission denied");
}

struct errno_row {
  int errno_value;
  errc expected;
};

class ErrnoOfSeedsRow11 : public ::testing::TestWithParam<errno_row> {};

TEST_P(ErrnoOfSeedsRow11, BecomesOneClearCode) {
  EXPECT_EQ(error::from_errno(GetParam().errno_value, "try").reason(), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Each, ErrnoOfSeedsRow11,
    ::testing::Values(errno_row{EACCES, errc::no_permission}, errno_row{EPERM, errc::no_permission},
                      errno_row{EROFS, errc::no_permission}, errno_row{ENOENT, errc::not_found},
                      errno_row{EEXIST, errc::already_exists}, errno_row{ENOSPC, errc::no_space},
                      errno_row{EDQUOT, errc::no_space}, errno_row{ENOMEM, errc::no_space},
                      errno_row{EINVAL, errc::bad_argument}, errno_row{EAGAIN, errc::system_failure},
                      errno_row{EBADF, errc::system_failure}, errno_row{ENFILE, errc::system_failure},
                      errno_row{ENODEV, errc::system_failure}, errno_row{ETXTBSY, errc::system_failure}),
    [](const auto& row) { return std::string("errno") + std::to_string(row.param.errno_value); });

}  // namespace
}  // namespace sluice::detail
