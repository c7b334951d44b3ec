#include "reference/seq_slot_spsc.hpp"

#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

template <std::size_t message_bytes>
using packed_ring = seq_slot_spsc<message_bytes>;

const registered<packed_ring> seq_slot_spsc_entry{"ref:seq_slot_spsc", origin::reference};

}  // namespace
}  // namespace sluice_bench
