#pragma once

// Included first by every header that users open, so that an older language ends in one sentence instead of in hundreds
// of errors about templates: #error alone does not end a compilation, a header that is not there does.

#if __cplusplus < 202002L
#error "sluice needs C++20: compile with -std=c++20 (g++ 12 and clang 14 use C++17 unless told otherwise)"
#include "-std=c++20"
#endif
