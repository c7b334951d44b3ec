// sluice recover: makes a durable channel whole again that a reset of the machine left, and says what was found.

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "commands/commands.hpp"
#include "output.hpp"

namespace sluice::tools {
namespace {

exit_code run(const session& common, const std::string& name) {
  const auto located = common.find(name);
  const auto report = located.where.recover(located.name);
  ring_recovery sum;
  nlohmann::json rings = nlohmann::json::array();
  for (const auto& ring : report.rings) {
    sum.kept += ring.kept;
    sum.torn += ring.torn;
    sum.missing += ring.missing;
    rings.push_back({{"kept", ring.kept}, {"torn", ring.torn}, {"missing", ring.missing}});
  }
  if (sum.torn + sum.missing != 0)
    spdlog::warn("recover \"{}\": {} message(s) were torn and {} missing: they are lost, or a consumer had them before",
                 located.name.str(), sum.torn, sum.missing);
  if (common.json)
    print_json({{"name", located.name.str()},
                {"kept", sum.kept},
                {"torn", sum.torn},
                {"missing", sum.missing},
                {"rings", std::move(rings)}});
  else
    print_line("recovered {}: {} message(s) kept, {} torn, {} missing", located.name.str(), sum.kept, sum.torn,
               sum.missing);
  return exit_code::done;
}

}  // namespace

runner add_recover(CLI::App& app, const session& common) {
  auto name = std::make_shared<std::string>();
  app.add_option("NAME", *name, "A name in the registry, or a path with a slash in it")->required()->type_name("");
  app.footer(
      "For channels made with --durability. The first attach after a reset of the machine does the same,\n"
      "and `sluice inspect` shows the counts. Kept: whole, in their order, marked as delivered before,\n"
      "since a receiver may have had them. Torn: they did not fit their checksums. Missing: they never\n"
      "reached the disk. Exit 0 whatever was lost; 4 while a living process is attached; 5 when nothing\n"
      "can be told: no channel, or one without durability. The old file is replaced in "
      "one step.");
  return [&common, name] { return run(common, *name); };
}

}  // namespace sluice::tools
