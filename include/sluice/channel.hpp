#pragma once

// Umbrella of the channel room, and all that most users need: typed channels between processes.

#include "sluice/base/language.hpp"

#include "sluice/channel/channel.hpp"
#include "sluice/channel/consumer.hpp"
#include "sluice/channel/duplex.hpp"
#include "sluice/channel/options.hpp"
#include "sluice/channel/producer.hpp"
#include "sluice/error.hpp"
#include "sluice/wait.hpp"
