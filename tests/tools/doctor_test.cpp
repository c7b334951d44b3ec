// doctor: every finding is provoked, by facts of a machine that is worse than this one, and by files below another root.

#include <sys/mount.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "support/small_filesystem.hpp"
#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

class Doctor : public Cli {
 protected:
  /// A machine that nothing is wrong with.
  [[nodiscard]] json sound() const {
    auto facts = json::parse(run({"doctor", "--json"}).out)["facts"];
    facts.update({{"kernel_release", "6.1.0"},
                  {"has_proc", true},
                  {"has_membarrier", true},
                  {"has_futex_waitv", true},
                  {"clock_source", "tsc"},
                  {"shmem_huge_pages", "advise"},
                  {"huge_pages_total", 8},
                  {"huge_pages_free", 8},
                  {"memlock_bytes", ~0ULL},
                  {"open_files", 1024},
                  {"file_size_bytes", ~0ULL},
                  {"has_systemd", true},
                  {"removes_ipc", true},
                  {"lingers", true},
                  {"uid", 1000},
                  {"directory", "/dev/shm/s"},
                  {"is_tmpfs", true},
                  {"is_default_directory", true},
                  {"directory_exists", true},
                  {"directory_is_link", false},
                  {"directory_mode", 0700},
                  {"directory_uid", 1000},
                  {"directory_is_writable", true},
                  {"filesystem_bytes", 1ULL << 30},
                  {"available_bytes", 1ULL << 29},
                  {"inodes", 1000},
                  {"available_inodes", 900},
                  {"is_overlay", false},
                  {"memory_max_bytes", ~0ULL},
                  {"memory_available_bytes", ~0ULL},
                  {"skipped_names", 0},
                  {"dead_names", 0},
                  {"broken_names", 0}});
    return facts;
  }
  [[nodiscard]] outcome judge(const json& facts) const {
    const auto path = files_ / "facts.json";
    write_all(path, facts.dump());
    return run({"doctor", "--json", "--facts", path});
  }
  static json finding(const outcome& end, const std::string& about) {
    const auto said = json::parse(end.out);
    for (const auto& one : said["findings"])
      if (one["about"] == about) return one;
    ADD_FAILURE() << about << "\n" << end;
    return {};
  }
};

TEST_F(Doctor, NothingIsWrongWithASoundMachine) {
  const auto end = judge(sound());
  EXPECT_EQ(end.code, 0) << end;
  const auto said = json::parse(end.out);
  EXPECT_EQ(said["worst"], "ok") << end;
  EXPECT_EQ(said["findings"].size(), 19U);
}

TEST_F(Doctor, EachFindingIsSaidWithItsSeverityAndExitCode) {
  struct row {
    json change;
    const char* about;
    const char* severity;
  };
  const std::vector<row> rows{
      {{{"has_proc", false}}, "proc", "warning"},
      {{{"kernel_release", "4.13.9"}}, "kernel", "error"},
      {{{"kernel_release", "?"}}, "kernel", "note"},
      {{{"has_membarrier", false}}, "membarrier", "warning"},
      {{{"has_futex_waitv", false}}, "futex_waitv", "note"},
      {{{"clock_source", "hpet"}}, "clock", "warning"},
      {{{"clock_source", ""}}, "clock", "note"},
      {{{"filesystem_bytes", 0}}, "space", "error"},
      {{{"available_bytes", 4096}}, "space", "error"},
      {{{"available_bytes", 90 << 20}}, "space", "warning"},
      {{{"filesystem_bytes", 64 << 20}, {"available_bytes", 63 << 20}}, "space", "warning"},
      {{{"is_tmpfs", false}}, "filesystem", "warning"},
      {{{"is_tmpfs", false}, {"is_overlay", true}}, "filesystem", "warning"},
      {{{"available_inodes", 0}}, "inodes", "error"},
      {{{"available_inodes", 3}}, "inodes", "warning"},
      {{{"inodes", 0}, {"available_inodes", 0}}, "inodes", "ok"},
      {{{"memory_max_bytes", 1 << 30}, {"memory_available_bytes", 1 << 29}}, "memory_max", "note"},
      {{{"memory_max_bytes", 1 << 30}, {"memory_available_bytes", 1 << 20}}, "memory_max", "warning"},
      {{{"memlock_bytes", 8 << 20}}, "memlock", "note"},
      {{{"kernel_release", "5.13.19"}}, "prefault", "note"},
      {{{"open_files", 64}}, "open_files", "warning"},
      {{{"file_size_bytes", 1 << 20}}, "file_size", "warning"},
      {{{"file_size_bytes", 1 << 30}}, "file_size", "note"},
      {{{"huge_pages_free", 0}}, "huge_pages", "note"},
      {{{"huge_pages_free", 0}, {"huge_pages_total", 0}}, "huge_pages", "note"},
      {{{"shmem_huge_pages", "never"}}, "shmem_thp", "note"},
      {{{"lingers", false}}, "remove_ipc", "warning"},
      {{{"lingers", false}, {"uid", 999}, {"directory_uid", 999}}, "remove_ipc", "ok"},
      {{{"lingers", false}, {"directory", "/run/s"}}, "remove_ipc", "ok"},
      {{{"lingers", false}, {"removes_ipc", false}}, "remove_ipc", "ok"},
      {{{"lingers", false}, {"has_systemd", false}}, "remove_ipc", "ok"},
      {{{"directory_exists", false}}, "directory", "ok"},
      {{{"directory_is_link", true}}, "directory", "error"},
      {{{"directory_uid", 7}}, "directory", "error"},
      {{{"directory_mode", 0750}}, "directory", "error"},
      {{{"directory_mode", 0777}, {"is_default_directory", false}}, "directory", "error"},
      {{{"directory_mode", 01777}, {"is_default_directory", false}}, "directory", "note"},
      {{{"directory_mode", 0770}, {"is_default_directory", false}}, "directory", "note"},
      {{{"directory_mode", 02770}, {"is_default_directory", false}}, "directory", "ok"},
      {{{"directory_is_writable", false}}, "directory", "warning"},
      {{{"dead_names", 3}, {"dead_bytes", 12288}}, "leftovers", "warning"},
      {{{"broken_names", 1}}, "broken", "warning"},
      {{{"skipped_names", 2}}, "broken", "ok"},
  };
  for (const auto& [change, about, severity] : rows) {
    auto facts = sound();
    facts.update(change);
    const auto end = judge(facts);
    const auto said = finding(end, about);
    const std::string level = severity;
    EXPECT_EQ(said["severity"], level) << change << "\n" << said;
    EXPECT_EQ(json::parse(end.out)["worst"], level) << change << ": and nothing else is wrong\n" << end;
    EXPECT_EQ(end.code, level == "error" ? 10 : level == "warning" ? 9 : 0) << change;
    EXPECT_NE(said["what"], "") << change;
    EXPECT_EQ(said["cure"] == "", level == "ok") << change << "\n" << said;
    EXPECT_EQ(said["consequence"] == "", level == "ok") << change << "\n" << said;
  }
}

TEST_F(Doctor, WhatConcernsMemoryNamesTheOptionsOfIt) {
  auto facts = sound();
  facts.update({{"kernel_release", "5.13.19"},
                {"memlock_bytes", 65536},
                {"huge_pages_free", 0},
                {"huge_pages_total", 0},
                {"shmem_huge_pages", "never"}});
  const auto end = judge(facts);
  const std::vector<std::pair<const char*, std::vector<std::string>>> named{
      {"memlock", {"memory_options::lock_in_memory", "no_space", "CAP_IPC_LOCK"}},
      {"prefault", {"memory_options::prefault", "bad_argument"}},
      {"huge_pages", {"memory_options::huge", "huge_pages::require", "huge_pages::prefer", "no_space"}},
      {"shmem_thp", {"memory_options::huge", "huge_pages::prefer"}}};
  for (const auto& [about, words] : named)
    for (const auto& word : words)
      EXPECT_NE(finding(end, about)["consequence"].get<std::string>().find(word), std::string::npos)
          << about << " says nothing of " << word << "\n"
          << finding(end, about);
}

TEST_F(Doctor, ReadsTheSystemsFilesBelowTheRoot) {
  const auto root = files_ / "root";
  const auto put = [&](const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root / path).parent_path());
    write_all(root / path, text);
  };
  const auto facts = [&] { return json::parse(run({"doctor", "--json", "--root", root}).out)["facts"]; };
  EXPECT_EQ(facts()["has_proc"], false) << "an empty root";
  put("proc/sys/kernel/osrelease", "5.10.0-test\n");
  put("proc/meminfo", "MemTotal: 1 kB\nHugePages_Total:      12\nHugePages_Free:        5\n");
  put("proc/self/limits",
      "Limit                     Soft Limit           Hard Limit           Units\n"
      "Max file size             1048576              unlimited            bytes\n"
      "Max open files            77                   4096                 files\n"
      "Max locked memory         unlimited            unlimited            bytes\n");
  put("sys/devices/system/clocksource/clocksource0/current_clocksource", "acpi_pm\n");
  put("sys/kernel/mm/transparent_hugepage/shmem_enabled", "always within_size [advise] never deny force\n");
  put("etc/login.defs", "# UID_MIN 5\nUID_MIN\t\t\t500\n");
  const auto read = facts();
  EXPECT_EQ(read["has_proc"], true);
  EXPECT_EQ(read["kernel_release"], "5.10.0-test");
  EXPECT_EQ(read["huge_pages_total"], 12);
  EXPECT_EQ(read["huge_pages_free"], 5);
  EXPECT_EQ(read["open_files"], 77);
  EXPECT_EQ(read["file_size_bytes"], 1048576);
  EXPECT_EQ(read["memlock_bytes"], ~0ULL);
  EXPECT_EQ(read["clock_source"], "acpi_pm");
  EXPECT_EQ(read["shmem_huge_pages"], "advise");
  EXPECT_EQ(read["first_user_uid"], 500);
  EXPECT_EQ(read["has_systemd"], false);
  EXPECT_EQ(read["removes_ipc"], true) << "logind's default";
  EXPECT_EQ(read["lingers"], false);
  put("run/systemd/system/x", "");
  put("etc/systemd/logind.conf", "[Login]\n#RemoveIPC=yes\nRemoveIPC=no\n");
  put("var/lib/systemd/linger/" + std::string(::geteuid() == 0 ? "root" : ::getenv("USER")), "");
  EXPECT_EQ(facts()["has_systemd"], true);
  EXPECT_EQ(facts()["removes_ipc"], false);
  EXPECT_EQ(facts()["lingers"], true);
  put("usr/lib/systemd/logind.conf.d/50-x.conf", "RemoveIPC = yes\n");
  EXPECT_EQ(facts()["removes_ipc"], true) << "a drop-in outdoes the main file";
  put("etc/systemd/logind.conf.d/50-x.conf", "RemoveIPC = off\n");
  EXPECT_EQ(facts()["removes_ipc"], false) << "/etc outdoes /usr/lib";
}

TEST_F(Doctor, SaysWhatTheMemoryCgroupLeaves) {
  const auto root = files_ / "root";
  const auto put = [&](const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root / path).parent_path());
    write_all(root / path, text);
  };
  const auto facts = [&] { return json::parse(run({"doctor", "--json", "--root", root}).out)["facts"]; };
  put("proc/self/cgroup", "3:cpu:/x\n0::/outer/inner\n");
  put("proc/self/mountinfo", "30 20 0:26 / /cg rw,nosuid - cgroup2 cgroup2 rw\n");
  EXPECT_EQ(facts()["memory_max_bytes"], ~0ULL);
  put("cg/outer/inner/memory.max", "max\n");
  put("cg/outer/inner/memory.current", "4096\n");
  EXPECT_EQ(facts()["memory_max_bytes"], ~0ULL);
  put("cg/outer/memory.max", "1048576\n");
  put("cg/outer/memory.current", "1040384\n");
  EXPECT_EQ(facts()["memory_max_bytes"], 1048576) << "of the one above";
  EXPECT_EQ(facts()["memory_available_bytes"], 8192);
  put("proc/self/cgroup", "4:memory:/docker/a/b\n");
  put("proc/self/mountinfo", "31 20 0:27 /docker/a /v1 rw - cgroup memory rw,memory\n");
  put("v1/b/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(facts()["memory_max_bytes"], ~0ULL) << "as v1 says that there is none";
  put("v1/b/memory.limit_in_bytes", "65536\n");
  put("v1/b/memory.usage_in_bytes", "4096\n");
  EXPECT_EQ(facts()["memory_available_bytes"], 61440);
}

TEST_F(Doctor, KnowsLimitsOfItsProcessAndATmpfsWithoutInodes) {
  const auto small = small_filesystem::of_type("tmpfs", "mode=0700,nr_inodes=3");
  if (!small) GTEST_SKIP() << "mounting a tmpfs needs root";
  for (int i = 0; i < 3; ++i) write_all(small->path() + "/" + std::to_string(i), "");
  auto end = run({"--dir", small->path(), "doctor"});
  EXPECT_EQ(end.code, 10) << end;
  EXPECT_NE(end.out.find("error    inodes"), std::string::npos) << end;
  streams limited;
  limited.before = {"prlimit", "--fsize=1048576"};
  end = run({"doctor"}, limited);
  EXPECT_NE(end.out.find("size of a file: 1.0 MiB"), std::string::npos) << end;
}

TEST_F(Doctor, SaysThatADirectoryIsOnAnOverlay) {
  for (const char* folder : {"lower", "upper", "work", "merged"}) std::filesystem::create_directory(files_ / folder);
  const auto options = "lowerdir=" + (files_ / "lower").string() + ",upperdir=" + (files_ / "upper").string() +
                       ",workdir=" + (files_ / "work").string();
  const auto merged = files_ / "merged";
  if (::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0)
    GTEST_SKIP() << "mounting an overlay needs root";
  const auto end = run({"--dir", merged, "doctor"});
  ::umount2(merged.c_str(), MNT_DETACH);
  EXPECT_EQ(end.code, 9) << end;
  EXPECT_NE(end.out.find("on an overlay filesystem"), std::string::npos) << end;
}

TEST_F(Doctor, LooksAtTheRegistryAndItsFilesystem) {
  make_dead("dead", "one\n");
  make_idle("idle", "one\n");
  write_all(file("zero"), "");
  std::filesystem::permissions(registry_, std::filesystem::perms(0750));
  const auto before = read_all(file("dead"));
  const auto facts = json::parse(run({"doctor", "--json"}).out)["facts"];
  struct statvfs space {};
  ASSERT_EQ(::statvfs(registry_.c_str(), &space), 0);
  EXPECT_EQ(facts["directory"], registry_.string());
  EXPECT_EQ(facts["is_default_directory"], false);
  EXPECT_EQ(facts["directory_exists"], true);
  EXPECT_EQ(facts["directory_mode"], 0750);
  EXPECT_EQ(facts["directory_uid"], ::geteuid());
  EXPECT_EQ(facts["is_tmpfs"], true);
  EXPECT_EQ(facts["filesystem_bytes"], space.f_blocks * space.f_frsize);
  EXPECT_EQ(facts["dead_names"], 1);
  EXPECT_GT(facts["dead_bytes"], 0);
  EXPECT_EQ(facts["broken_names"], 1);
  EXPECT_TRUE(read_all(file("dead")) == before);
  const auto elsewhere = root_ / "elsewhere";
  EXPECT_EQ(json::parse(run({"doctor", "--json", "--dir", elsewhere}).out)["facts"]["directory_exists"], false);
  EXPECT_FALSE(std::filesystem::exists(elsewhere)) << "looking makes nothing";
  std::filesystem::create_directory_symlink(registry_, elsewhere);
  auto end = run({"doctor", "--dir", elsewhere});
  EXPECT_EQ(end.code, 10) << end;
  EXPECT_NE(end.out.find("error    directory"), std::string::npos) << end;
  end = run({"doctor", "--dir", (root_ / "no" / "where").string()});
  EXPECT_EQ(end.code, 10) << end;
  EXPECT_NE(end.out.find("error    space"), std::string::npos) << end;
}

TEST_F(Doctor, FactsThatAreNoneAreWrongUsage) {
  write_all(files_ / "bad", "{\"kernel_release\": 7}");
  EXPECT_EQ(run({"doctor", "--facts", files_ / "bad"}).code, 2);
  write_all(files_ / "bad", "no json");
  EXPECT_EQ(run({"doctor", "--facts", files_ / "bad"}).code, 2);
  EXPECT_EQ(run({"doctor", "--facts", files_ / "missing"}).code, 2);
}

}  // namespace
}  // namespace sluice::detail::test
