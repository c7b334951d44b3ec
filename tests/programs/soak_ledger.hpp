#pragma once

// The ledger of a soak: shared memory of its own, beside the channel and independent of it, in which every worker notes
// what it is about to do and what it has done. What a worker noted outlives it.
//
// Producer: `announced` before it publishes, `published` after. Killed in between, exactly those messages are uncertain.
// Consumer: one count a message, before it releases it. A receive by copy releases before it returns, so the message is
// noted as pending before: killed in between, it may be the only one not counted.

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <new>
#include <system_error>

namespace soak {

inline constexpr std::uint32_t max_workers = 16;  // of a role
inline constexpr std::uint64_t numbers_per_producer = std::uint64_t{1} << 25;
inline constexpr std::uint64_t max_batch = 16;

/// 64 bytes that tell whether they belong together.
struct message {
  std::uint64_t who;  // producer << 32 | incarnation
  std::uint64_t number;
  std::uint64_t checksum;
  std::uint64_t content[5];  // all of it follows from the sender and the number
};

/// A finalizer after Stafford's Mix13: neighbouring numbers give unlike contents.
inline std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

inline void fill(message& m, std::uint32_t producer, std::uint32_t incarnation, std::uint64_t number) noexcept {
  m.who = std::uint64_t{producer} << 32 | incarnation;
  m.number = number;
  auto x = mix(m.who * 31 + number);
  std::uint64_t sum = m.who ^ number;
  for (auto& word : m.content) sum = sum * 33 + (word = x = mix(x + 1));
  m.checksum = sum;
}

/// What an abandoned claim is filled with: no consumer may ever see it.
inline void poison(message& m) noexcept {
  m.who = m.number = m.checksum = ~std::uint64_t{0};
  for (auto& word : m.content) word = 0x6162616e646f6e21ULL;
}

inline bool is_whole(const message& m) noexcept {
  auto x = mix(m.who * 31 + m.number);
  std::uint64_t sum = m.who ^ m.number;
  bool fits = true;
  for (const auto word : m.content) {
    x = mix(x + 1);
    fits = fits && word == x;
    sum = sum * 33 + word;
  }
  return fits && sum == m.checksum;
}

/// Written by the producer that holds this place, read by all.
struct alignas(128) producer_notes {
  std::atomic<std::uint64_t> announced;  // numbers below may have been published
  std::atomic<std::uint64_t> published;  // numbers below are, but for the uncertain ones
};

/// Written by the consumer that holds this place.
struct alignas(128) consumer_notes {
  std::atomic<std::uint64_t> delivered, marked, torn, duplicated, disordered;
  std::atomic<std::uint64_t> lost;                      // topics: that it should have got, or counted wrongly
  std::atomic<std::uint64_t> next_number[max_workers];  // by producer: the least that may come unmarked
  std::atomic<std::uint64_t> pending_count;
  struct pending_message {
    std::uint64_t producer, number;
  } pending[max_batch];
};

/// Written by whichever consumer has the topic's named subscription: what one leaves to the next.
struct alignas(128) named_notes {
  std::atomic<std::uint32_t> is_begun, has_joined;
  struct {
    std::atomic<std::uint64_t> first_possible;  // before the first one could join
    std::atomic<std::uint64_t> seen;            // numbers below may have been seen
    std::atomic<std::uint64_t> released;        // numbers below are released
  } of[max_workers];                            // by producer
};

struct shared_notes {
  std::atomic<std::uint32_t> producers_stop;
  std::atomic<std::uint32_t> consumers_drain;
  std::atomic<std::uint64_t> unexpected;  // errors that no worker should meet
  std::atomic<std::uint32_t> complaints;  // printed so far
  producer_notes producers[max_workers];
  consumer_notes consumers[max_workers + 1];  // the last one is the auditor's
  named_notes named;
};

// One byte a message: how often it was delivered, and why it may be missing.
inline constexpr std::uint8_t count_mask = 0x1f;
inline constexpr std::uint8_t count_limit = 0x1e;         // counts stop here
inline constexpr std::uint8_t consumer_uncertain = 0x20;  // released by copy, its receiver killed before it could count
inline constexpr std::uint8_t first_uncertain = 0x40;     // where a killed producer's open publish began
inline constexpr std::uint8_t producer_uncertain = 0x80;  // its producer was killed while publishing it

// Of a topic: whether any subscriber saw it, and whether a lossless one went on without it. Both: it was lost.
inline constexpr std::uint8_t topic_seen = 0x01;
inline constexpr std::uint8_t topic_missed = 0x02;

template <class T>
T* map_shared(std::size_t bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap of the ledger");
  return static_cast<T*>(at);
}

class ledger {
 public:
  explicit ledger(std::uint32_t producers)
      : producers_(producers),
        notes_(new (map_shared<void>(sizeof(shared_notes))) shared_notes()),
        tallies_(map_shared<std::atomic<std::uint8_t>>(producers * numbers_per_producer)) {}
  ledger(const ledger&) = delete;
  ledger& operator=(const ledger&) = delete;
  ~ledger() {
    ::munmap(notes_, sizeof(shared_notes));
    ::munmap(tallies_, producers_ * numbers_per_producer);
  }

  [[nodiscard]] shared_notes& notes() const noexcept { return *notes_; }
  [[nodiscard]] std::uint32_t producers() const noexcept { return producers_; }
  [[nodiscard]] std::atomic<std::uint8_t>& tally(std::uint64_t producer, std::uint64_t number) const noexcept {
    return tallies_[producer * numbers_per_producer + number];
  }

  /// Before the message is released. Relaxed stores will do for what only this process and its parent read.
  void note_delivery(consumer_notes& own, const message& m, bool is_marked) const noexcept {
    if (!is_announced(m)) return torn(own, m, is_marked);
    const auto producer = m.who >> 32;
    auto& byte = tally(producer, m.number);
    const auto before = byte.fetch_add(1, std::memory_order_acq_rel) & count_mask;
    if (before >= count_limit) byte.fetch_sub(1, std::memory_order_acq_rel);
    auto& next = own.next_number[producer];
    if (is_marked) {
      add(own.marked);
    } else {
      if (before != 0) {
        add(own.duplicated);
        complain("delivered again and not marked", m);
      }
      if (m.number < next.load(std::memory_order_relaxed)) {
        add(own.disordered);
        complain("delivered after a later one of the same producer", m);
      }
      next.store(m.number + 1, std::memory_order_relaxed);
    }
    add(own.delivered);
  }

  /// Whether it is whole, and one that a producer may have published.
  [[nodiscard]] bool is_announced(const message& m) const noexcept {
    return is_whole(m) && m.who >> 32 < producers_ && m.number < numbers_per_producer &&
           m.number < notes_->producers[m.who >> 32].announced.load(std::memory_order_acquire);
  }

  void torn(consumer_notes& own, const message& m, bool is_marked) const noexcept {
    add(own.torn);
    complain(is_marked ? "torn (marked)" : "torn", m);
  }

  void complain(const char* what, const message& m) const noexcept {
    if (notes_->complaints.fetch_add(1, std::memory_order_relaxed) >= 10) return;
    std::fprintf(stderr, "soak: %s: producer %u incarnation %u number %llu\n", what, static_cast<unsigned>(m.who >> 32),
                 static_cast<unsigned>(m.who), static_cast<unsigned long long>(m.number));
  }

  // ---- After a worker's death ---------------------------------------------------------------------------------------

  /// @return how many messages of the dead producer are uncertain.
  std::uint64_t settle_producer(std::uint32_t i) const noexcept {
    auto& own = notes_->producers[i];
    const auto from = own.published.load(std::memory_order_acquire);
    const auto to = own.announced.load(std::memory_order_acquire);
    for (auto n = from; n < to; ++n)
      tally(i, n).fetch_or(n == from ? producer_uncertain | first_uncertain : producer_uncertain);
    own.published.store(to, std::memory_order_release);
    return to > from ? to - from : 0;
  }
  std::uint64_t settle_consumer(std::uint32_t i) const noexcept {
    auto& own = notes_->consumers[i];
    const auto count = own.pending_count.exchange(0, std::memory_order_acq_rel);
    for (std::uint64_t p = 0; p < count; ++p)
      tally(own.pending[p].producer, own.pending[p].number).fetch_or(consumer_uncertain);
    return count;
  }

  /// Counts what should have been delivered and was not: every message that is not uncertain, and of those uncertain
  /// for their producer each that comes before a delivered one of the same publish, since publishing goes in order.
  [[nodiscard]] std::uint64_t count_lost() const {
    std::uint64_t lost = 0;
    for (std::uint32_t p = 0; p < producers_; ++p) {
      const auto end = notes_->producers[p].published.load(std::memory_order_acquire);
      std::uint64_t missing = 0;  // in the open publish being walked
      for (std::uint64_t n = 0; n < end; ++n) {
        const auto byte = tally(p, n).load(std::memory_order_acquire);
        const bool was_delivered = (byte & count_mask) != 0;
        if ((byte & producer_uncertain) == 0 || (byte & first_uncertain) != 0) missing = 0;
        if ((byte & producer_uncertain) != 0 && was_delivered) {
          lost += missing;
          missing = 0;
        }
        if (was_delivered || (byte & consumer_uncertain) != 0) continue;
        if ((byte & producer_uncertain) != 0) {
          ++missing;
          continue;
        }
        if (lost++ < 5)
          std::fprintf(stderr, "soak: lost: producer %u number %llu of %llu\n", p, static_cast<unsigned long long>(n),
                       static_cast<unsigned long long>(end));
      }
    }
    return lost;
  }

  // ---- Topics: every subscriber gets each message -------------------------------------------------------------------

  void note_seen(std::uint64_t producer, std::uint64_t number) const noexcept {
    auto& byte = tally(producer, number);
    if ((byte.load(std::memory_order_relaxed) & topic_seen) == 0) byte.fetch_or(topic_seen, std::memory_order_acq_rel);
  }
  /// A lossless subscriber went on without it. False: its publisher had published it for certain.
  bool note_missed(std::uint64_t producer, std::uint64_t number) const noexcept {
    const auto before = tally(producer, number).fetch_or(topic_missed, std::memory_order_acq_rel);
    if ((before & producer_uncertain) != 0) return true;
    if (notes_->complaints.fetch_add(1, std::memory_order_relaxed) < 10)
      std::fprintf(stderr, "soak: missed: publisher %llu number %llu\n", static_cast<unsigned long long>(producer),
                   static_cast<unsigned long long>(number));
    return false;
  }
  /// Of the numbers in between, those that were published for certain.
  [[nodiscard]] std::uint64_t count_certain(std::uint64_t producer, std::uint64_t from,
                                            std::uint64_t to) const noexcept {
    std::uint64_t count = 0;
    for (auto n = from; n < to; ++n)
      count += (tally(producer, n).load(std::memory_order_acquire) & producer_uncertain) == 0 ? 1 : 0;
    return count;
  }
  /// Uncertain messages that one subscriber saw and another missed. The others were counted when they were missed.
  [[nodiscard]] std::uint64_t count_seen_and_missed() const noexcept {
    constexpr std::uint8_t bad = producer_uncertain | topic_seen | topic_missed;
    std::uint64_t count = 0;
    for (std::uint32_t p = 0; p < producers_; ++p) {
      const auto end = notes_->producers[p].published.load(std::memory_order_acquire);
      for (std::uint64_t n = 0; n < end; ++n)
        count += (tally(p, n).load(std::memory_order_acquire) & bad) == bad ? 1 : 0;
    }
    return count;
  }

  static void add(std::atomic<std::uint64_t>& counter) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // one writer
  }

 private:
  std::uint32_t producers_;
  shared_notes* notes_;
  std::atomic<std::uint8_t>* tallies_;
};

}  // namespace soak
