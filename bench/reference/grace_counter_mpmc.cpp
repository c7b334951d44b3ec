#include "reference/grace_counter_mpmc.hpp"

#include "harness/many.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

const registered<grace_counter_mpmc> grace_counter_mpmc_entry{"ref:grace_counter_mpmc", origin::reference};
const registered_many<grace_counter_mpmc> grace_counter_mpmc_many_entry{"ref:grace_counter_mpmc", origin::reference};

}  // namespace
}  // namespace sluice_bench
