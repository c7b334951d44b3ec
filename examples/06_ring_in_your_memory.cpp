// A ring in memory that you own: no name, no system call, no allocation. Learn: view_memory and the bare ring.
// Here two threads share a static array; a shared mapping of your own does as well.

#include <sluice/error.hpp>
#include <sluice/ring.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>

constexpr std::uint64_t samples = 1'000'000;

alignas(128) static std::byte memory[64 * 1024];  // zeroed, and all-zero is an empty ring

int main() try {
  const sluice::ring_request request{sluice::identity_of<std::uint64_t>(), {.capacity_slots = 1024}};
  std::printf("needs %d bytes\n", static_cast<int>(sluice::ring_memory_bytes(request)));
  const auto view = sluice::view_memory(memory, request);

  // One thread a side. How to wait is yours: here both yield. claimed() and peeked() are addresses in `memory`.
  std::thread producing([&] {
    sluice::spsc_ring::producer out(view, view.first_seat(sluice::role::producer));
    for (std::uint64_t next = 0; next < samples;) {
      const auto count = out.try_claim(std::min<std::uint64_t>(64, samples - next));
      for (std::uint64_t i = 0; i < count; ++i, ++next) std::memcpy(out.claimed(i), &next, sizeof next);
      if (count != 0)
        out.publish(count);
      else
        std::this_thread::yield();
    }
  });

  sluice::spsc_ring::consumer in(view, view.first_seat(sluice::role::consumer));
  std::uint64_t received = 0, wrong = 0;
  while (received < samples) {
    const auto count = in.try_peek(64);
    for (std::uint64_t i = 0; i < count; ++i, ++received) {
      std::uint64_t sample = 0;
      std::memcpy(&sample, in.peeked(i), sizeof sample);
      wrong += sample != received;
    }
    if (count != 0)
      in.release(count);
    else
      std::this_thread::yield();
  }
  producing.join();
  std::printf("%d samples, %d out of order\n", static_cast<int>(received), static_cast<int>(wrong));
  return wrong == 0 ? 0 : 1;
} catch (const sluice::error& problem) {
  std::fprintf(stderr, "example_06_ring_in_your_memory: %s\n", problem.what());  // the size or the alignment is wrong
  return 1;
}
