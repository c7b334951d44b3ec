// What may not travel is refused while compiling, in words; what does not fit is refused at attach.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "sluice/channel.hpp"
#include "sluice/detail/part/mpmc/mpmc_ring.hpp"
#include "sluice/registry.hpp"
#include "support/temp_registry.hpp"
#include "support/watchdog.hpp"

namespace sluice::detail::test {
namespace {

/// Compiles a program around `statement` with this build's kind of compiler; all that it said, empty on success.
std::string compile(const std::string& statement) {
  const temp_directory directory;
  const auto source = directory / "program.cpp";
  std::ofstream(source) << "#include <sluice/channel.hpp>\n#include <string>\n#include <vector>\n"
                           "struct plain { int number; };\n"
                           "struct owner { std::string text; };\n"
                           "struct with_virtual { virtual ~with_virtual(); int number; };\n"
                           "int main() { "
                        << statement << " }\n";
  const auto include = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path() / "include";
#ifdef __clang__
  const std::string compiler = "clang++-14";
#else
  const std::string compiler = "g++";
#endif
  const auto command = compiler + " -std=c++20 -fsyntax-only -I" + include.string() + " " + source + " 2>&1";
  std::string said;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::array<char, 4096> part;
  while (const auto length = std::fread(part.data(), 1, part.size(), pipe)) said.append(part.data(), length);
  return ::pclose(pipe) == 0 ? std::string() : said + "(failed)";
}

TEST(MessageType, APlainStructCompiles) {
  EXPECT_EQ(compile("(void)sluice::create<plain>(\"x\").producer().try_send({1});"), "");
}

TEST(MessageType, AnOwnerOfMemoryIsRefusedInWords) {
  for (const char* type : {"std::string", "std::vector<int>", "owner", "with_virtual"}) {
    const auto said = compile("(void)sluice::create<" + std::string(type) + ">(\"x\");");
    EXPECT_NE(said.find("sluice: a message must be trivially copyable"), std::string::npos) << type << "\n" << said;
  }
}

TEST(MessageType, APointerIsRefusedInWords) {
  const auto said = compile("(void)sluice::create<int*>(\"x\");");
  EXPECT_NE(said.find("sluice: a message cannot be a pointer"), std::string::npos) << said;
}

TEST(MessageType, AReferenceOrConstIsRefusedInWords) {
  for (const char* type : {"const int", "int&"}) {
    const auto said = compile("(void)sluice::create<" + std::string(type) + ">(\"x\");");
    EXPECT_NE(said.find("sluice: a message type is plain T"), std::string::npos) << type << "\n" << said;
  }
}

struct first {
  std::uint64_t a;
};
struct second {
  std::uint64_t a;
};

template <class Call>
errc reason_of(Call&& call, std::string& text) {
  try {
    call();
  } catch (const error& problem) {
    text = problem.what();
    return problem.reason();
  }
  return errc{};
}

TEST(MessageType, AttachingWithAnotherTypeNamesBoth) {
  watchdog dog;
  temp_registry names;
  const auto made = channel<first>::create(*names, segment_name("typed"), {});
  std::string text;
  EXPECT_EQ(reason_of([&] { (void)channel<second>::attach(*names, segment_name("typed")); }, text), errc::wrong_type);
  EXPECT_NE(text.find("first"), std::string::npos) << text;
  EXPECT_NE(text.find("second"), std::string::npos) << text;
  EXPECT_EQ(reason_of([&] { (void)channel<second>::create_or_attach(*names, segment_name("typed")); }, text),
            errc::wrong_type);
}

TEST(MessageType, AttachingWithAnotherRingKindNamesBoth) {
  watchdog dog;
  temp_registry names;
  const auto made = channel<first>::create(*names, segment_name("typed"), {});
  std::string text;
  EXPECT_EQ(reason_of([&] { (void)channel<first, mpmc_ring>::attach(*names, segment_name("typed")); }, text),
            errc::wrong_kind);
  EXPECT_NE(text.find("spsc"), std::string::npos) << text;
  EXPECT_NE(text.find("mpmc"), std::string::npos) << text;
}

TEST(MessageType, AttachingToNothingSaysSo) {
  watchdog dog;
  temp_registry names;
  std::string text;
  EXPECT_EQ(reason_of([&] { (void)channel<first>::attach(*names, segment_name("nothing")); }, text), errc::not_found);
  EXPECT_NE(text.find("nothing"), std::string::npos) << text;
}

TEST(MessageType, AnExistingNameIsNotMadeAgain) {
  watchdog dog;
  temp_registry names;
  const auto made = channel<first>::create(*names, segment_name("typed"), {});
  std::string text;
  EXPECT_EQ(reason_of([&] { (void)channel<first>::create(*names, segment_name("typed"), {}); }, text),
            errc::already_exists);
}

TEST(MessageType, OptionsOutOfRangeAreRefused) {  // scenario 1
  watchdog dog;
  std::string text;
  for (const std::uint64_t capacity : {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{1000}, std::uint64_t{1} << 33})
    EXPECT_EQ(reason_of([&] { (void)channel<first>::create_unnamed({.capacity_slots = capacity}); }, text),
              errc::bad_argument)
        << capacity;
  EXPECT_EQ(reason_of([&] { (void)channel<first>::create_unnamed({.producer_seats = 2}); }, text), errc::bad_argument);
}

TEST(MessageType, ADefaultCapacityIsFoundForEverySize) {
  watchdog dog;
  struct large {
    std::byte bytes[100'000];
  };
  EXPECT_GE(channel<first>::create_unnamed().capacity_slots(), 1024U);
  EXPECT_GE(channel<large>::create_unnamed().capacity_slots(), 8U);
}

}  // namespace
}  // namespace sluice::detail::test
