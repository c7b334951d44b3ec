// Protobuf messages through a channel: written straight into the slot and parsed straight out of it. Learn: serializer.

#include <sys/wait.h>
#include <unistd.h>
#include <sluice/bytes.hpp>

#include <concepts>
#include <cstdio>
#include <stdexcept>

#include "reading.pb.h"

/// For every message that protoc makes.
template <std::derived_from<google::protobuf::MessageLite> Message>
struct sluice::serializer<Message> {
  static std::size_t max_bytes(const Message& message) { return message.ByteSizeLong(); }
  static std::size_t write(const Message& message, std::span<std::byte> room) {
    message.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(room.data()));
    return room.size();
  }
  static Message read(std::span<const std::byte> bytes) {
    Message message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      throw std::runtime_error("no message of " + message.GetTypeName());
    return message;
  }
};

int send_all(const sluice::channel<acme::Reading>& readings) {
  auto out = readings.producer();
  for (int i = 0; i < 1000; ++i) {
    acme::Reading reading;
    reading.set_sensor("sensor " + std::to_string(i));
    for (int j = 0; j < i; ++j) reading.add_values(j);
    if (out.send(reading) != sluice::wait_result::ready) return 1;
  }
  out.close();
  return out.drain() == sluice::wait_result::ready ? 0 : 1;
}

int main() try {
  const auto readings = sluice::channel<acme::Reading>::create_unnamed();
  auto in = readings.consumer();
  const auto child = fork();
  if (child < 0) return 1;
  if (child == 0) _exit(send_all(readings));
  int count = 0, values = 0;
  for (const acme::Reading reading : in) {
    ++count;
    values += reading.values_size();
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::printf("%d readings with %d values\n", count, values);
  return status == 0 && count == 1000 && values == 499'500 ? 0 : 1;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "example_protobuf: %s\n", problem.what());
  return 1;
}
