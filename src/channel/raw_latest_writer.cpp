#include "sluice/detail/channel/raw_latest_writer.hpp"

#include <chrono>
#include <thread>

#include "part/part_kind.hpp"
#include "sluice/detail/channel/key_text.hpp"
#include "sluice/error.hpp"
#include "sluice/inspect.hpp"
#include "sluice/registry.hpp"

namespace sluice::detail {
namespace {

std::uint64_t own_word_of(const participant& owner) noexcept {
  const auto seat = owner.seat_index();
  const auto state = owner.ring().seats[seat].state.load(std::memory_order_relaxed);  // ours
  return owner_word(seat, generation_of(state));
}

/// A key is added within microseconds. One that takes longer is added by a process that is stopped.
constexpr std::uint64_t longest_adding_ns = 1'000'000'000;

/// "pid 4711 (feed, alive)".
std::string holder_text(const participant& owner, std::uint32_t seat_index) {
  for (const auto& seat : owner.seats())
    if (seat.index == seat_index) return process_text(seat);
  return "another process";
}

}  // namespace

raw_latest_writer::raw_latest_writer(const attached_segment& attached, std::uint32_t ring_index, ring_kind kind)
    : owner_(new participant(attached, ring_index, kind, role::producer, latest_seat_rules(kind), &latest_bell)),
      view_(owner_->ring(), owner_->descriptor()),
      control_(owner_->ring().control),
      own_(&words_of<latest_seat>(owner_->ring().seats[owner_->seat_index()])),
      own_word_(own_word_of(*owner_)),
      mark_(owner_->mark()),
      wakes_watchers_(latest_wakes_watchers(owner_->descriptor())) {
  owner_->require_sane(true);
  if (view_.key_bytes() == 0) {
    if (const auto taken = take_entry(view_, 0, own_word_, owner_->keeper()); taken.result == attempt::held)
      throw_held(taken);  // bytes that no writer writes: the only seat is this one's
    move_to(0);
  }
  owner_->open();
}

void raw_latest_writer::require_usable() const {
  owner_->require_here();
  throw error(errc::misuse, "write a value of " + owner_->attached().what() +
                                ": a slot of this writer is open; publish or abandon it first");
}

void raw_latest_writer::move_to(std::uint64_t entry) noexcept {
  entry_ = entry;
  slots_ = view_.slots(entry);
}

void raw_latest_writer::throw_held(const owned_by& by) const {
  throw error(errc::seat_taken, "write a value of " + owner_->attached().what() + ": it is written by " +
                                    holder_text(*owner_, by.holder) +
                                    ", and one writer at a time may; let that one end first");
}

void raw_latest_writer::throw_lost() const {
  owner_->require_sane(true);  // its seat was lost, as a rule
  throw_held({attempt::held, entry_, owner_seat(slots_.entry->owner.load(std::memory_order_relaxed))});  // for people
}

std::uint64_t raw_latest_writer::take(const std::byte* key, std::uint64_t entry) {
  owner_->require_sane(true);
  if (entry == no_entry) {
    const auto give_up_ns = monotonic_now_ns() + longest_adding_ns;
    auto added = add_key(view_, key, own_word_, owner_->keeper());
    for (; added.result == attempt::held; added = add_key(view_, key, own_word_, owner_->keeper())) {
      owner_->require_answers();
      if (monotonic_now_ns() > give_up_ns)
        throw error(errc::in_use, "add a key to " + owner_->attached().what() + ": " +
                                      holder_text(*owner_, added.holder) +
                                      " has been adding one for a second and does not go on; continue or end it");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (added.result == attempt::full)
      throw error(errc::no_space, "add a key to " + owner_->attached().what() + ": all " +
                                      std::to_string(view_.entries()) +
                                      " places have one, and keys are not removed; create the table anew with a larger "
                                      "capacity");
    entry = added.entry;
  }
  const auto taken = take_entry(view_, entry, own_word_, owner_->keeper());
  owner_->require_answers();
  if (taken.result == attempt::held) throw_held(taken);
  return entry;
}

void raw_latest_writer::ring() noexcept {
  const auto& at = owner_->ring();
  if (must_wake(*control_, role::consumer)) ring_for_sleepers(at, role::consumer, latest_bell(at));
  if (wakes_watchers_) watchers_.published(latest_bell(at));
}

void raw_latest_writer::close() {
  owner_->require_here();
  owner_->close();
}

void raw_latest_writer::retire() noexcept {
  memory_of_loan_ = kept_attachment(owner_->attached());
  is_retired_ = true;
  owner_.reset();
}

void require_key_text(std::string_view text, std::size_t max_bytes) {
  if (text.size() > max_bytes)
    throw error(errc::bad_argument, "a key of " + std::to_string(text.size()) + " bytes: this table's have at most " +
                                        std::to_string(max_bytes));
  if (text.find('\0') != std::string_view::npos)
    throw error(errc::bad_argument, "a key with a zero byte in it: text ends there; leave it out");
}

void dispose(raw_latest_writer* handle) noexcept {
  if (handle->is_lending())
    handle->retire();
  else
    delete handle;
}

}  // namespace sluice::detail
