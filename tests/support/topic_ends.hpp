#pragma once

// A topic in a named segment, without handles, as a process that attaches sees it.

#include <cstring>
#include <optional>

#include "sluice/detail/part/topic/lossy_reader.hpp"
#include "sluice/detail/plan/segment_plan.hpp"
#include "sluice/detail/seat/seat_table.hpp"
#include "sluice/registry.hpp"

namespace sluice::detail::test {

template <publishers Publishers>
struct topic_segment {
  using rules = topic_ring<Publishers>;

  explicit topic_segment(attached_segment found)
      : attached(std::move(found)),
        view(view_ring(attached.memory().bytes(), attached.memory().header().parts[0])),
        table(attached.memory(), view, 0, attached.locks()) {}

  [[nodiscard]] held_seat take(role own) { return table.take(own, seat_rules_of<rules>, "test"); }

  attached_segment attached;
  ring_view view;
  seat_table table;
};

template <publishers Publishers>
class topic_sender {
 public:
  explicit topic_sender(topic_segment<Publishers>& where)
      : where_(&where), seat_(where.take(role::producer)), out_(where.view, seat_.index()) {}
  topic_sender(const topic_sender&) = delete;
  topic_sender& operator=(const topic_sender&) = delete;
  ~topic_sender() { out_.leave(); }

  /// False: a living subscriber keeps the slot, also after mending.
  template <class Message>
  bool send(const Message& message) {
    if (out_.try_claim(1) == 0 && (!out_.mend(where_->table.keeper()) || out_.try_claim(1) == 0)) return false;
    std::memcpy(out_.claimed(0), &message, sizeof message);
    out_.publish(1);
    return true;
  }
  void abandon() {
    if (out_.try_claim(1) != 0) out_.publish(0);
  }

 private:
  topic_segment<Publishers>* where_;
  held_seat seat_;
  typename topic_ring<Publishers>::producer out_;
};

template <publishers Publishers>
class topic_receiver {
 public:
  explicit topic_receiver(topic_segment<Publishers>& where, history wanted = history::all())
      : where_(&where), seat_(where.take(role::consumer)), in_(where.view, seat_.index(), wanted) {}
  topic_receiver(const topic_receiver&) = delete;
  topic_receiver& operator=(const topic_receiver&) = delete;
  ~topic_receiver() { in_.leave(); }

  [[nodiscard]] std::uint32_t seat_index() const noexcept { return seat_.index(); }
  /// Nothing: there is none, also after mending.
  template <class Message>
  std::optional<Message> receive() {
    if (in_.try_peek(1) == 0 && (!in_.mend(where_->table.keeper()) || in_.try_peek(1) == 0)) return std::nullopt;
    Message message;
    std::memcpy(&message, in_.peeked(0), sizeof message);
    in_.release(1);
    return message;
  }

 private:
  topic_segment<Publishers>* where_;
  held_seat seat_;
  topic_subscriber<Publishers> in_;
};

}  // namespace sluice::detail::test
