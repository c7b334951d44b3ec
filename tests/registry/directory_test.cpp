#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/inspect.hpp"
#include "sluice/registry.hpp"
#include "support/child_process.hpp"
#include "support/disk.hpp"
#include "support/expect_error.hpp"
#include "support/seat_room.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail {
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

TEST(RegistryDirectory, WhereEveryUserMayRenameIsUnsafe) {
  const test::temp_directory parent;
  fs::create_directory(parent / "names");
  ASSERT_EQ(::chmod((parent / "names").c_str(), 0777), 0);
  const registry where(parent / "names");
  EXPECT_THAT(thrown_by([&] { (void)where.create(orders, plan); }), ThrewSaying(errc::unsafe_directory, "sticky"));
  ASSERT_EQ(::chmod((parent / "names").c_str(), 01777), 0);
  EXPECT_NO_THROW((void)where.create(orders, plan));
}

TEST(RegistryDirectory, WhereEverybodyMayRenameNamesItsOwnerAndACure) {
  const test::temp_directory parent;  // as an emptyDir of a pod: of another user, 0777, not sticky
  ASSERT_EQ(::chmod(parent.path().c_str(), 0777), 0);
  const auto refused = thrown_by([&] { (void)registry(parent.path()).create(orders, plan); });
  EXPECT_THAT(refused, ThrewSaying(errc::unsafe_directory, "of user " + std::to_string(::geteuid())));
  EXPECT_THAT(refused, ThrewSaying(errc::unsafe_directory, "mkdir -m 700 " + parent.path()));
}

TEST(RegistryDirectory, BelowOneThatMayBeSearchedAndNotReadTakesADurableChannel) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  const auto disk = test::on_a_disk();
  if (!disk) GTEST_SKIP() << "no folder on a disk: a durable channel cannot be made";
  constexpr unsigned user = 1'000'000'001;
  const test::temp_directory parent(*disk);
  ASSERT_EQ(::chmod(parent.path().c_str(), 0711), 0);
  fs::create_directory(parent / "names");
  ASSERT_EQ(::chown((parent / "names").c_str(), user, user), 0);
  ASSERT_EQ(::chmod((parent / "names").c_str(), 0700), 0);
  const auto end = child_process::fork([&] {
                     if (::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0) return 40;
                     const auto refused = thrown_by([&] {
                       (void)channel<std::uint64_t>::create(registry(parent / "names"), orders,
                                                            {.durability = durability::every(1)});
                     });
                     EXPECT_FALSE(refused.reason) << refused;
                     return 0;
                   }).wait();
  EXPECT_TRUE(end.is_success()) << end;
}

TEST(RegistryDirectory, ThatThisUserMayNotReadNamesItsOwnerAndACure) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  constexpr unsigned user = 1'000'000'001;
  const test::temp_directory theirs;  // root's, 0700
  const auto end = child_process::fork([&] {
                     if (::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0) return 40;
                     const auto refused = thrown_by([&] { (void)registry(theirs.path()).attach(orders); });
                     EXPECT_THAT(refused, ThrewSaying(errc::no_permission, "belongs to user 0, group"));
                     EXPECT_THAT(refused, ThrewSaying(errc::no_permission, "0700"));
                     EXPECT_THAT(refused, ThrewSaying(errc::no_permission, "SLUICE_DIR"));
                     return 0;
                   }).wait();
  EXPECT_TRUE(end.is_success()) << end;
}

/// A directory as /tmp, in which another user has made the name first.
struct StickyDirectory : ::testing::Test {
  static constexpr unsigned victim = 1'000'000'001, squatter = 1'000'000'002;
  test::watchdog dog;
  test::temp_registry names;

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
    ASSERT_EQ(::chmod(names.directory().c_str(), 01777), 0);
  }
  void made_by(unsigned user) const {
    (void)names->create(orders, plan, {lifetime::persistent, 0666, {}});
    ASSERT_EQ(::chown(names.path("orders").c_str(), user, user), 0);
  }
  static test::child_end as(unsigned user, const std::function<void()>& body) {
    return child_process::fork([&] {
             if (::setresgid(user, user, user) != 0 || ::setresuid(user, user, user) != 0) return 40;
             body();
             return 0;
           })
        .wait();
  }
};

TEST_F(StickyDirectory, ANameThatAnotherUserMadeFirstIsNotJoined) {
  made_by(squatter);
  const auto end = as(victim, [&] {
    const auto words = "belongs to user " + std::to_string(squatter);
    EXPECT_THAT(thrown_by([&] { (void)names->attach(orders); }), ThrewSaying(errc::no_permission, words));
    EXPECT_THAT(thrown_by([&] { (void)names->create_or_attach(orders, plan); }),
                ThrewSaying(errc::no_permission, words));
    EXPECT_THAT(thrown_by([&] { (void)observer::attach(*names, orders); }), ThrewSaying(errc::no_permission, words));
  });
  EXPECT_TRUE(end.is_success()) << end;
  EXPECT_THAT(thrown_by([&] { (void)names->attach(orders); }), Threw(errc::no_permission)) << "nor by root";
}

TEST_F(StickyDirectory, ANameOfItsOwnerOrOfTheDirectorysOwnerIsJoined) {
  made_by(victim);
  EXPECT_TRUE(as(victim, [&] { (void)names->attach(orders); }).is_success());
  ASSERT_EQ(::chown(names.path("orders").c_str(), 0, 0), 0);  // the directory is root's
  EXPECT_TRUE(as(victim, [&] { (void)names->attach(orders); }).is_success());
}

TEST(RegistryStandard, OfASetUserIdProgramIsNotItsCallersChoice) {
  if (::geteuid() != 0) GTEST_SKIP() << "making a set-user-ID program needs root";
  const test::temp_directory place("/tmp");  // /dev/shm may be mounted nosuid
  const auto program = place / "peer";
  fs::copy_file(std::string(SLUICE_PROGRAM_DIR) + "/peer_registry", program);
  ASSERT_EQ(::chmod(place.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(program.c_str(), 04755), 0);
  const auto said = [&](unsigned user) {
    ::setenv("SLUICE_DIR", "/chosen/by/the/caller", 1);
    auto child = child_process::exec("/usr/bin/setpriv",
                                     {"--reuid=" + std::to_string(user), "--clear-groups", program, "standard"});
    ::unsetenv("SLUICE_DIR");
    return child.read_line();
  };
  EXPECT_EQ(said(0), "/chosen/by/the/caller");
  EXPECT_EQ(said(65534), "/dev/shm/sluice-0");
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

TEST_F(DefaultDirectory, OfAnotherUserIsRefused) {
  fs::create_directory(path);
  ASSERT_EQ(::chown(path.c_str(), user + 1, user), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0777), 0);  // it can be entered: only the owner is wrong
  EXPECT_TRUE(expect_refused("belongs to user " + std::to_string(user + 1)).is_success());
}

TEST_F(DefaultDirectory, OfAnotherUserThatMayNotBeEnteredNamesItsOwnerAndACure) {
  fs::create_directory(path);
  ASSERT_EQ(::chown(path.c_str(), user + 1, user), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0700), 0);
  EXPECT_TRUE(expect_refused("belongs to user " + std::to_string(user + 1)).is_success());
  EXPECT_TRUE(expect_refused("name another directory in SLUICE_DIR").is_success());
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
}  // namespace sluice::detail
