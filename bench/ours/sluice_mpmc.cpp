// The library's MPMC ring, through the typed channel.
#include "harness/blocking.hpp"
#include "harness/many.hpp"
#include "harness/transports.hpp"
#include "ours/sluice_link.hpp"

namespace sluice_bench {
namespace {

template <std::size_t message_bytes>
using mpmc_in_place = sluice_in_place<message_bytes, sluice::mpmc_ring, memory_kind::file>;
template <std::size_t message_bytes>
using mpmc_beside_60_idle = sluice_beside_idle_seats<message_bytes, 60>;
template <std::size_t message_bytes>
using mpmc_by_copy = sluice_by_copy<message_bytes, sluice::mpmc_ring>;
template <std::size_t message_bytes>
using mpmc_spinning = sluice_waiting<message_bytes, sluice::mpmc_ring, sluice::busy_spin>;
template <std::size_t message_bytes>
using mpmc_sleeping_late = sluice_waiting<message_bytes, sluice::mpmc_ring, sluice::spin_then_park>;
template <std::size_t message_bytes>
using mpmc_sleeping_at_once = sluice_waiting<message_bytes, sluice::mpmc_ring, sluice::park>;

const registered<mpmc_in_place> in_place_entry{"sluice:mpmc", origin::sluice};
const registered<mpmc_beside_60_idle> beside_idle_entry{"sluice:mpmc + 60 idle a side", origin::sluice};
const registered<mpmc_by_copy> by_copy_entry{"sluice:mpmc copy", origin::sluice};
const registered<mpmc_spinning> spinning_entry{"sluice:mpmc busy_spin", origin::sluice};

const registered_blocking<mpmc_spinning> spinning_blocking_entry{"sluice:mpmc busy_spin", origin::sluice};
const registered_blocking<mpmc_sleeping_late> sleeping_late_entry{"sluice:mpmc spin_then_park", origin::sluice};
const registered_blocking<mpmc_sleeping_at_once> sleeping_at_once_entry{"sluice:mpmc park", origin::sluice};

const registered_many<mpmc_in_place> in_place_many_entry{"sluice:mpmc", origin::sluice};
const registered_many<mpmc_spinning> spinning_many_entry{"sluice:mpmc busy_spin", origin::sluice};
const registered_many<mpmc_sleeping_late> sleeping_late_many_entry{"sluice:mpmc spin_then_park", origin::sluice};

}  // namespace
}  // namespace sluice_bench
