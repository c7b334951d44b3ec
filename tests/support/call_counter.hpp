#pragma once

#include <cstdint>
#include <functional>

namespace sluice::detail::test {

/// What `body` does in a forked child, single-threaded, counted from outside by ptrace(2).
struct counted {
  bool was_right = false;  // what body returned
  std::uint64_t calls = 0;
};

/// `prepare` runs uncounted before; what it returns is what is counted. Not counted: signals, faults, and the marks at its
/// beginning and end. @throws std::runtime_error: this process may not trace its own child.
counted count_system_calls(const std::function<std::function<bool()>()>& prepare);
/// The same where nothing is to be prepared.
counted count_system_calls_of(const std::function<bool()>& body);

}  // namespace sluice::detail::test
