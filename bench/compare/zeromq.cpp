// Peer: ZeroMQ, a PAIR of sockets over ipc. Each process has ZeroMQ's I/O thread beside the measuring one, on the same
// core: that is part of its price on a machine of two cores.
#include <unistd.h>
#include <zmq.h>

#include <stdexcept>
#include <vector>

#include "harness/blocking.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

void check(bool is_good, const char* what) {
  if (!is_good) throw std::runtime_error(std::string(what) + ": " + zmq_strerror(zmq_errno()));
}

/// One context a process, made after the fork: it starts the I/O thread.
void* process_context() {
  static void* const context = zmq_ctx_new();
  return context;
}

template <std::size_t message_bytes>
class zeromq {
 public:
  static constexpr unsigned polls_before_yield = 8;
  static constexpr bool gives_core_away = true;

  explicit zeromq(const link_options& options)
      : path_("/tmp/" + options.run_name + "_" + std::to_string(options.index) + ".zmq"),
        high_water_mark_(static_cast<int>(slots_for(message_bytes, options.ring_bytes))),
        staging_(message_bytes) {}
  ~zeromq() { ::unlink(path_.c_str()); }
  zeromq(const zeromq&) = delete;
  zeromq& operator=(const zeromq&) = delete;

  void join(role as) {
    socket_ = zmq_socket(process_context(), ZMQ_PAIR);
    check(socket_ != nullptr, "zmq_socket");
    check(zmq_setsockopt(socket_, as == role::producer ? ZMQ_SNDHWM : ZMQ_RCVHWM, &high_water_mark_,
                         sizeof high_water_mark_) == 0,
          "high water mark");
    const std::string where = "ipc://" + path_;
    check((as == role::consumer ? zmq_bind(socket_, where.c_str()) : zmq_connect(socket_, where.c_str())) == 0,
          where.c_str());
  }

  template <class Fill>
  bool try_send(Fill&& fill) {
    return send_with(fill, ZMQ_DONTWAIT);
  }
  template <class Read>
  bool try_receive(Read&& read) {
    return receive_with(read, ZMQ_DONTWAIT);
  }
  template <class Fill>
  void send(Fill&& fill) {
    send_with(fill, 0);
  }
  template <class Read>
  void receive(Read&& read) {
    receive_with(read, 0);
  }

 private:
  template <class Fill>
  bool send_with(Fill&& fill, int flags) {
    if (!is_staged_) fill(staging_.data());
    is_staged_ = zmq_send(socket_, staging_.data(), message_bytes, flags) < 0;
    check(!is_staged_ || zmq_errno() == EAGAIN, "zmq_send");
    return !is_staged_;
  }
  template <class Read>
  bool receive_with(Read&& read, int flags) {
    const int got = zmq_recv(socket_, staging_.data(), message_bytes, flags);
    if (got < 0) {
      check(zmq_errno() == EAGAIN, "zmq_recv");
      return false;
    }
    if (got != static_cast<int>(message_bytes)) throw std::runtime_error("zmq_recv: a message of another length");
    read(static_cast<const std::byte*>(staging_.data()));
    return true;
  }

  std::string path_;
  int high_water_mark_;
  std::vector<std::byte> staging_;
  void* socket_ = nullptr;  // lives as long as its process
  bool is_staged_ = false;
};

const registered<zeromq> zeromq_entry{"ZeroMQ ipc pair", origin::peer,
                                      "copies; an I/O thread in each process, on the same cores"};
const registered_blocking<zeromq> zeromq_blocking_entry{"ZeroMQ ipc pair", origin::peer};

}  // namespace
}  // namespace sluice_bench
