// Floors of sleeping: the kernel's own ways to wake another process, with the payload where each of them puts it.
//
// Edges
//   P: store of the futex word (release) -> its load (acquire): the payload is visible.
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "harness/blocking.hpp"

namespace sluice_bench {
namespace {

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::system_category(), what); }

/// One slot in shared memory whose word counts messages; the consumer sleeps on the word, and is woken every time.
template <std::size_t message_bytes>
class raw_futex {
 public:
  static constexpr bool holds_one_message = true;
  explicit raw_futex(const link_options&)
      : pages_(4096 + message_bytes), word_(reinterpret_cast<std::atomic<std::uint32_t>*>(pages_.data())) {}
  void join(role) { pages_.touch(); }

  template <class Fill>
  void send(Fill&& fill) {
    fill(pages_.data() + 64);
    word_->store(++next_, std::memory_order_release);  // P
    if (::syscall(SYS_futex, word_, FUTEX_WAKE, 1, nullptr, nullptr, 0) < 0) fail("futex wake");
  }
  template <class Read>
  void receive(Read&& read) {
    while (word_->load(std::memory_order_acquire) == next_)  // P
      if (::syscall(SYS_futex, word_, FUTEX_WAIT, next_, nullptr, nullptr, 0) < 0 && errno != EAGAIN && errno != EINTR)
        fail("futex wait");
    ++next_;
    read(static_cast<const std::byte*>(pages_.data() + 64));
  }

 private:
  shared_pages pages_;
  std::atomic<std::uint32_t>* word_;
  std::uint32_t next_ = 0;
};

/// The payload in one shared slot, the wake-up through a counter that the kernel keeps.
template <std::size_t message_bytes>
class raw_eventfd {
 public:
  static constexpr bool holds_one_message = true;
  explicit raw_eventfd(const link_options&) : pages_(message_bytes), fd_(::eventfd(0, EFD_CLOEXEC)) {
    if (fd_ < 0) fail("eventfd");
  }
  ~raw_eventfd() { ::close(fd_); }
  raw_eventfd(const raw_eventfd&) = delete;
  raw_eventfd& operator=(const raw_eventfd&) = delete;
  void join(role) { pages_.touch(); }

  template <class Fill>
  void send(Fill&& fill) {
    fill(pages_.data());
    const std::uint64_t one = 1;
    if (::write(fd_, &one, sizeof one) != sizeof one) fail("write to eventfd");
  }
  template <class Read>
  void receive(Read&& read) {
    std::uint64_t count = 0;
    if (::read(fd_, &count, sizeof count) != sizeof count) fail("read from eventfd");
    read(static_cast<const std::byte*>(pages_.data()));
  }

 private:
  shared_pages pages_;
  int fd_;
};

/// Anything with two descriptors that carries bytes.
template <std::size_t message_bytes>
class byte_carrier {
 public:
  ~byte_carrier() {
    ::close(fd_[0]);
    ::close(fd_[1]);
  }
  byte_carrier(const byte_carrier&) = delete;
  byte_carrier& operator=(const byte_carrier&) = delete;
  void join(role) {}

  template <class Fill>
  void send(Fill&& fill) {
    fill(buffer_);
    if (::write(fd_[1], buffer_, message_bytes) != static_cast<ssize_t>(message_bytes))
      fail("write");  // small: never cut
  }
  template <class Read>
  void receive(Read&& read) {
    for (std::size_t got = 0; got < message_bytes;) {
      const ssize_t n = ::read(fd_[0], buffer_ + got, message_bytes - got);
      if (n <= 0) fail("read");
      got += static_cast<std::size_t>(n);
    }
    read(static_cast<const std::byte*>(buffer_));
  }

 protected:
  byte_carrier() = default;
  int fd_[2] = {-1, -1};

 private:
  alignas(64) std::byte buffer_[message_bytes];
};

template <std::size_t message_bytes>
struct raw_pipe : byte_carrier<message_bytes> {
  explicit raw_pipe(const link_options&) {
    if (::pipe2(this->fd_, O_CLOEXEC) != 0) fail("pipe");
  }
};

template <std::size_t message_bytes>
struct raw_stream_socket : byte_carrier<message_bytes> {
  explicit raw_stream_socket(const link_options&) {
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, this->fd_) != 0) fail("socketpair");
  }
};

template <std::size_t message_bytes>
struct raw_packet_socket : byte_carrier<message_bytes> {
  explicit raw_packet_socket(const link_options&) {
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, this->fd_) != 0) fail("socketpair");
  }
};

template <std::size_t message_bytes>
class posix_mq {
 public:
  explicit posix_mq(const link_options& options) {
    const std::string name = "/" + options.run_name + "_" + std::to_string(options.index);
    mq_attr attributes{};
    attributes.mq_maxmsg = 8;
    attributes.mq_msgsize = static_cast<long>(message_bytes);
    queue_ = ::mq_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, &attributes);
    if (queue_ == static_cast<mqd_t>(-1)) fail("mq_open");
    ::mq_unlink(name.c_str());  // both processes inherit the descriptor
  }
  ~posix_mq() { ::mq_close(queue_); }
  posix_mq(const posix_mq&) = delete;
  posix_mq& operator=(const posix_mq&) = delete;
  void join(role) {}

  template <class Fill>
  void send(Fill&& fill) {
    fill(buffer_);
    if (::mq_send(queue_, reinterpret_cast<const char*>(buffer_), message_bytes, 0) != 0) fail("mq_send");
  }
  template <class Read>
  void receive(Read&& read) {
    if (::mq_receive(queue_, reinterpret_cast<char*>(buffer_), message_bytes, nullptr) !=
        static_cast<ssize_t>(message_bytes))
      fail("mq_receive");
    read(static_cast<const std::byte*>(buffer_));
  }

 private:
  mqd_t queue_;
  alignas(64) std::byte buffer_[message_bytes];
};

const registered_blocking<raw_futex> raw_futex_entry{"floor:futex", origin::floor};
const registered_blocking<raw_eventfd> raw_eventfd_entry{"floor:eventfd", origin::floor};
const registered_blocking<raw_pipe> raw_pipe_entry{"floor:pipe", origin::floor};
const registered_blocking<raw_stream_socket> raw_stream_socket_entry{"floor:socketpair stream", origin::floor};
const registered_blocking<raw_packet_socket> raw_packet_socket_entry{"floor:socketpair seqpacket", origin::floor};
const registered_blocking<posix_mq> posix_mq_entry{"floor:POSIX mq", origin::floor};

}  // namespace
}  // namespace sluice_bench
