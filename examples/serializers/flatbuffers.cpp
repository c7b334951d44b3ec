// FlatBuffers through a channel: built in the slot and read there, no byte is copied. Learn: a serializer that gives views.
// A builder works from the end of its memory towards the beginning, so where the buffer begins comes first.
#include <flatbuffers/flatbuffers.h>
#include <sluice/bytes.hpp>

#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>

#include "quote_generated.h"

template <>
struct sluice::serializer<acme::Quote> {
  static const acme::Quote* read(std::span<const std::byte> bytes) {  // bytes are input
    std::uint32_t begin = ~0U;
    if (bytes.size() >= sizeof begin) std::memcpy(&begin, bytes.data(), sizeof begin);
    if (begin > bytes.size()) throw std::runtime_error("no quote: it begins behind its end");
    const auto* const buffer = reinterpret_cast<const std::uint8_t*>(bytes.data()) + begin;
    flatbuffers::Verifier verifier(buffer, bytes.size() - begin);
    if (!acme::VerifyQuoteBuffer(verifier)) throw std::runtime_error("no quote");
    return acme::GetQuote(buffer);
  }
};

/// Gives a builder the claimed bytes, and no more.
class in_place final : public flatbuffers::Allocator {
 public:
  explicit in_place(std::span<std::byte> room) : room_(room) {}
  std::uint8_t* allocate(std::size_t bytes) override {
    if (bytes > room_.size()) throw std::bad_alloc();
    return reinterpret_cast<std::uint8_t*>(room_.data());
  }
  void deallocate(std::uint8_t*, std::size_t) override {}
  std::uint8_t* reallocate_downward(std::uint8_t*, std::size_t, std::size_t, std::size_t, std::size_t) override {
    throw std::bad_alloc();  // claim more
  }

 private:
  std::span<std::byte> room_;
};

int main() try {
  const auto quotes = sluice::channel<acme::Quote>::create_unnamed();
  auto out = quotes.producer();
  auto in = quotes.consumer();
  auto room = out.claim(1024);
  in_place memory(room.bytes());
  flatbuffers::FlatBufferBuilder builder(room.size(), &memory);
  const std::vector<double> prices{1.0, 1.1};
  builder.Finish(acme::CreateQuoteDirect(builder, "ACME", &prices));
  const auto begin = static_cast<std::uint32_t>(room.size() - builder.GetSize());
  std::memcpy(room.data(), &begin, sizeof begin);
  if (room.publish() != sluice::wait_result::ready) return 1;
  const auto quote = in.peek();
  std::printf("%s at %.2f\n", (*quote)->symbol()->c_str(), (*quote)->prices()->Get(1));
} catch (const std::exception& problem) {
  std::fprintf(stderr, "example_flatbuffers: %s\n", problem.what());
  return 1;
}
