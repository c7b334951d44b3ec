#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "sluice/registry/registry.hpp"
#include "support/child_process.hpp"
#include "support/expect_error.hpp"
#include "support/seat_room.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using test::child_process;
using test::Threw;
using test::ThrewSaying;
using test::thrown_by;

const segment_name orders("orders");
const auto plan = test::plan_with_seats(1);

std::uint32_t mode_of(const std::string& path) {
  struct stat s {};
  return ::lstat(path.c_str(), &s) == 0 ? s.st_mode & 07777 : ~0U;
}

TEST(RegistryDirectory, IsMadeForItsOwnerAloneAtFirstUse) {
  const test::temp_directory parent;
  const registry where(parent / "names");
  EXPECT_FALSE(fs::exists(where.directory()));
  (void)where.create(orders, plan);
  EXPECT_EQ(mode_of(where.directory()), 0700U);
}

TEST(RegistryDirectory, IsNotMadeByLooking) {
  const test::temp_directory parent;
  const registry where(parent / "names");
  EXPECT_TRUE(where.list().empty());
  EXPECT_TRUE(where.sweep().empty());
  EXPECT_THAT(thrown_by([&] { (void)where.attach(orders); }), Threw(errc::not_found));
  EXPECT_THAT(thrown_by([&] { (void)where.inspect(orders); }), Threw(errc::not_found));
  EXPECT_THAT(thrown_by([&] { where.remove(orders); }), Threw(errc::not_found));
  EXPECT_FALSE(fs::exists(where.directory()));
}

TEST(RegistryDirectory, InAMissingParentIsNotFound) {
  const test::temp_directory parent;
  EXPECT_THAT(thrown_by([&] { (void)registry(parent / "no/names").create(orders, plan); }), Threw(errc::not_found));
}

TEST(RegistryDirectory, WithoutANameIsRefused) {
  EXPECT_THAT(thrown_by([] { (void)registry(""); }), Threw(errc::bad_argument));
}

TEST(RegistryDirectory, TrailingSlashesDoNotMatter) { EXPECT_EQ(registry("/dev/shm/x//").directory(), "/dev/shm/x"); }

TEST(RegistryDirectory, BehindASymbolicLinkIsUnsafe) {
  const test::temp_directory parent;
  fs::create_directory(parent / "real");
  fs::create_directory_symlink(parent / "real", parent / "names");
  EXPECT_THAT(thrown_by([&] { (void)registry(parent / "names").create(orders, plan); }), Threw(errc::unsafe_directory));
  EXPECT_TRUE(fs::is_empty(parent / "real"));
}

TEST(RegistryDirectory, ThatIsAFileIsUnsafe) {
  const test::temp_directory parent;
  std::ofstream(parent / "names").close();
  EXPECT_THAT(thrown_by([&] { (void)registry(parent / "names").list(); }), Threw(errc::unsafe_directory));
}

TEST(RegistryDirectory, WhereEverybodyMayRenameIsUnsafe) {
  const test::temp_directory parent;
  fs::create_directory(parent / "names");
  ASSERT_EQ(::chmod((parent / "names").c_str(), 0777), 0);
  const registry where(parent / "names");
  EXPECT_THAT(thrown_by([&] { (void)where.create(orders, plan); }), ThrewSaying(errc::unsafe_directory, "sticky"));
  ASSERT_EQ(::chmod((parent / "names").c_str(), 01777), 0);
  EXPECT_NO_THROW((void)where.create(orders, plan));
}

/// The default directory of a user that this machine does not have and no other test takes at the same time.
struct DefaultDirectory : ::testing::Test {
  static inline const unsigned user = 1'000'000'000 + static_cast<unsigned>(::getpid());
  test::watchdog dog;
  std::string path = "/dev/shm/sluice-" + std::to_string(user);

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
    fs::remove_all(path);
  }
  void TearDown() override {
    if (::geteuid() == 0) fs::remove_all(path);
  }
  static test::child_end as_user(const std::function<int()>& body) {
    return child_process::fork([&] {
             ::unsetenv("SLUICE_DIR");
             if (::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0) return 40;
             return body();
           })
        .wait();
  }
  static test::child_end expect_refused(const std::string& words) {
    return as_user([&] {
      EXPECT_THAT(thrown_by([] { (void)registry::standard().create(orders, plan); }),
                  ThrewSaying(errc::unsafe_directory, words));
      EXPECT_THAT(thrown_by([] { (void)registry::standard().list(); }), Threw(errc::unsafe_directory));
      EXPECT_THAT(thrown_by([] { (void)registry::standard().attach(orders); }), Threw(errc::unsafe_directory));
      EXPECT_THAT(thrown_by([] { (void)registry::standard().sweep(); }), Threw(errc::unsafe_directory));
      return 0;
    });
  }
};

TEST_F(DefaultDirectory, IsOfTheUserAndMade0700) {
  EXPECT_TRUE(as_user([&] {
                EXPECT_EQ(registry::standard().directory(), path);
                (void)registry::standard().create(orders, plan);
                return 0;
              }).is_success());
  EXPECT_EQ(mode_of(path), 0700U);
}

TEST_F(DefaultDirectory, WhichAGroupMayEnterIsRefused) {
  fs::create_directory(path);
  ASSERT_EQ(::chown(path.c_str(), user, user), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0710), 0);
  EXPECT_TRUE(expect_refused("0700").is_success());
}

TEST_F(DefaultDirectory, WhichOthersMayEnterIsRefused) {
  fs::create_directory(path);
  ASSERT_EQ(::chown(path.c_str(), user, user), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0705), 0);
  EXPECT_TRUE(expect_refused("0700").is_success());
}

TEST_F(DefaultDirectory, OfSomebodyElseIsRefused) {
  fs::create_directory(path);
  ASSERT_EQ(::chown(path.c_str(), user + 1, user), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0777), 0);  // it can be entered: only the owner is wrong
  EXPECT_TRUE(expect_refused("belongs to user " + std::to_string(user + 1)).is_success());
}

TEST_F(DefaultDirectory, ThatIsASymbolicLinkIsRefused) {
  const test::temp_directory elsewhere;
  ASSERT_EQ(::chown(elsewhere.path().c_str(), user, user), 0);
  fs::create_directory_symlink(elsewhere.path(), path);
  EXPECT_TRUE(expect_refused("symbolic link").is_success());
  EXPECT_TRUE(fs::is_empty(elsewhere.path()));
}

TEST_F(DefaultDirectory, GivesWayToSluiceDir) {
  const test::temp_directory chosen;
  ASSERT_EQ(::chown(chosen.path().c_str(), user, user), 0);
  EXPECT_TRUE(as_user([&] {
                ::setenv("SLUICE_DIR", chosen.path().c_str(), 1);
                (void)registry::standard().create(orders, plan);
                return fs::exists(chosen / "orders") ? 0 : 1;
              }).is_success());
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(DefaultDirectory, IsUsedWhenSluiceDirIsEmpty) {
  EXPECT_TRUE(as_user([&] {
                ::setenv("SLUICE_DIR", "", 1);
                return registry::standard().directory() == path ? 0 : 1;
              }).is_success());
}

}  // namespace
}  // namespace sluice
