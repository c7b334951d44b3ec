#pragma once

// Umbrella of the ring room: the algorithms, over memory that the caller owns (view_memory() of segment_plan.hpp).

#include "sluice/base/language.hpp"

#include "sluice/part/mpmc/mpmc_ring.hpp"
#include "sluice/part/spsc/spsc_ring.hpp"
#include "sluice/plan/segment_plan.hpp"
#include "sluice/ring/ring_concept.hpp"
