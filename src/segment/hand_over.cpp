#include "sluice/segment.hpp"

#include "os/descriptor_passing.hpp"
#include "os/file.hpp"
#include "segment/map_file.hpp"
#include "sluice/error.hpp"

namespace sluice {

using namespace detail;

namespace {

/// What travels beside the descriptor. Both ends are on one machine.
struct offered {
  std::uint64_t magic;
  std::uint64_t kind;
  std::uint64_t offset_bytes;
  std::uint64_t bytes;
};
constexpr std::uint64_t offer_magic = 0x3152464f'494c5321ULL;  // "!SLIOFR1"

os::fd to_pass_on(const segment& memory, const char* tried) {
  const auto what = std::string(tried) + " a segment of kind " + to_string(memory.kind());
  if (memory.has_file()) return file_behind(memory, what);
  throw error(errc::bad_argument, what + ": it has no descriptor; use a memfd_segment");
}

}  // namespace

int inheritable_descriptor(const segment& memory) {
  const auto own = to_pass_on(memory, "pass on");
  return os::duplicate(own.get(), true, "pass on a segment").release();
}

void offer(int socket, const segment& memory) {
  const auto own = to_pass_on(memory, "offer");
  const offered what{offer_magic, static_cast<std::uint64_t>(memory.kind()), memory.file().offset_bytes,
                     memory.bytes().size()};
  os::send_descriptor(socket, own.get(), std::as_bytes(std::span(&what, 1)));
}

segment accept(int socket, const memory_options& how) {
  offered what{};
  const auto file = os::receive_descriptor(socket, std::as_writable_bytes(std::span(&what, 1)));
  if (what.magic != offer_magic)
    throw error(errc::not_a_segment,
                "accept a segment through socket " + std::to_string(socket) + ": what came was not offered by sluice");
  if (what.kind == static_cast<std::uint64_t>(segment_kind::memfd)) return memfd_segment::attach(file.get(), how);
  return adopted_segment::map(file.get(), what.bytes, what.offset_bytes, how);
}

}  // namespace sluice
