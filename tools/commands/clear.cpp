// sluice clear: takes names away; the only command besides send and recv that changes anything.

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>

#include "commands/commands.hpp"
#include "describe.hpp"
#include "format.hpp"
#include "output.hpp"
#include "sluice/port.hpp"

namespace sluice::tools {
namespace {

struct clear_options {
  std::string name;
  std::string subscription;
  bool dead = false;
  bool yes = false;
  bool dry_run = false;
  bool force = false;
};

/// One name that is to go.
struct candidate {
  std::string name;
  std::string why;
  std::uint64_t unread_messages = 0;
  std::uint64_t unread_bytes = 0;
  std::uint64_t topic_messages = 0;  // of topics: that a new subscriber could still get, or some more
  bool was_removed = false;
  bool is_problem = false;   // it cannot go, and `why` says so
  bool is_kept = false;      // a process came to it, and `why` says so
  bool is_not_ours = false;  // another user's, which this one may not look at or remove
};

bool is_to_go(const candidate& one) { return !one.is_problem && !one.is_not_ours && !one.is_kept; }

std::string sentence(const candidate& one) {
  auto text = fmt::format("{}: {}", one.name, one.why);
  if (one.unread_messages != 0 && is_to_go(one))
    text += fmt::format("; {} unread message(s){} {} lost", one.unread_messages,
                        one.unread_bytes != 0 ? ", " + size_text(one.unread_bytes) + "," : "",
                        one.was_removed ? "were" : "would be");
  if (one.topic_messages != 0 && is_to_go(one))
    text += fmt::format("; up to {} message(s) that new subscribers could get {} lost", one.topic_messages,
                        one.was_removed ? "were" : "would be");
  return text;
}

/// Every subscriber of a topic may have read what is there, and a new one gets it all the same.
std::uint64_t topic_messages(const segment_info& info) {
  std::uint64_t count = 0;
  for (const auto& ring : info.rings)
    if (is_topic(static_cast<ring_kind>(ring.descriptor.kind)))
      count += std::min(ring.tail, ring.descriptor.slots.capacity_slots);
  return count;
}

void require_yes(const std::string& question) {
  ask(question);
  std::string answer;
  std::getline(std::cin, answer);
  if (answer != "y" && answer != "Y" && answer != "yes")
    throw command_failure(exit_code::failed, "clear: nothing removed, as you said");
}

/// Asks on the terminal. Where there is none, --yes must say it.
void confirm(const session& common, const clear_options& options, const std::vector<candidate>& all) {
  if (options.yes) return;
  const bool is_terminal = ::isatty(STDIN_FILENO) != 0;
  std::size_t count = 0;
  for (const auto& one : all) {
    if (!is_to_go(one)) continue;
    if (is_terminal || !common.json) print_error_line(sentence(one));  // else JSON alone goes there
    ++count;
  }
  if (!is_terminal)
    throw command_failure(exit_code::usage,
                          "clear: nothing removed: standard input is no terminal to ask at; add --yes if you are sure");
  require_yes(fmt::format("Remove {}? [y/N] ", count == 1 ? "it" : fmt::format("these {}", count)));
}

void report(const session& common, const clear_options& options, const std::vector<candidate>& all) {
  if (common.json) {
    nlohmann::json names = nlohmann::json::array();
    for (const auto& one : all)
      names.push_back({{"name", one.name},
                       {"why", one.why},
                       {"is_problem", one.is_problem},
                       {"is_not_ours", one.is_not_ours},
                       {"unread_messages", one.unread_messages},
                       {"topic_messages", one.topic_messages},
                       {"was_removed", one.was_removed}});
    print_json({{"dry_run", options.dry_run}, {"names", std::move(names)}});
    return;
  }
  for (const auto& one : all) {
    if (one.is_problem) continue;
    print_line("{} {}",
               one.is_not_ours   ? "skipped"
               : one.was_removed ? "removed"
               : options.dry_run ? "would remove"
                                 : "kept",
               sentence(one));
  }
}

/// What registry::remove() would refuse, said before the question. A process that comes meanwhile is seen by remove().
void refuse_early(const located_name& located, const segment_info& info) {
  if (info.is_in_use)
    throw error(errc::in_use, fmt::format("clear \"{}\": in use: {}; end the participants first, or take away the name "
                                          "alone with --force (the processes that are attached keep the memory)",
                                          located.name.str(), participants_text(info)));
  if (info.state == segment_state::broken && info.problem_code == errc::not_a_segment)
    throw error(errc::not_a_segment,
                fmt::format("clear \"{}\": {}; remove it all the same with --force", located.name.str(), info.problem));
}

/// For a link, a FIFO or a socket, which cannot be looked at: empty.
std::optional<segment_info> look_at(const located_name& located, bool force) {
  try {
    return located.where.inspect(located.name);
  } catch (const error& problem) {
    if (!force || problem.reason() != errc::not_a_segment) throw;
    return std::nullopt;
  }
}

exit_code clear_name(const session& common, const clear_options& options) {
  const auto located = common.find(options.name);
  const auto info = look_at(located, options.force);
  if (info && !options.force) refuse_early(located, *info);
  candidate one{located.name.str(), "no segment"};
  if (info) {
    one.why = info->state == segment_state::broken ? info->problem : to_string(info->state);
    one.unread_messages = undelivered_messages(*info);
    one.unread_bytes = unread_bytes(*info);
    one.topic_messages = topic_messages(*info);
    if (info->is_in_use) one.why += ", in use: " + participants_text(*info);
  }
  if (!options.dry_run) {
    confirm(common, options, {one});
    // The answer is about what was looked at. What is no segment is removed by its name.
    one.unread_messages =
        info ? located.where.remove(*info, options.force) : located.where.remove(located.name, options.force);
    one.was_removed = true;
  }
  report(common, options, {one});
  return exit_code::done;
}

/// Of one ring of messages of one size, all whose slots sweep has looked at; a list reads none.
std::uint64_t bytes_of(const segment_info& info, std::uint64_t messages) {
  return info.rings.size() == 1 && info.rings[0].capacity_bytes == 0 ? messages * info.rings[0].descriptor.message_bytes
                                                                     : unread_bytes(info);
}

const segment_info* find(const std::vector<segment_info>& known, const std::string& name) {
  const auto found = std::find_if(known.begin(), known.end(), [&](const auto& info) { return info.name == name; });
  return found == known.end() ? nullptr : &*found;
}

candidate candidate_of(const sweep_result& found, const std::vector<segment_info>& known) {
  candidate one{found.name, found.why, found.undelivered_messages};
  one.is_problem = found.outcome == sweep_outcome::failed;
  if (const auto* info = find(known, found.name)) {
    one.unread_bytes = bytes_of(*info, one.unread_messages);
    one.topic_messages = topic_messages(*info);
  }
  return one;
}

/// What another user keeps from this one, or could only be removed by that user. A sweep passes over it.
bool is_not_ours(const segment_info& info) {
  struct stat facts {};
  if (::geteuid() == 0 || ::lstat(info.path.c_str(), &facts) != 0 || facts.st_uid == ::geteuid()) return false;
  return info.state == segment_state::dead ||
         (info.state == segment_state::broken && info.problem_code == errc::no_permission);
}

candidate not_ours(const segment_info& info) {
  struct stat facts {};
  const auto owner = ::lstat(info.path.c_str(), &facts) == 0 ? fmt::format("user {}", facts.st_uid) : "another user";
  candidate one{info.name, owner + " owns it; that user or root can look at it and clear it"};
  one.is_not_ours = true;
  return one;
}

/// What was listed, and only that: what dies while the question is being read was not in it.
exit_code clear_dead(const session& common, const clear_options& options) {
  const auto where = common.where();
  const auto found = where.sweep(true);
  const auto known = where.list();
  std::vector<candidate> all;
  all.reserve(found.size());
  for (const auto& one : found) all.push_back(candidate_of(one, known));
  for (const auto& info : known) {
    const bool is_found = std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.name == info.name; });
    if (!is_found && is_not_ours(info)) all.push_back(not_ours(info));
  }
  for (const auto& one : all)
    if (one.is_problem) spdlog::error("clear --dead: {}", sentence(one));
  const bool has_work = std::any_of(all.begin(), all.end(), is_to_go);
  if (has_work && !options.dry_run) {
    confirm(common, options, all);
    for (const auto& done : where.sweep(found)) {
      const auto one = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.name == done.name; });
      one->was_removed = done.outcome == sweep_outcome::removed;
      one->unread_messages = done.undelivered_messages;
      if (one->was_removed) continue;
      one->why = done.why;
      one->is_problem = done.outcome == sweep_outcome::failed;
      one->is_kept = !one->is_problem;
      if (one->is_problem) spdlog::error("clear --dead: {}", sentence(*one));
    }
  }
  report(common, options, all);
  const bool has_problem = std::any_of(all.begin(), all.end(), [](const auto& one) { return one.is_problem; });
  if (!has_work && !has_problem && !common.json)
    print_line("nothing to clear in {}: no dead segments{}", where.directory(),
               all.empty() ? "" : " that this user may remove");
  return has_problem ? exit_code::failed : exit_code::done;
}

/// The seat that is kept for the subscription; null: no ring has one.
const seat_report* seat_kept_for(const std::string& subscription, const segment_info& info, std::uint32_t& ring_index) {
  for (ring_index = 0; ring_index < info.rings.size(); ++ring_index)
    for (const auto& seat : info.rings[ring_index].seats)
      if (seat.subscription == subscription) return &seat;
  return nullptr;
}

exit_code clear_subscription(const session& common, const clear_options& options) {
  const auto located = common.find(options.name);
  const auto info = located.where.inspect(located.name);
  if (info.state == segment_state::broken)
    throw error(info.problem_code, fmt::format("clear \"{}\": {}", located.name.str(), info.problem));
  std::uint32_t ring_index = 0;
  const auto* const seat = seat_kept_for(options.subscription, info, ring_index);
  if (seat == nullptr)
    throw error(errc::not_found,
                fmt::format("clear \"{}\": it has no subscription \"{}\"; `sluice inspect` shows those that there are",
                            located.name.str(), options.subscription));
  const auto& ring = info.rings[ring_index];
  if (has_process(*seat))
    throw error(errc::in_use, fmt::format("clear \"{}\": {}; end that process first", located.name.str(),
                                          participant_text(ring, *seat)));
  const auto kept = seat->lag.value_or(0);
  const auto what =
      fmt::format("{}: {}; it keeps {} message(s)", located.name.str(), participant_text(ring, *seat), kept);
  if (!options.dry_run && !options.yes) {
    if (::isatty(STDIN_FILENO) == 0)
      throw command_failure(exit_code::usage,
                            "clear: nothing ended: standard input is no terminal to ask at; add --yes if you are sure");
    print_error_line(what);
    require_yes("End it? [y/N] ");
  }
  if (!options.dry_run) end_subscription(located.where.attach(located.name), options.subscription, ring_index);
  if (common.json)
    print_json({{"dry_run", options.dry_run},
                {"name", located.name.str()},
                {"subscription", options.subscription},
                {"kept_messages", kept},
                {"was_ended", !options.dry_run}});
  else
    print_line("{} {}", options.dry_run ? "would end" : "ended", what);
  return exit_code::done;
}

}  // namespace

runner add_clear(CLI::App& app, const session& common) {
  auto options = std::make_shared<clear_options>();
  auto* name = app.add_option("NAME", options->name, "A name in the registry, or a path with a slash")->type_name("");
  auto* dead = app.add_flag("--dead", options->dead,
                            "Every name that only dead processes used, and the files of creators that were killed");
  auto* force = app.add_flag("--force", options->force, "Even if it is in use, or is no segment at all");
  auto* subscription =
      app.add_option("--subscription", options->subscription,
                     "End this subscription of the topic NAME and leave the topic: senders go on that it "
                     "held up")
          ->type_name("NAME")
          ->needs(name)
          ->excludes(dead);
  force->excludes(subscription);
  app.add_flag("-y,--yes", options->yes, "Do not ask");
  app.add_flag("-n,--dry-run", options->dry_run, "Say what would be removed, and change nothing");
  name->excludes(dead);
  force->excludes(dead);
  app.footer(
      "Removes names, and with the last process that is attached the memory. What is in use is refused\n"
      "(exit 4) unless --force is given. Asks first; where there is no terminal, --yes is needed (exit 2).\n"
      "NAME is removed only if it still leads to the file that the question was about.\n"
      "Of a topic all that is still in it goes, whether subscribers have read it or not. --subscription is refused\n"
      "(exit 4) while a process has it.\n"
      "--dead skips what another user owns and this one may not look at, and says so: exit 0 when all\n"
      "that this user could clear was cleared, 1 when something was not.");
  return [&common, options] {
    if (options->dead) return clear_dead(common, *options);
    if (!options->subscription.empty()) return clear_subscription(common, *options);
    if (options->name.empty()) throw command_failure(exit_code::usage, "clear: give a NAME, or --dead");
    return clear_name(common, *options);
  };
}

}  // namespace sluice::tools
