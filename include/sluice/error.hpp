#pragma once

#include "sluice/base/error.hpp"
