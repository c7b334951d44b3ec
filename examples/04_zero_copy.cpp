// Large messages are built and read where they lie. Learn: claim and publish, peek and release, batches of both.
// Both ends in one process, to show the calls; between two processes nothing changes.

#include <sluice/channel.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>

struct frame {
  std::uint64_t number;
  std::uint8_t pixels[640 * 480];
};

static bool check(bool holds, const char* what) {
  std::printf("%-60s %s\n", what, holds ? "yes" : "NO");
  return holds;
}

int main() try {
  const auto frames = sluice::channel<frame>::create_unnamed({.capacity_slots = 8});
  auto out = frames.producer();
  auto in = frames.consumer();
  bool good = true;

  if (auto slot = out.try_claim()) {  // a slot of the ring, not a copy
    slot->number = 0;
    std::fill(std::begin(slot->pixels), std::end(slot->pixels), std::uint8_t{7});
    slot.publish();  // one store: now it is there
  }
  if (auto slot = out.try_claim()) slot->number = 99;  // dropped without publish(): abandoned, no consumer ever sees it

  auto batch = out.try_claim_batch(4);  // up to four, in place
  for (std::uint64_t i = 0; i < batch.size(); ++i) batch[i].number = i + 1;
  batch.publish(3);  // the first three; the fourth is given back

  const frame* first_look = nullptr;
  if (auto slot = in.try_peek()) {
    first_look = &*slot;
    slot.keep();  // not released: the next peek gets it again
  }
  if (auto slot = in.try_peek()) {
    good &= check(&*slot == first_look, "kept: the same bytes at the same address");
    good &= check(slot->number == 0 && slot->pixels[0] == 7, "frame 0 with its pixels");
  }  // released here

  auto seen = in.try_peek_batch(8);
  good &= check(seen.size() == 3, "three more, the abandoned ones never came");
  good &= check(seen.size() == 3 && seen[0].number == 1 && seen[2].number == 3, "in order");
  seen.release(2);  // the rest is peeked again
  good &= check(in.try_peek()->number == 3, "the one that was not released");
  good &= check(in.empty() && out.is_drained(), "empty");
  return good ? 0 : 1;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_04_zero_copy: %s\n", problem.what());
  return 1;
}
