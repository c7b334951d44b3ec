// Writes the files of tests/golden/ for the format of this build, into the directory that is named: eleven messages, four of
// them released, two in the hands of a consumer that was killed. A file that is there is never written again: what an
// earlier build wrote is the point.
//   make_golden DIRECTORY

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "sluice/channel.hpp"
#include "sluice/detail/part/topic/topic_bytes_ring.hpp"
#include "sluice/latest.hpp"
#include "sluice/registry.hpp"
#include "sluice/ring.hpp"
#include "sluice/service.hpp"
#include "support/bytes_ends.hpp"
#include "support/golden.hpp"
#include "support/topic_ends.hpp"

namespace {

using namespace sluice;
using namespace sluice::detail;
using namespace sluice::detail::test;

template <class Ring>
void write(const std::string& path, const channel_options& options) {
  const auto made = channel<golden_message, Ring>::create(path, options);
  {
    auto out = made.producer();
    for (std::uint64_t i = 0; i < golden_sent; ++i)
      if (!out.try_send(golden_message::of(i))) std::abort();
  }
  const auto child = ::fork();
  if (child == 0) {
    auto in = channel<golden_message, Ring>::attach(path).consumer();
    for (std::uint64_t i = 0; i < golden_released; ++i) (void)in.try_receive();
    const auto held = in.try_peek_batch(golden_held);
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
}

template <class Ring>
void write_bytes(const std::string& folder, const std::string& name, const ring_options& options) {
  ring_request request{golden_bytes_identity, options};
  request.options.kind = Ring::kind;
  bytes_segment<Ring> made(registry(folder).create(segment_name(name), plan_segment(request)));
  {
    bytes_sender<Ring> out(made);
    for (std::uint64_t i = 0; i < golden_sent; ++i)
      if (!out.send(golden_bytes_of(i))) std::abort();
  }
  const auto child = ::fork();
  if (child == 0) {
    bytes_segment<Ring> found(registry(folder).attach(segment_name(name)));
    bytes_receiver<Ring> in(found);
    for (std::uint64_t i = 0; i < golden_released; ++i) (void)in.receive();
    (void)in.hold(golden_held);
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
}

/// A subscriber was killed that had released four; where many publish, one claim was given up.
template <publishers Publishers>
void write_topic(const std::string& folder, const std::string& name) {
  ring_request request{identity_of<golden_message>(), {.capacity_slots = 16, .consumer_seats = 2}};
  request.options.kind = topic_ring<Publishers>::kind;
  if (Publishers == publishers::many) request.options.producer_seats = 2;
  topic_segment<Publishers> made(registry(folder).create(segment_name(name), plan_segment(request)));
  {
    topic_sender<Publishers> out(made);
    for (std::uint64_t i = 0; i < golden_sent; ++i) {
      if (Publishers == publishers::many && i == golden_released) out.abandon();
      if (!out.send(golden_message::of(i))) std::abort();
    }
  }
  const auto child = ::fork();
  if (child == 0) {
    topic_segment<Publishers> found(registry(folder).attach(segment_name(name)));
    topic_receiver<Publishers> in(found);
    for (std::uint64_t i = 0; i < golden_released; ++i) (void)in.template receive<golden_message>();
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
}

/// The arena is shorter than the messages, so some of them are gone. A subscriber was killed that had released one.
template <publishers Publishers>
void write_topic_bytes(const std::string& folder, const std::string& name) {
  using ring = topic_bytes_ring<Publishers>;
  ring_request request{golden_bytes_identity,
                       {.kind = ring::kind, .capacity_slots = 16, .capacity_bytes = 2048, .inline_bytes = 48}};
  request.options.consumer_seats = 2;
  if (Publishers == publishers::many) request.options.producer_seats = 2;
  bytes_segment<ring> made(registry(folder).create(segment_name(name), plan_segment(request)));
  {
    bytes_sender<ring> out(made);
    for (std::uint64_t i = 0; i < golden_sent; ++i)
      if (!out.send(golden_bytes_of(i))) std::abort();
  }
  const auto child = ::fork();
  if (child == 0) {
    bytes_segment<ring> found(registry(folder).attach(segment_name(name)));
    bytes_receiver<ring> in(found, history::all());
    (void)in.receive();
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
}

/// The writer of a value was killed in the middle of the next one.
void write_latest(const std::string& path) {
  const auto made = latest<golden_message>::create(path);
  const auto child = ::fork();
  if (child == 0) {
    auto out = latest<golden_message>::attach(path).writer();
    for (std::uint64_t i = 0; i < golden_sent; ++i) out.set(golden_message::of(i));
    auto slot = out.claim();
    slot->number = golden_sent;
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
}

/// Of a table, by keys.
void write_table(const std::string& path) {
  const auto made = table<golden_key, golden_message>::create(path, {.keys = 5, .slots = 2, .writer_seats = 2});
  const auto child = ::fork();
  if (child == 0) {
    auto out = table<golden_key, golden_message>::attach(path).writer();
    for (std::uint64_t i = 0; i < golden_sent; ++i) out.set(golden_key_of(i), golden_message::of(i));
    auto slot = out.claim(golden_key_of(0));
    slot->number = golden_sent;
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
}

/// A call in a server's hands, which has sent two parts of the response, and one that waits. Both sides are killed.
template <class Request, class Response, class Made>
void write_service(const std::string& path, const Made& made) {
  service_options few{.capacity_slots = 16, .client_seats = 2, .server_seats = 2, .calls_in_flight = 2};
  if constexpr (any_length<Request>) few.capacity_bytes = 1024, few.max_response_bytes = 500;
  const auto link = service<Request, Response>::create(path, few);
  const auto child = ::fork();
  if (child == 0) {
    const auto own = service<Request, Response>::attach(path);
    auto client = own.client();
    auto server = own.server();
    const auto held = client.send(made(0)), waiting = client.send(made(1));
    auto call = server.try_receive();
    for (std::uint64_t i = 0; i < golden_parts; ++i)
      if (call.respond_part(made(2 + i)) != wait_result::ready) std::abort();
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  const std::string folder = argv[1];
  const auto name = [](const char* kind) { return "format" + std::to_string(format_version) + "-" + kind; };
  const auto path = [&](const char* kind) { return folder + "/" + name(kind); };
  channel_options options{.capacity_slots = 16, .durability = durability::on_close()};
  write<spsc_ring>(path("spsc-durable"), options);
  options.producer_seats = options.consumer_seats = 2;
  write<mpmc_ring>(path("mpmc-durable"), options);
  options.durability = {};
  write<mpmc_ring>(path("mpmc"), options);
  options.producer_seats = options.consumer_seats = 0;
  write<spsc_ring>(path("spsc"), options);
  ring_options bytes{
      .capacity_slots = 16, .capacity_bytes = 8192, .inline_bytes = 48, .durability = durability::on_close()};
  write_bytes<spsc_bytes_ring>(folder, name("spsc-bytes-durable"), bytes);
  bytes.producer_seats = bytes.consumer_seats = 2;
  write_bytes<mpmc_bytes_ring>(folder, name("mpmc-bytes-durable"), bytes);
  bytes.durability = {};
  write_bytes<mpmc_bytes_ring>(folder, name("mpmc-bytes"), bytes);
  bytes.producer_seats = bytes.consumer_seats = 0;
  write_bytes<spsc_bytes_ring>(folder, name("spsc-bytes"), bytes);
  write_topic<publishers::one>(folder, name("topic"));
  write_topic<publishers::many>(folder, name("topic-many"));
  write_topic_bytes<publishers::one>(folder, name("topic-bytes"));
  write_topic_bytes<publishers::many>(folder, name("topic-many-bytes"));
  write_latest(path("latest"));
  write_table(path("table"));
  write_service<golden_message, golden_message>(path("service"), golden_message::of);
  write_service<sluice::bytes, sluice::bytes>(path("service-bytes"), golden_bytes_of);
  return 0;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "make_golden: %s\n", problem.what());
  return 1;
}
