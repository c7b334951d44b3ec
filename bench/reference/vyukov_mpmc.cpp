#include "reference/vyukov_mpmc.hpp"

#include "harness/many.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

const registered<vyukov_mpmc> vyukov_mpmc_entry{"ref:vyukov_mpmc", origin::reference};
const registered_many<vyukov_mpmc> vyukov_mpmc_many_entry{"ref:vyukov_mpmc", origin::reference};

}  // namespace
}  // namespace sluice_bench
