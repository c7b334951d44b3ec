// A table of settings that processes watch while it changes. Learn: table, set, get, get_any_change, watch. A value is found by
// its key, is always whole, and the newest; a watcher gets every key that changed, and disturbs no process.

#include <sys/wait.h>
#include <unistd.h>

#include <sluice/latest.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

using key = sluice::key_text<24>;
struct setting {
  double value;
  int changes;
};
using settings = sluice::table<key, setting>;

/// Applies what it is told until the configuration is closed.
int watch(const std::string& path) {
  using namespace std::chrono_literals;
  auto in = settings::watch_for(path, 10s);  // the table may not be there yet
  int applied = 0;
  double gain = 0, limit = 0;
  key which;
  for (setting now; in.get_any_change(which, now) == sluice::wait_result::ready; ++applied)
    (which == key("gain") ? gain : limit) = now.value;
  std::printf("watcher %d applied %s changes: gain %.1f, limit %.1f\n", static_cast<int>(::getpid()),
              applied != 0 ? "some" : "no", gain, limit);
  return in.status() == sluice::wait_result::closed && gain == 10.0 && limit == 0.5 ? 0 : 1;
}

int main() try {
  const auto path = "/dev/shm/example_14_configuration." + std::to_string(::getpid());
  for (int i = 0; i < 3; ++i)
    if (::fork() == 0) std::exit(watch(path));

  const auto table = settings::create(
      path, {.keys = 100, .lifetime = sluice::lifetime::ephemeral, .mode = 0644, .wakes_watchers = true});
  auto out = table.writer();  // of any number of keys; each key has one writer at a time
  out.set("limit", {0.5, 1});
  for (int i = 1; i <= 1000; ++i) {
    out.set("gain", {i * 0.01, i});  // waits for no watcher: one that is late gets the newest alone
    if (i % 100 == 0) ::usleep(1000);
  }
  auto in = table.reader();
  const auto gain = in.get("gain");
  std::printf("gain %.1f, changed %d times, %s\n", gain.value, gain.changes,
              in.version("gain") == 1000 ? "right" : "wrong");
  out.close();
  int failed = 0, status = 0;
  while (::wait(&status) > 0) failed += status != 0 ? 1 : 0;
  return failed == 0 && gain.changes == 1000 ? 0 : 1;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_14_configuration_table: %s\n", problem.what());
  return 1;
}
