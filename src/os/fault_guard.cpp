#include "os/fault_guard.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include <cerrno>
#include <memory>

#include "os/file.hpp"
#include "os/mapping.hpp"
#include "os/own_page.hpp"
#include "sluice/detail/base/bytes.hpp"
#include "sluice/detail/base/cache_line.hpp"
#include "sluice/error.hpp"

namespace sluice::os {
namespace {

constexpr std::size_t places_per_block = 48;  // what has room in our page, beside the rest

struct sigaction previous;  // what SIGBUS led to before

/// Does what the kernel would have done for the handler that was there before.
void pass_on(int number, siginfo_t* info, void* context) {
  const bool was_sent = info->si_code <= 0;  // by kill(2) and its like: no access is at fault
  const bool is_default = (previous.sa_flags & SA_SIGINFO) == 0 && previous.sa_handler == SIG_DFL;
  const bool is_ignored = (previous.sa_flags & SA_SIGINFO) == 0 && previous.sa_handler == SIG_IGN;
  if (is_ignored && was_sent) return;
  if (is_default || is_ignored) {  // the kernel does not let a fault be ignored
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    ::sigaction(number, &standard, nullptr);
    if (was_sent) ::raise(number);  // delivered on return; a fault happens again by itself
    return;
  }
  const auto chained = previous;
  if ((chained.sa_flags & static_cast<int>(SA_RESETHAND)) != 0) {
    previous.sa_handler = SIG_DFL;
    previous.sa_flags = 0;
  }
  auto mask = static_cast<const ucontext_t*>(context)->uc_sigmask;
  sigorset(&mask, &mask, &chained.sa_mask);
  if ((chained.sa_flags & SA_NODEFER) == 0) sigaddset(&mask, number);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  if ((chained.sa_flags & SA_SIGINFO) != 0)
    chained.sa_sigaction(number, info, context);
  else
    chained.sa_handler(number);
}

void on_sigbus(int number, siginfo_t* info, void* context) {
  const int saved = errno;
  const bool is_ours = info->si_code == BUS_ADRERR && catch_fault(info->si_addr);
  errno = saved;
  if (!is_ours) pass_on(number, info, context);
}

bool install() {
  struct sigaction ours {};
  ours.sa_sigaction = &on_sigbus;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigfillset(&ours.sa_mask);  // nothing may leave the handler half way by a jump
  // Read first: it must be known before ours can run.
  if (::sigaction(SIGBUS, nullptr, &previous) != 0 || ::sigaction(SIGBUS, &ours, &previous) != 0)
    throw error::from_errno(errno, "install a handler for SIGBUS");
  return true;
}

}  // namespace

struct guarded_range::place {
  std::atomic<bool> is_taken{false};
  std::atomic<bool> is_writable{true};
  std::atomic<bool> is_lost{false};
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};  // 0: nothing is guarded here

  [[nodiscard]] bool covers(std::uintptr_t address) const noexcept {
    const auto stop = end.load(std::memory_order_seq_cst);                      // GU
    return address < stop && begin.load(std::memory_order_relaxed) <= address;  // stored before the end
  }

  bool replace(words& own) noexcept;
};

/// In memory that is wiped in forked children: a child has no thread in the handler.
struct alignas(detail::cache_line_bytes) guarded_range::words {
  std::atomic<std::uint64_t> mark;
  std::atomic<std::uint32_t> handlers;
};

/// Blocks are never freed, so a handler may walk them at any moment.
struct guarded_range::block {
  place places[places_per_block];
  words* own = nullptr;
  block* next = nullptr;

  static std::atomic<block*> first;

  static std::byte* in_own_page() {
    static_assert(sizeof(own_page::first_guards) == places_per_block * sizeof(words));
    return os::own().first_guards.data();
  }
  static std::byte* in_another() {
    auto wiped = mapping::wiped_at_fork(detail::round_up(places_per_block * sizeof(words), kernel_page_bytes()));
    auto* const begin = wiped.bytes().data();
    wiped.forget();
    return begin;
  }

  static block* add() {
    static std::atomic<bool> own_page_has_room{true};
    auto fresh = std::make_unique<block>();
    fresh->own = reinterpret_cast<words*>(own_page_has_room.exchange(false, std::memory_order_relaxed) ? in_own_page()
                                                                                                       : in_another());
    fresh->next = first.load(std::memory_order_relaxed);  // the exchange compares it
    while (!first.compare_exchange_weak(fresh->next, fresh.get(), std::memory_order_release,
                                        std::memory_order_relaxed)) {  // GN
    }
    return fresh.release();
  }
};

std::atomic<guarded_range::block*> guarded_range::block::first{nullptr};

bool guarded_range::place::replace(words& own) noexcept {
  const auto from = begin.load(std::memory_order_relaxed);  // GU: the caller has seen the bounds, and is counted
  const auto to = end.load(std::memory_order_relaxed);      // likewise
  // Marked first: a thread that reads a zero finds the mark gone afterwards.
  is_lost.store(true, std::memory_order_release);                                                           // GX
  own.mark.store(0, std::memory_order_release);                                                             // GX
  const int protection = is_writable.load(std::memory_order_relaxed) ? PROT_READ | PROT_WRITE : PROT_READ;  // constant
  return ::mmap(reinterpret_cast<void*>(from), to - from, protection,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;  // our own range alone
}

bool catch_fault(const void* address) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  using block = guarded_range::block;
  for (auto* here = block::first.load(std::memory_order_acquire); here != nullptr; here = here->next) {  // GN
    for (std::size_t i = 0; i < places_per_block; ++i) {
      auto& found = here->places[i];
      if (!found.covers(at)) continue;
      auto& own = here->own[i];
      own.handlers.fetch_add(1, std::memory_order_seq_cst);  // GU
      const bool is_mended = found.covers(at) && found.replace(own);
      own.handlers.fetch_sub(1, std::memory_order_seq_cst);  // GU
      if (is_mended) return true;
    }
  }
  return false;
}

guarded_range::guarded_range(std::span<std::byte> bytes, bool writable) {
  static const bool is_installed = install();
  (void)is_installed;
  const auto take = [this](block& from) {
    for (std::size_t i = 0; i < places_per_block; ++i) {
      if (from.places[i].is_taken.exchange(true, std::memory_order_acquire)) continue;  // GP
      place_ = &from.places[i];
      words_ = &from.own[i];
      return true;
    }
    return false;
  };
  auto* from = block::first.load(std::memory_order_acquire);  // GN
  while (from != nullptr && !take(*from)) from = from->next;
  while (from == nullptr)
    if (auto* added = block::add(); take(*added)) from = added;  // else others were quicker, all 48 of them
  place_->is_lost.store(false, std::memory_order_relaxed);       // GU publishes these
  place_->is_writable.store(writable, std::memory_order_relaxed);
  words_->mark.store(0, std::memory_order_relaxed);
  const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data());
  place_->begin.store(begin, std::memory_order_relaxed);
  place_->end.store(begin + bytes.size(), std::memory_order_seq_cst);  // GU
}

guarded_range::~guarded_range() {
  place_->end.store(0, std::memory_order_seq_cst);                                // GU
  while (words_->handlers.load(std::memory_order_seq_cst) != 0) ::sched_yield();  // GU
  place_->is_taken.store(false, std::memory_order_release);                       // GP
}

bool guarded_range::is_lost() const noexcept { return place_->is_lost.load(std::memory_order_acquire); }  // GX

void guarded_range::lose() noexcept {
  if (!is_lost())
    catch_fault(reinterpret_cast<const void*>(place_->begin.load(std::memory_order_relaxed)));  // constant
}

std::atomic<std::uint64_t>& guarded_range::mark() const noexcept { return words_->mark; }

}  // namespace sluice::os
