#pragma once

#include "sluice/base/language.hpp"

#include "sluice/base/error.hpp"
