#pragma once

// Umbrella of the segment room: memory that processes share.

#include "sluice/segment/anonymous_segment.hpp"
#include "sluice/segment/file_segment.hpp"
#include "sluice/segment/segment.hpp"
#include "sluice/segment/zero_segment.hpp"
