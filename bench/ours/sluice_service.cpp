// A service with one client and one server. A ping-pong is a call: there the request, back its response. Both links of a run
// are therefore one service. What is shown is half of a call, as for links that go one way.
#include "harness/blocking.hpp"
#include "harness/transports.hpp"
#include "ours/sluice_link.hpp"

#if __has_include("sluice/service.hpp")  // not in every version that one may compare with
#include <map>

#include "sluice/service.hpp"

namespace sluice_bench {
namespace {

template <std::size_t message_bytes, class Wait>
struct both_ways {
  using message = plain_message<message_bytes>;
  using service = sluice::service<message, message>;

  explicit both_ways(const std::string& run_name)
      : directory("/dev/shm/" + run_name),
        link(service::create(sluice::registry(directory), sluice::segment_name("link"))) {}
  ~both_ways() {
    sluice::registry(directory).remove(sluice::segment_name("link"), true);
    ::rmdir(directory.c_str());
  }
  both_ways(const both_ways&) = delete;
  both_ways& operator=(const both_ways&) = delete;

  /// Of the two links of a run.
  static std::shared_ptr<both_ways> of(const link_options& options) {
    static std::map<std::string, std::weak_ptr<both_ways>> all;
    auto found = all[options.run_name].lock();
    if (!found) all[options.run_name] = found = std::make_shared<both_ways>(options.run_name);
    return found;
  }

  std::string directory;
  service link;
  std::optional<sluice::client<message, message, Wait>> client;
  std::optional<sluice::server<message, message, Wait>> server;
  typename sluice::client<message, message, Wait>::pending asked;
  typename sluice::server<message, message, Wait>::call taken;
  message staging;
};

template <std::size_t message_bytes, class Wait>
class service_link {
 public:
  static constexpr bool carries = message_bytes <= 4096;
  static constexpr bool holds_one_message = true;  // no stream: it would be one of calls

  explicit service_link(const link_options& options)
      : both_(both_ways<message_bytes, Wait>::of(options)), goes_there_(options.index == 0) {}

  void join(role as) {
    if ((as == role::producer) == goes_there_) {
      if (!both_->client) both_->client.emplace(both_->link.client(Wait()));
      touch_memory_of(details_of(*both_->client).ring());
    } else {
      if (!both_->server) both_->server.emplace(both_->link.server(Wait()));
      touch_memory_of(details_of(*both_->server).ring());
    }
  }

  template <class Fill>
  [[gnu::always_inline]] bool try_send(Fill&& fill) {
    fill(both_->staging.bytes);
    if (goes_there_) {
      both_->asked = both_->client->try_send(both_->staging);
      return static_cast<bool>(both_->asked);
    }
    (void)both_->taken.respond(both_->staging);
    return true;
  }
  template <class Read>
  [[gnu::always_inline]] bool try_receive(Read&& read) {
    if (goes_there_) {
      both_->taken = both_->server->try_receive();
      if (!both_->taken) return false;
      read(static_cast<const std::byte*>(both_->taken->bytes));
      return true;
    }
    const auto response = both_->asked.try_receive();
    if (!response) return false;
    read(static_cast<const std::byte*>(response->bytes));
    return true;
  }

  template <class Fill>
  void send(Fill&& fill) {
    if (!try_send(fill)) throw std::runtime_error("send: there is no room");
  }
  template <class Read>
  void receive(Read&& read) {
    if (goes_there_) {
      both_->taken = both_->server->receive();
      if (!both_->taken) throw std::runtime_error(std::string("receive: ") + to_string(both_->server->status()));
      read(static_cast<const std::byte*>(both_->taken->bytes));
      return;
    }
    const auto response = both_->asked.receive();
    if (!response) throw std::runtime_error(std::string("receive: ") + to_string(both_->asked.status()));
    read(static_cast<const std::byte*>(response->bytes));
  }

 private:
  std::shared_ptr<both_ways<message_bytes, Wait>> both_;
  bool goes_there_;
};

template <std::size_t message_bytes>
using polling = service_link<message_bytes, sluice::busy_spin>;
template <std::size_t message_bytes>
using sleeping = service_link<message_bytes, sluice::park>;
template <std::size_t message_bytes>
using spinning_then_sleeping = service_link<message_bytes, sluice::spin_then_park>;

const registered<polling> polling_entry{"sluice:service", origin::sluice, "half of a call", used_for::latency};
const registered_blocking<sleeping> sleeping_entry{"sluice:service park", origin::sluice};
const registered_blocking<spinning_then_sleeping> default_entry{"sluice:service spin_then_park", origin::sluice};

}  // namespace
}  // namespace sluice_bench
#endif
