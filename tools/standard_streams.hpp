#pragma once

namespace sluice::tools {

/// To be called first in main: puts something on those of descriptors 0, 1 and 2 that were closed when the tool was
/// started. Else the next file that is opened gets the number, and output or a log line is written over it. Reading from
/// and writing to what stands there fails with EBADF, as it would have: a missing output must not swallow messages.
void fill_missing_streams();

}  // namespace sluice::tools
