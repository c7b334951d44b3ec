// What the commands show and take away of a service.

#include <map>
#include <optional>

#include "sluice/registry.hpp"
#include "sluice/service.hpp"
#include "support/child_process.hpp"
#include "support/pipe_signal.hpp"
#include "tools/run_cli.hpp"

namespace sluice::detail::test {
namespace {

using nlohmann::json;

struct pair {
  int a, b;
};
using adder = service<pair, int>;

class CliService : public Cli {
 protected:
  [[nodiscard]] adder make() const { return adder::create_or_attach(file("adder").string()); }
};

TEST_F(CliService, ListAndInspectShowClientsServersAndTheServerThatHasARequest) {
  const auto link = make();
  auto client = link.client();
  auto first = link.server(), second = link.server();
  auto one = client.send({1, 2}), two = client.send({3, 4}), three = client.send({5, 6});
  auto held = second.try_receive();
  ASSERT_TRUE(held);

  const auto list = run({"list"});
  EXPECT_EQ(list.code, 0) << list;
  EXPECT_NE(list.out.find("service"), std::string::npos) << list;
  EXPECT_NE(list.out.find("client " + std::to_string(::getpid())), std::string::npos) << list;

  const auto found = ring("adder");
  EXPECT_EQ(found["kind"], "service");
  EXPECT_TRUE(found["type_name"].get<std::string>().ends_with("-> i32")) << found["type_name"];
  EXPECT_EQ(found["fill_slots"], 2) << "requests that no server has";
  std::map<std::string, int> roles;
  for (const auto& seat : found["seats"]) ++roles[seat["role"].get<std::string>()];
  EXPECT_EQ(roles, (std::map<std::string, int>{{"client", 1}, {"server", 2}}));
  ASSERT_EQ(found["holds"].size(), 1U);
  EXPECT_EQ(found["holds"][0]["role"], "server");
  EXPECT_EQ(found["holds"][0]["seat"], second.seat_index());
  EXPECT_EQ(found["holds"][0]["sequence"], 0);
}

TEST_F(CliService, ADeadServiceIsShownAndTakenAwayAndALivingOneIsNot) {
  pipe_signal ready;
  auto child = child_process::fork([&] {
    const auto link = adder::create(file("adder").string(), {.lifetime = lifetime::ephemeral});
    auto client = link.client();
    auto server = link.server();
    auto pending = client.send({1, 2});
    auto held = server.try_receive();
    if (!held || !ready.tell()) return 1;
    wait_for_the_end();
  });
  ASSERT_TRUE(ready.is_told());
  (void)run({"clear", "--dead", "--yes"});
  EXPECT_TRUE(std::filesystem::exists(file("adder"))) << "it is in use";
  child.kill();
  const auto holds = ring("adder")["holds"];
  ASSERT_EQ(holds.size(), 1U);
  EXPECT_EQ(holds[0]["condition"], "dead");
  const auto cleared = run({"clear", "--dead", "--yes"});
  EXPECT_EQ(cleared.code, 0) << cleared;
  EXPECT_FALSE(std::filesystem::exists(file("adder")));
}

TEST_F(CliService, SendAndRecvRefuseAService) {
  const auto link = make();
  for (const char* command : {"send", "recv"}) {
    const auto end = run({command, "adder"});
    EXPECT_NE(end.code, 0);
    EXPECT_NE(end.err.find("-> i32"), std::string::npos) << end;
  }
}

}  // namespace
}  // namespace sluice::detail::test
