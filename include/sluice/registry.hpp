#pragma once

// Umbrella of the registry room: names for segments, without a daemon.

#include "sluice/base/language.hpp"

#include "sluice/channel/observer.hpp"
#include "sluice/registry/attached_segment.hpp"
#include "sluice/registry/registry.hpp"
#include "sluice/registry/segment_info.hpp"
#include "sluice/registry/segment_name.hpp"
