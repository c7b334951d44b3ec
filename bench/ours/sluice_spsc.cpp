// The library's SPSC ring, through the typed channel.
#include "harness/blocking.hpp"
#include "harness/transports.hpp"
#include "ours/sluice_link.hpp"

namespace sluice_bench {
namespace {

template <std::size_t message_bytes>
using spsc_in_place = sluice_in_place<message_bytes, sluice::spsc_ring, memory_kind::file>;
template <std::size_t message_bytes>
using spsc_in_place_anonymous = sluice_in_place<message_bytes, sluice::spsc_ring, memory_kind::anonymous>;
template <std::size_t message_bytes>
using spsc_in_place_zero = sluice_in_place<message_bytes, sluice::spsc_ring, memory_kind::zero>;
#ifdef SLUICE_BENCH_HAS_MEMFD
template <std::size_t message_bytes>
using spsc_in_place_memfd = sluice_in_place<message_bytes, sluice::spsc_ring, memory_kind::memfd>;
const registered<spsc_in_place_memfd> memfd_entry{"sluice:spsc memfd", origin::sluice};
#endif
template <std::size_t message_bytes>
using spsc_beside_500_idle = sluice_beside_idle_channels<message_bytes, 500>;
template <std::size_t message_bytes>
using spsc_by_copy = sluice_by_copy<message_bytes, sluice::spsc_ring>;
template <std::size_t message_bytes>
using spsc_spinning = sluice_waiting<message_bytes, sluice::spsc_ring, sluice::busy_spin>;
template <std::size_t message_bytes>
using spsc_sleeping_late = sluice_waiting<message_bytes, sluice::spsc_ring, sluice::spin_then_park>;
template <std::size_t message_bytes>
using spsc_sleeping_at_once = sluice_waiting<message_bytes, sluice::spsc_ring, sluice::park>;

const registered<spsc_in_place> in_place_entry{"sluice:spsc", origin::sluice};
const registered<spsc_in_place_anonymous> anonymous_entry{"sluice:spsc anonymous", origin::sluice};
const registered<spsc_in_place_zero> zero_entry{"sluice:spsc /dev/zero", origin::sluice};
const registered<spsc_beside_500_idle> beside_idle_entry{"sluice:spsc + 500 channels", origin::sluice};
const registered<spsc_by_copy> by_copy_entry{"sluice:spsc copy", origin::sluice};
const registered<spsc_spinning> spinning_entry{"sluice:spsc busy_spin", origin::sluice};

const registered_blocking<spsc_spinning> spinning_blocking_entry{"sluice:spsc busy_spin", origin::sluice};
const registered_blocking<spsc_sleeping_late> sleeping_late_entry{"sluice:spsc spin_then_park", origin::sluice};
const registered_blocking<spsc_sleeping_at_once> sleeping_at_once_entry{"sluice:spsc park", origin::sluice};

}  // namespace
}  // namespace sluice_bench
