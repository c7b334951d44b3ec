#include "sluice/seat/process_mark.hpp"

#include "os/file.hpp"
#include "os/mapping.hpp"
#include "os/process.hpp"

namespace sluice {

process_mark process_mark::here() {
  static const auto* const mapped =
      new os::mapping(os::mapping::wiped_at_fork(os::kernel_page_bytes()));  // lives as long as the process
  auto& word = *reinterpret_cast<std::atomic<std::uint64_t>*>(mapped->bytes().data());
  auto value = word.load(std::memory_order_relaxed);  // only ever compared for equality
  if (value == 0) {
    const auto fresh = os::random_word() | 1;
    if (word.compare_exchange_strong(value, fresh, std::memory_order_relaxed)) value = fresh;
  }
  return {&word, value};
}

}  // namespace sluice
