#pragma once

// Estimates whether another runnable thread shares the processor on which this one polls. The kernel cannot be asked cheaply,
// and where this thread may run says nothing of where its partner does, so timing is the evidence. It matters twice: alone
// on a core a yield is a system call for nothing; on a shared one every turn of polling is the partner's time.

#include <cstdint>

namespace sluice::detail {

/// What a polling thread has seen of it. One thread at a time; private to its process.
class shared_core {
 public:
  /// Something happened as it would if the core was shared: yields are tried until enough of them were for nothing.
  void suspect() noexcept { yields_left_ = yields_for_nothing; }
  /// A yield took this long.
  void yielded_for(std::uint64_t took_ns) noexcept {
    if (took_ns >= switch_ns)
      suspect();
    else if (yields_left_ != 0)
      --yields_left_;
  }
  /// Between two looks at the clock that lie one turn of polling apart.
  void turn_took(std::uint64_t took_ns) noexcept {
    if (took_ns >= interruption_ns) suspect();
  }
  [[nodiscard]] bool is_likely() const noexcept { return yields_left_ != 0; }

 private:
  static constexpr std::uint64_t switch_ns = 2'000;  // to another process and back; a yield alone takes 0.3 to 1 us
  static constexpr std::uint64_t interruption_ns = 100'000;  // no interrupt takes so long: another thread ran
  static constexpr std::uint32_t yields_for_nothing = 4;
  std::uint32_t yields_left_ = 0;
};

}  // namespace sluice::detail
