#pragma once

// Numbers as users write them on the command line, and what to say about the others.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::tools {

/// A whole number without sign; empty when it is anything else, or too large.
[[nodiscard]] std::optional<std::uint64_t> number_from(std::string_view text);

/// A number of bytes: "4096", "64k", "64K", "64KiB", "1M", "1GiB". Powers of 1024.
[[nodiscard]] std::optional<std::uint64_t> size_from(std::string_view text);

/// Seconds: "0.5", "2s", "100ms". From a millisecond to 1e9 seconds; never NaN.
[[nodiscard]] std::optional<double> seconds_from(std::string_view text);

/// Of `known` the word that `text` was probably meant to be; empty when none is near.
[[nodiscard]] std::string nearest(std::string_view text, const std::vector<std::string>& known);

/// `parse`, and within bounds.
template <class Parse>
auto within(Parse parse, std::uint64_t least, std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
  return [=](const std::string& text) -> std::optional<std::uint64_t> {
    const auto value = parse(text);
    return value && *value >= least && *value <= most ? value : std::nullopt;
  };
}

/// An option whose value `parse` reads; when that gives nothing, the error says what was expected.
template <class T, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& names, T& target, Parse parse, const std::string& expected,
                        const std::string& help) {
  return app
      .add_option_function<std::string>(
          names, [&target, parse](const std::string& text) { target = *parse(text); }, help)
      ->check(CLI::Validator(
          [parse, expected](const std::string& text) {
            return parse(text) ? std::string() : expected + ", not \"" + text + "\"";
          },
          ""));
}

}  // namespace sluice::tools
