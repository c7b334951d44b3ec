#include "reference/cached_index_spsc.hpp"

#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

const registered<cached_index_spsc> cached_index_spsc_entry{"ref:cached_index_spsc", origin::reference};

}  // namespace
}  // namespace sluice_bench
