#pragma once

// A topic of messages of any length in memory of the test's own, its seats taken by hand. A message's bytes follow from a
// number, as in tests/conformance.

#include <deque>
#include <optional>
#include <vector>

#include "ring/bytes_rig.hpp"
#include "ring/topic_seats.hpp"
#include "sluice/detail/part/topic/lossy_reader.hpp"
#include "sluice/detail/part/topic/topic_bytes_ring.hpp"

namespace sluice::detail::test {

inline ring_request topic_bytes_request(ring_kind kind, const bytes_sizes& sizes = {}, std::uint32_t subscribers = 4) {
  auto request = bytes_request(kind, false, sizes);
  request.options.consumer_seats = subscribers;
  if (kind == ring_kind::topic_many_bytes) request.options.producer_seats = 3;
  return request;
}

/// A lossy reader of such a topic, as a handle reads: nothing is acted upon that the word has not vouched for.
template <publishers Publishers>
class lossy_bytes_reader : public lossy_reader<Publishers> {
  using base = lossy_reader<Publishers>;

 public:
  lossy_bytes_reader(const ring_view& ring, const bytes_view& bytes, history wanted = history::none(),
                     resumes where = resumes::at_oldest)
      : base(ring, wanted, where, messages_lie::in_arenas), bytes_(bytes) {}

  bool try_receive(std::vector<std::byte>& into) {
    while (this->try_peek()) {
      const auto message = bytes_.message(this->peeked());
      if (!this->is_intact()) continue;
      if (message.data() == nullptr) throw std::logic_error("an extent that no publisher writes");
      into.resize(message.size());
      if (!this->copy(into.data(), message)) continue;
      this->release();
      return true;
    }
    return false;
  }

 private:
  bytes_view bytes_;
};

template <publishers Publishers>
class topic_bytes_rig : public topic_seats<topic_bytes_ring<Publishers>> {
  using seats = topic_seats<topic_bytes_ring<Publishers>>;

 public:
  using seats::ins, seats::keeper, seats::view;
  using rules = topic_bytes_ring<Publishers>;
  using reader = lossy_bytes_reader<Publishers>;

  struct publisher_side {
    publisher_side(const ring_view& ring, const bytes_view& bytes, std::uint32_t seat_index)
        : slots(ring, seat_index), writer(ring, bytes, seat_index) {}
    typename rules::producer slots;
    bytes_writer<rules> writer;
  };

  explicit topic_bytes_rig(const bytes_sizes& sizes = {}, std::uint32_t subscribers = 4)
      : seats(topic_bytes_request(rules::kind, sizes, subscribers)), bytes(view, plan_segment(this->request).parts[0]) {
    publish_from(0);
  }

  /// Another publisher in the `i`-th seat.
  publisher_side& publish_from(std::uint32_t i) {
    if (outs.size() <= i) outs.resize(i + 1);
    outs[i].emplace(view, bytes, keeper.sit(role::producer, i));
    return *outs[i];
  }
  void publisher_dies_and_successor_comes(std::uint32_t i = 0) {
    outs[i].reset();
    ASSERT_TRUE(keeper.template bury<rules>(i));
    publish_from(i);
  }

  bool send(std::uint64_t number, std::uint64_t length, std::uint32_t from = 0) {
    auto& out = *outs[from];
    return out.writer.try_send(out.slots, message_of(number, length));
  }
  [[nodiscard]] slot_kind kind_of_slot(std::uint64_t sequence) const { return kind_of(view.word(sequence).load()); }

  ::testing::AssertionResult receives(std::uint32_t i, std::uint64_t number, std::uint64_t length) {
    auto& in = *ins[i];
    if (in.try_peek(1) == 0) return ::testing::AssertionFailure() << "nothing there, not message " << number;
    const auto message = bytes.message(in.peeked(0));
    const bool is_right = message.size() == length && is_message(message.data(), length, number);
    in.release(1);
    return is_right ? ::testing::AssertionSuccess()
                    : ::testing::AssertionFailure() << message.size() << " other bytes than those of " << number;
  }
  ::testing::AssertionResult reads(reader& in, std::uint64_t number, std::uint64_t length) {
    std::vector<std::byte> message;
    if (!in.try_receive(message)) return ::testing::AssertionFailure() << "nothing there, not " << number;
    if (message.size() != length || !is_message(message.data(), length, number))
      return ::testing::AssertionFailure() << message.size() << " other bytes than those of " << number;
    return ::testing::AssertionSuccess();
  }
  [[nodiscard]] reader read(history wanted = history::none(), resumes where = resumes::at_oldest) const {
    return {view, bytes, wanted, where};
  }

  bytes_view bytes;
  std::deque<std::optional<publisher_side>> outs;
};

}  // namespace sluice::detail::test
