// sluice get and sluice watch: the newest values of a latest value or a table, once or as they change.

#include <spdlog/spdlog.h>

#include <charconv>
#include <chrono>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "commands/commands.hpp"
#include "describe.hpp"
#include "interrupt.hpp"
#include "output.hpp"
#include "sluice/inspect.hpp"
#include "sluice/latest.hpp"
#include "stream.hpp"

namespace sluice::tools {
namespace {

struct value_options {
  std::string name;
  std::optional<std::string> key;
  bool is_raw = false;
  std::uint64_t count = 0;  // 0: no limit
  double timeout_s = 0;     // 0: none
};

std::string hex_of(std::span<const std::byte> bytes) {
  std::string hex;
  for (const auto byte : bytes) hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  return hex;
}

/// A key as it is written on the command line; empty: it is none of this table's.
std::optional<std::vector<std::byte>> key_from(const value_policy& form, const std::string& text) {
  std::vector<std::byte> key(form.key_bytes);
  const auto put = [&](auto number) {
    std::memcpy(key.data(), &number, key.size());  // little-endian
    return number == static_cast<decltype(number)>(0) || key_text(form, key) == text ? std::optional(key)
                                                                                     : std::nullopt;
  };
  const auto* const end = text.data() + text.size();
  switch (form.keys) {
    case key_kind::text:
      if (text.size() > key.size()) return std::nullopt;
      std::memcpy(key.data(), text.data(), text.size());
      return key;
    case key_kind::unsigned_number: {
      std::uint64_t number = 0;
      const auto read = std::from_chars(text.data(), end, number);
      return key.size() <= sizeof number && read.ec == std::errc() && read.ptr == end ? put(number) : std::nullopt;
    }
    case key_kind::signed_number: {
      std::int64_t number = 0;
      const auto read = std::from_chars(text.data(), end, number);
      return key.size() <= sizeof number && read.ec == std::errc() && read.ptr == end ? put(number) : std::nullopt;
    }
    case key_kind::bytes: break;
  }
  if (text.size() != 2 + 2 * key.size() || !text.starts_with("0x")) return std::nullopt;
  for (std::size_t i = 0; i < key.size(); ++i) {
    unsigned byte = 0;
    const auto* const at = text.data() + 2 + 2 * i;
    if (std::from_chars(at, at + 2, byte, 16).ptr != at + 2) return std::nullopt;
    key[i] = static_cast<std::byte>(byte);
  }
  return key;
}

/// A number or a text where the type is known to be one; else hexadecimal digits.
std::string value_text(const part_descriptor& part, std::span<const std::byte> value) {
  const auto as = [&]<class T>(T number) {
    if (value.size() != sizeof number) return hex_of(value);
    std::memcpy(&number, value.data(), sizeof number);
    return fmt::format("{}", number);
  };
  const std::string_view type = part.type_name;
  if (type == "i8") return as(std::int8_t());
  if (type == "i16") return as(std::int16_t());
  if (type == "i32") return as(std::int32_t());
  if (type == "i64") return as(std::int64_t());
  if (type == "u8") return as(std::uint8_t());
  if (type == "u16") return as(std::uint16_t());
  if (type == "u32") return as(std::uint32_t());
  if (type == "u64") return as(std::uint64_t());
  if (type == "f32") return as(float());
  if (type == "f64") return as(double());
  if (type != "sluice.key_text") return hex_of(value);
  const std::string_view all(reinterpret_cast<const char*>(value.data()), value.size());
  return std::string(all.substr(0, all.find('\0')));
}

class value_printer {
 public:
  value_printer(const session& common, const value_options& options, const values_watcher& from)
      : common_(common), options_(options), part_(from.descriptor()), form_(from.form()) {}

  void print(const value_bytes& one) const {
    const bool has_key = form_.key_bytes != 0;
    if (common_.json) {
      nlohmann::json value = {{"key", has_key ? nlohmann::json(key_text(form_, one.key)) : nlohmann::json()},
                              {"version", one.version},
                              {"age_ns", one.age_ns},
                              {"type_name", part_.type_name},
                              {"value", value_text(part_, one.value)},
                              {"value_hex", hex_of(one.value)}};
      print_line(dump(value, -1));
    } else if (options_.is_raw) {
      write_raw(one.value);
    } else if (has_key && !options_.key) {
      print_line("{} {}", key_text(form_, one.key), value_text(part_, one.value));
    } else {
      print_line(value_text(part_, one.value));
    }
  }

 private:
  static void write_raw(std::span<const std::byte> bytes) {
    (void)std::fwrite(bytes.data(), 1, bytes.size(), stdout);  // flush_output() says whether it got out
  }
  const session& common_;
  const value_options& options_;
  part_descriptor part_;
  value_policy form_;
};

values_watcher open_values(const session& common, const value_options& options) {
  const auto located = common.find(options.name);
  return values_watcher::watch(located.where, located.name);
}

/// The key that was asked for. @throws command_failure.
std::optional<std::vector<std::byte>> asked_key(const char* command, const value_options& options,
                                                const values_watcher& in) {
  if (!options.key) return std::nullopt;
  const auto form = in.form();
  if (form.key_bytes == 0)
    throw command_failure(exit_code::usage, fmt::format("{} \"{}\": it has one value and no keys; leave --key out",
                                                        command, options.name));
  if (auto key = key_from(form, *options.key)) return key;
  const auto* const what = form.keys == key_kind::text              ? "text"
                           : form.keys == key_kind::unsigned_number ? "a number"
                           : form.keys == key_kind::signed_number   ? "a number, perhaps below zero"
                                                                    : "0x and hexadecimal digits";
  throw command_failure(exit_code::usage, fmt::format("{} \"{}\": \"{}\" is no key of it: its keys are {} of {} bytes",
                                                      command, options.name, *options.key, what, form.key_bytes));
}

exit_code get(const session& common, const value_options& options) {
  auto in = open_values(common, options);
  const value_printer printer(common, options, in);
  const auto key = asked_key("get", options, in);
  if (key || in.form().key_bytes == 0) {
    const auto found = key ? in.try_get(*key) : in.try_get();
    if (!found)
      throw error(errc::not_found,
                  fmt::format("get \"{}\": no value was set yet{}", options.name, key ? " under that key" : ""));
    printer.print(*found);
    return exit_code::done;
  }
  for (const auto& one : in.get_all()) printer.print(one);
  return exit_code::done;
}

exit_code watch(const session& common, const value_options& options) {
  using clock = std::chrono::steady_clock;
  constexpr auto slice = std::chrono::milliseconds(100);
  const auto what = fmt::format("watch \"{}\"", options.name);
  catch_interrupts();
  auto in = open_values(common, options);
  in.end_waits_on_signals(true);
  const value_printer printer(common, options, in);
  const auto key = asked_key("watch", options, in);
  auto silent_since = clock::now();
  for (std::uint64_t printed = 0; options.count == 0 || printed < options.count;) {
    leave_if_interrupted(what);
    value_bytes one;
    switch (in.get_any_change_until(one, clock::now() + slice)) {
      case wait_result::ready:
        if (key && one.key != *key) break;
        printer.print(one);
        flush_output();
        ++printed;
        silent_since = clock::now();
        break;
      case wait_result::closed: return exit_code::done;
      case wait_result::peer_gone: spdlog::warn("{}: the writer died; waiting for a successor", what); break;
      case wait_result::timed_out:
      case wait_result::interrupted: break;
    }
    if (options.timeout_s != 0 && clock::now() - silent_since >= std::chrono::duration<double>(options.timeout_s))
      throw command_failure(exit_code::timed_out,
                            fmt::format("{}: no value changed for {} s; `sluice inspect {}` shows "
                                        "the participants",
                                        what, options.timeout_s, options.name));
  }
  return exit_code::done;
}

void add_value_options(CLI::App& app, value_options& options) {
  app.add_option("NAME", options.name, "A name in the registry, or a path with a slash")->required()->type_name("");
  app.add_option("-k,--key", options.key,
                 "Of a table: this key alone. Text, a number, or 0x and hexadecimal digits, as its keys are")
      ->type_name("KEY");
  app.add_flag("--raw", options.is_raw, "The value's bytes as they are, and nothing around them");
}

constexpr const char* how_values_look =
    "A number or a text is written as such, any other value as hexadecimal digits; of a table each line begins with\n"
    "its key, unless --key names it. --json: one object a line, with version and age. Takes no seat and no lock:\n"
    "permission to read is enough, and no process is disturbed.";

}  // namespace

runner add_get(CLI::App& app, const session& common) {
  auto options = std::make_shared<value_options>();
  add_value_options(app, *options);
  app.footer(
      std::string("Exit 3 when no value was set yet; of a table without --key all values are written, if any.\n") +
      how_values_look);
  return [&common, options] { return get(common, *options); };
}

runner add_watch(CLI::App& app, const session& common) {
  auto options = std::make_shared<value_options>();
  add_value_options(app, *options);
  add_parsed(app, "-n,--count", options->count, within(number_from, 1), "a number from 1 on", "End after N changes")
      ->type_name("N");
  add_parsed(app, "-t,--timeout", options->timeout_s, seconds_from, "seconds, such as 0.5 or 100ms",
             "Give up (exit 6) when nothing changes for so long")
      ->type_name("SECONDS");
  app.footer(
      std::string("Begins with the values that are there. One that is overwritten before it is looked at is not seen.\n"
                  "Ends (exit 0) when the writer closed it and the newest was written, or after --count.\n") +
      how_values_look);
  return [&common, options] { return watch(common, *options); };
}

}  // namespace sluice::tools
