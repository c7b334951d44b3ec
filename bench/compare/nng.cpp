// Peer: nng, a pair0 over ipc. Its worker threads share the two cores with the measuring processes.
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "harness/blocking.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

void check(int code, const char* what) {
  if (code != 0) throw std::runtime_error(std::string(what) + ": " + nng_strerror(code));
}

template <std::size_t message_bytes>
class nng_link {
 public:
  static constexpr unsigned polls_before_yield = 8;
  static constexpr bool gives_core_away = true;

  explicit nng_link(const link_options& options)
      : path_("/tmp/" + options.run_name + "_" + std::to_string(options.index) + ".nng"), staging_(message_bytes) {}
  ~nng_link() { ::unlink(path_.c_str()); }
  nng_link(const nng_link&) = delete;
  nng_link& operator=(const nng_link&) = delete;

  void join(role as) {
    const std::string where = "ipc://" + path_;
    check(nng_pair0_open(&socket_), "nng_pair0_open");
    check(nng_socket_set_size(socket_, NNG_OPT_RECVMAXSZ, 0), "no limit of size");
    if (as == role::consumer) {
      check(nng_listen(socket_, where.c_str(), nullptr, 0), "nng_listen");
      return;
    }
    // The consumer may not listen yet.
    int code = NNG_ECONNREFUSED;
    for (int i = 0; i < 2'000 && (code == NNG_ECONNREFUSED || code == NNG_ENOENT); ++i) {
      code = nng_dial(socket_, where.c_str(), nullptr, 0);
      if (code != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    check(code, "nng_dial");
  }

  template <class Fill>
  bool try_send(Fill&& fill) {
    return send_with(fill, NNG_FLAG_NONBLOCK);
  }
  template <class Read>
  bool try_receive(Read&& read) {
    return receive_with(read, NNG_FLAG_NONBLOCK);
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
    const int code = nng_send(socket_, staging_.data(), message_bytes, flags);
    is_staged_ = code != 0;
    if (code != NNG_EAGAIN) check(code, "nng_send");
    return !is_staged_;
  }
  template <class Read>
  bool receive_with(Read&& read, int flags) {
    std::size_t got = message_bytes;
    const int code = nng_recv(socket_, staging_.data(), &got, flags);
    if (code == NNG_EAGAIN) return false;
    check(code, "nng_recv");
    if (got != message_bytes) throw std::runtime_error("nng_recv: a message of another length");
    read(static_cast<const std::byte*>(staging_.data()));
    return true;
  }

  std::string path_;
  std::vector<std::byte> staging_;
  nng_socket socket_ = NNG_SOCKET_INITIALIZER;  // lives as long as its process
  bool is_staged_ = false;
};

const registered<nng_link> nng_entry{"nng ipc pair0", origin::peer, "copies; its own threads on the same cores"};
const registered_blocking<nng_link> nng_blocking_entry{"nng ipc pair0", origin::peer};

}  // namespace
}  // namespace sluice_bench
