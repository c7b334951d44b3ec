// Across a border: another user, another pid namespace, another mount of the directory, a filesystem that is full.

#include <sys/mount.h>
#include <sys/stat.h>

#include "support/small_filesystem.hpp"
#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

constexpr unsigned some_group = 1;  // any but root's and 65534

class Borders : public Cli {
 protected:
  /// The registry, for root and for one group.
  void share_registry() const {
    namespace fs = std::filesystem;
    fs::permissions(root_, fs::perms(0755));
    ASSERT_EQ(::chown(registry_.c_str(), 0, some_group), 0);
    fs::permissions(registry_, fs::perms(02770));
  }
  [[nodiscard]] static streams as_member(unsigned group, streams how = {}) {
    how.as_nobody = true;
    how.group = group;
    return how;
  }
  [[nodiscard]] std::string mode_of(const std::string& name) const { return inspect(name)["mode"]; }
};

TEST_F(Borders, AnotherUserOfTheGroupTakesPartWhereTheModeSaysSo) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  share_registry();
  for (const char* ring : {"spsc", "mpmc"}) {
    auto mine = start({"recv", "shared", "--lines", "--create", "--mode", "660", "--ring", ring});
    until([&] { return !inspect("shared").is_null(); });
    EXPECT_EQ(mode_of("shared"), "0660") << "whatever the umask";
    const auto stranger = run({"send", "shared"}, as_member(65534));
    EXPECT_EQ(stranger.code, 8) << stranger;
    const auto member = run({"send", "shared", "--lines"}, as_member(some_group, with_input("from another user\n")));
    EXPECT_EQ(member.code, 0) << member;
    const auto end = mine.wait();
    EXPECT_EQ(end.code, 0) << end;
    EXPECT_EQ(end.out, "from another user\n");
  }
}

TEST_F(Borders, AChannelOfTheGroupMayBeMadeByEitherSide) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  share_registry();
  const auto made = run({"send", "theirs", "--lines", "--create", "--persistent", "--no-wait", "--mode", "0660"},
                        as_member(some_group, with_input("one\n")));
  EXPECT_EQ(made.code, 0) << made;
  const auto read = run({"recv", "theirs", "--lines"}, as_member(some_group));
  EXPECT_EQ(read.code, 0) << read;
  EXPECT_EQ(read.out, "one\n");
}

TEST_F(Borders, WithoutAModeItIsForItsOwnerAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  share_registry();
  const auto old = ::umask(0);
  make_idle("mine", "one\n");
  ::umask(old);
  EXPECT_EQ(mode_of("mine"), "0600");
  for (const char* command : {"recv", "send", "inspect"}) {
    const auto end = run({command, "mine"}, as_member(some_group));
    EXPECT_EQ(end.code, 8) << command << "\n" << end;
  }
  for (const char* mode : {"66", "0", "777", "x", "066", "10660", "460"})
    EXPECT_EQ(run({"send", "other", "--create", "--mode", mode}).code, 2) << mode;
  EXPECT_FALSE(std::filesystem::exists(file("other")));
}

TEST_F(Borders, AnotherPidNamespaceSeesWhoLivesAndWhoDied) {  // scenario 56
  streams inside = with_pipe();
  inside.before = {"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"};
  auto probe = inside;
  probe.in_is_pipe = false;
  if (run({"--version"}, probe).code != 0) GTEST_SKIP() << "a pid namespace of one's own needs root";
  auto outside = start({"recv", "orders", "--lines", "--create", "-s", "64"});
  until([&] { return !ring("orders").is_null(); });
  {
    auto producer = start({"send", "orders", "--lines"}, inside);
    producer.write_stdin("one\n");
    until_published("orders", 1);
    const auto seat = ring("orders")["seats"][0];
    EXPECT_EQ(seat["same_pid_namespace"], false);
    EXPECT_EQ(seat["pid"], 1) << "as it sees itself";
    EXPECT_EQ(seat["condition"], "alive");
    const auto text = run({"inspect", "orders"});
    EXPECT_NE(text.out.find("1 (of another pid namespace)"), std::string::npos) << text;
    // From in there, the consumer out here lives as well, and the name is not to be had.
    const auto there = run({"clear", "orders", "--yes"}, probe);
    EXPECT_EQ(there.code, 4) << there;
    producer.kill();
  }
  until([&] { return ring("orders")["seats"][0]["condition"] == "dead"; });
  until([&] { return outside.errors_so_far().find("died") != std::string::npos; });
  {
    // While the next one sits there, the repair's own words do not say of which namespace the dead one was.
    const auto successor = make_live("orders", "two\n", true);
    until([&] { return !ring("orders")["repairs"].empty(); });
    const auto text = run({"inspect", "orders"});
    EXPECT_NE(text.out.find(" 1 (not checked) "), std::string::npos) << text;
    EXPECT_NE(text.out.find(std::to_string(successor.pid()) + " (sluice) "), std::string::npos) << text;
    EXPECT_EQ(ring("orders")["repairs"][0]["mender_process"], "here");
    EXPECT_EQ(ring("orders")["repairs"][0]["dead_process"], "not_checked");
  }
  EXPECT_EQ(run({"send", "orders", "--lines"}, with_input("three\n")).code, 0);
  const auto end = outside.wait();
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.out, "one\ntwo\nthree\n");
}

TEST_F(Borders, AnotherMountOfTheDirectoryIsTheSameRegistry) {
  const auto other = root_ / "other";
  std::filesystem::create_directory(other);
  if (::mount(registry_.c_str(), other.c_str(), nullptr, MS_BIND, nullptr) != 0) GTEST_SKIP() << "mounting needs root";
  const struct unmounter {
    std::filesystem::path place;
    ~unmounter() { ::umount2(place.c_str(), MNT_DETACH); }
  } at_the_end{other};
  auto there = start({"--dir", other, "recv", "orders", "--lines", "--create"});
  until([&] { return !ring("orders").is_null(); });
  EXPECT_EQ(run({"clear", "orders", "--yes"}).code, 4) << "in use, if by another path";
  EXPECT_EQ(run({"send", "orders", "--lines"}, with_input("one\n")).code, 0);
  const auto end = there.wait();
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_EQ(end.out, "one\n");
  EXPECT_TRUE(std::filesystem::is_empty(registry_)) << "the last one out took the name, by whichever path";
}

TEST_F(Borders, AFullFilesystemIsNoSpaceAtCreationAndNeverASignal) {  // scenario 61
  const auto small = small_filesystem::tmpfs(64 << 10);
  if (!small) GTEST_SKIP() << "mounting a tmpfs needs root";
  const std::vector<std::string> where{"--dir", small->path()};
  const auto in = [&](std::vector<std::string> words) {
    words.insert(words.begin(), where.begin(), where.end());
    return words;
  };
  const auto names = [&] {
    std::vector<std::string> all;
    for (const auto& one : std::filesystem::directory_iterator(small->path())) all.push_back(one.path().filename());
    std::sort(all.begin(), all.end());
    return all;
  };
  // 64 slots of 1 MiB almost fit: the header and the seats are too much.
  auto end = run(in({"send", "much", "--create", "-s", "1048576"}), with_input("x"));
  EXPECT_EQ(end.code, 7) << end;
  EXPECT_TRUE(names().empty());
  auto before = start(in({"recv", "before", "--lines", "--create", "--ring", "mpmc", "-s", "1024"}));
  until([&] { return names().size() == 1; });
  {
    std::ofstream filler(small->path() + "/filler", std::ios::binary);
    const std::string block(4096, 'f');
    while (filler.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  const std::vector<std::string> full{"before", "filler"};
  for (const std::vector<std::string>& words : {std::vector<std::string>{"send", "late", "--create"},
                                                {"recv", "late", "--create", "--ring", "mpmc"},
                                                {"send", "late", "--create", "-s", "1", "-C", "2"}}) {
    end = run(in(words), with_input("x"));
    EXPECT_EQ(end.code, 7) << end;
    EXPECT_EQ(end.signal, 0);
    EXPECT_NE(end.err.find("no space left"), std::string::npos) << end;
    EXPECT_EQ(names(), full) << "nothing is left behind";
  }
  EXPECT_EQ(run(in({"doctor"})).code, 10);
  // What was made before has its space, every slot of it.
  std::string lines;
  for (int i = 0; i < 1000; ++i) lines += std::string(1000, static_cast<char>('a' + i % 26)) + "\n";
  end = run(in({"send", "before", "--lines"}), with_input(lines));
  EXPECT_EQ(end.code, 0) << end;
  EXPECT_TRUE(before.wait().out == lines);
}

}  // namespace
}  // namespace sluice::detail::test
