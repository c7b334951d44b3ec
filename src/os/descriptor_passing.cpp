#include "os/descriptor_passing.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "sluice/error.hpp"

namespace sluice::os {
namespace {

union control_bytes {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(int))];
};

}  // namespace

void send_descriptor(int socket, int descriptor, std::span<const std::byte> with) {
  iovec part{const_cast<std::byte*>(with.data()), with.size()};
  control_bytes control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  auto* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  ssize_t sent = 0;
  do sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  const auto what = "send a descriptor through socket " + std::to_string(socket);
  if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
    throw error(errc::not_found, what + ": the other end is closed");
  if (sent < 0 && (errno == EBADF || errno == ENOTSOCK || errno == ENOTCONN))
    throw error(errc::bad_argument, what + ": not a connected unix socket");
  if (sent < 0) throw error::from_errno(errno, what);
  if (static_cast<std::size_t>(sent) != with.size())
    throw error(errc::system_failure, what + ": only a part was taken; use a blocking socket");
}

fd receive_descriptor(int socket, std::span<std::byte> with) {
  iovec part{with.data(), with.size()};
  control_bytes control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = CMSG_LEN(sizeof(int));  // room for one: what else was sent, the kernel closes
  ssize_t got = 0;
  do got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  while (got < 0 && errno == EINTR);
  const auto what = "receive a descriptor through socket " + std::to_string(socket);
  if (got < 0 && (errno == EBADF || errno == ENOTSOCK || errno == ENOTCONN))
    throw error(errc::bad_argument, what + ": not a connected unix socket");
  if (got < 0) throw error::from_errno(errno, what);
  fd received;  // owned from here on, whatever else is wrong
  const auto* const head = CMSG_FIRSTHDR(&message);
  if (head != nullptr && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
      head->cmsg_len == CMSG_LEN(sizeof(int))) {
    int value = -1;
    std::memcpy(&value, CMSG_DATA(head), sizeof value);
    received = fd::above_standard(value);
    if (!received) throw error::from_errno(errno, what);
  }
  if (got == 0 && !received) throw error(errc::not_found, what + ": the other end was closed");
  if (!received || static_cast<std::size_t>(got) != with.size())
    throw error(errc::not_a_segment, what + ": what came was not offered by sluice");
  return received;
}

}  // namespace sluice::os
