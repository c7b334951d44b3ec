#include "reference/owner_slot_mpmc.hpp"

#include "harness/many.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

const registered<owner_slot_mpmc> owner_slot_mpmc_entry{"ref:owner_slot_mpmc", origin::reference};
const registered_many<owner_slot_mpmc> owner_slot_mpmc_many_entry{"ref:owner_slot_mpmc", origin::reference};

}  // namespace
}  // namespace sluice_bench
