#pragma once

// Umbrella of the wait room: how one waits for the other side.

#include "sluice/base/language.hpp"

#include "sluice/wait/busy_spin.hpp"
#include "sluice/wait/park.hpp"
#include "sluice/wait/parking.hpp"
#include "sluice/wait/spin_then_park.hpp"
#include "sluice/wait/wait_strategy.hpp"
