#pragma once

// Umbrella of the segment room: memory that processes share.

#include "sluice/base/language.hpp"

#include "sluice/segment/adopted_segment.hpp"
#include "sluice/segment/anonymous_segment.hpp"
#include "sluice/segment/fault_guard.hpp"
#include "sluice/segment/file_segment.hpp"
#include "sluice/segment/growable_segment.hpp"
#include "sluice/segment/hand_over.hpp"
#include "sluice/segment/memfd_segment.hpp"
#include "sluice/segment/memory_limits.hpp"
#include "sluice/segment/memory_options.hpp"
#include "sluice/segment/segment.hpp"
#include "sluice/segment/zero_segment.hpp"
