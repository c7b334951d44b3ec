#pragma once

// The one table of commands. A new one is its .cpp and a row here.

#include <CLI/CLI.hpp>
#include <functional>

#include "session.hpp"

namespace sluice::tools {

/// Called once, after the command line was parsed.
using runner = std::function<exit_code()>;

runner add_list(CLI::App& app, const session& common);
runner add_inspect(CLI::App& app, const session& common);
runner add_clear(CLI::App& app, const session& common);
runner add_recover(CLI::App& app, const session& common);
runner add_doctor(CLI::App& app, const session& common);
runner add_send(CLI::App& app, const session& common);
runner add_recv(CLI::App& app, const session& common);
runner add_get(CLI::App& app, const session& common);
runner add_watch(CLI::App& app, const session& common);

struct command {
  const char* name;
  const char* summary;
  runner (*add)(CLI::App& app, const session& common);  // declares its options, returns what runs it
};

inline constexpr command commands[] = {
    {"list", "List the segments of the registry and the processes that use them", add_list},
    {"inspect", "Show one segment in detail: header, seats, slots, counters, repairs", add_inspect},
    {"clear", "Remove a name, or every name that only dead processes used", add_clear},
    {"recover", "Make a durable channel usable again after a reset of the machine", add_recover},
    {"doctor", "Check this machine for limits and settings that affect channels", add_doctor},
    {"send", "Send standard input through a channel", add_send},
    {"recv", "Write the messages of a channel to standard output", add_recv},
    {"get", "Write the newest value of a latest value, or of a table", add_get},
    {"watch", "Write each change of a latest value, or of a table", add_watch},
};

}  // namespace sluice::tools
