// A topic with one lossless subscriber: what a channel costs whose messages every subscriber sees.
#include "harness/many.hpp"
#include "harness/transports.hpp"
#include "ours/sluice_link.hpp"

#if __has_include("sluice/topic.hpp")  // not in every version that one may compare with
#include "sluice/topic.hpp"

namespace sluice_bench {
namespace {

using sluice::publishers;
template <std::size_t message_bytes>
using topic = sluice_in_place<message_bytes, sluice::detail::topic_ring<publishers::one>, memory_kind::file>;
template <std::size_t message_bytes>
using topic_many = sluice_in_place<message_bytes, sluice::detail::topic_ring<publishers::many>, memory_kind::file>;

const registered<topic> topic_entry{"sluice:topic", origin::sluice};
const registered<topic_many> many_entry{"sluice:topic-many", origin::sluice};
const registered_fan_out<topic> fan_out_entry{"sluice:topic", origin::sluice};
const registered_fan_out<topic_many> many_fan_out_entry{"sluice:topic-many", origin::sluice};

}  // namespace
}  // namespace sluice_bench
#endif
