// A subscriber that comes late gets what is still there. Learn: history. The messages lie in the ring until their slots are
// needed again, whether they were read or not, so history costs nothing.

#include <sluice/topic.hpp>

#include <cstdio>

struct reading {
  int number;
};

int main() try {
  const auto topic = sluice::topic<reading>::create_unnamed({.capacity_slots = 64});
  auto out = topic.publisher();
  for (int i = 0; i < 10; ++i)
    if (!out.try_send({i})) return 1;  // without subscribers nothing holds it up

  auto all = topic.subscriber(sluice::history::all());
  auto last = topic.subscriber(sluice::history::last(3));
  auto fresh = topic.subscriber();
  if (!out.try_send({10})) return 1;

  int count = 0;
  for (reading one; all.try_receive(one); ++count) std::printf("%d ", one.number);
  std::printf("\n");
  for (reading one; last.try_receive(one); ++count) std::printf("%d ", one.number);
  std::printf("\n");
  for (reading one; fresh.try_receive(one); ++count) std::printf("%d\n", one.number);
  return count == 11 + 4 + 1 ? 0 : 1;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_12_late_joiner: %s\n", problem.what());
  return 1;
}
