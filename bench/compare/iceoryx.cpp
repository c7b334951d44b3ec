// Peer: iceoryx 2.0, publisher and subscriber that lend chunks of a shared pool. Its daemon RouDi must run: Debian has
// no program for it, only the library, so the runner forks one of its own for each run and ends it afterwards. RouDi
// and the discovery threads of both processes share the two cores with the measurement.
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include "harness/blocking.hpp"
#include "harness/many.hpp"
#include "harness/transports.hpp"

#include <iceoryx_hoofs/log/logmanager.hpp>
#include <iceoryx_posh/internal/roudi/roudi.hpp>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/popo/wait_set.hpp>
#include <iceoryx_posh/roudi/iceoryx_roudi_components.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>

namespace sluice_bench {
namespace {

class roudi_daemon {
 public:
  roudi_daemon(std::uint32_t chunk_bytes, std::uint32_t chunks, std::string run_name) : run_name_(std::move(run_name)) {
    std::fflush(nullptr);
    const pid_t runner = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork of RouDi failed");
    if (pid_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != runner) ::_exit(1);
    // It greets, and tells of every step.
    if (std::freopen("/dev/null", "w", stdout) == nullptr || std::freopen("/dev/null", "w", stderr) == nullptr)
      ::_exit(1);
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &ending, nullptr);  // before its threads are born
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(iox::log::LogLevel::kError,
                                                             iox::log::LogLevelOutput::kHideLogLevel);
    iox::mepoo::MePooConfig pools;
    pools.addMemPool({chunk_bytes, chunks});
    const auto group = iox::posix::PosixGroup::getGroupOfCurrentProcess().getName();
    iox::RouDiConfig_t config;
    config.m_sharedMemorySegments.push_back({group, group, pools});
    {
      iox::roudi::IceOryxRouDiComponents parts(config);
      // No watching and no killing of the processes it knows: when it ends they are long gone.
      iox::roudi::RouDi daemon(parts.rouDiMemoryManager, parts.portManager,
                               iox::roudi::RouDi::RoudiStartupParameters(iox::roudi::MonitoringMode::OFF, false));
      int signal = 0;
      ::sigwait(&ending, &signal);
    }  // removes its segments
    ::_exit(0);
  }
  ~roudi_daemon() {
    end();
    // The sockets of the measured processes, which end without cleaning up.
    for (const char* who : {"_first", "_second"})
      for (const char* suffix : {"", ".lock"}) ::unlink(("/tmp/" + run_name_ + who + suffix).c_str());
  }
  roudi_daemon(const roudi_daemon&) = delete;
  roudi_daemon& operator=(const roudi_daemon&) = delete;

 private:
  void end() const noexcept {
    ::kill(pid_, SIGTERM);
    for (int i = 0; i < 3'000; ++i) {
      if (::waitpid(pid_, nullptr, WNOHANG) != 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  std::string run_name_;
  pid_t pid_ = -1;
};

/// Both links of a run share one daemon.
std::shared_ptr<roudi_daemon> daemon_of_this_run(std::uint32_t chunk_bytes, std::uint32_t chunks,
                                                 const std::string& run_name) {
  static std::weak_ptr<roudi_daemon> running;
  std::shared_ptr<roudi_daemon> daemon = running.lock();
  if (!daemon) running = daemon = std::make_shared<roudi_daemon>(chunk_bytes, chunks, run_name);
  return daemon;
}

template <std::size_t message_bytes>
class iceoryx {
 public:
  static constexpr bool gives_core_away = true;

  explicit iceoryx(const link_options& options)
      : queue_slots_(std::min<std::size_t>(slots_for(message_bytes, options.ring_bytes), 256)),  // its own upper limit
        index_(options.index),
        run_name_(options.run_name),
        daemon_(daemon_of_this_run(static_cast<std::uint32_t>((message_bytes + 256 + 63) / 64 * 64),
                                   static_cast<std::uint32_t>(2 * queue_slots_ + 64), run_name_)) {}

  /// @param number  of several processes of a role.
  void join(role as, std::uint64_t number = 0) {
    // The first process is the producer of link 0 and the consumer of link 1; only the first call of a process counts.
    const std::string name = run_name_ + ((as == role::producer) == (index_ == 0) ? "_first" : "_second") +
                             (number == 0 ? "" : "_" + std::to_string(number));
    iox::log::LogManager::GetLogManager().SetDefaultLogLevel(iox::log::LogLevel::kError,
                                                             iox::log::LogLevelOutput::kHideLogLevel);
    iox::runtime::PoshRuntime::initRuntime(
        iox::RuntimeName_t(iox::cxx::TruncateToCapacity, name.c_str()));  // waits for RouDi
    const iox::capro::ServiceDescription service{
        "sluice_bench", iox::capro::IdString_t(iox::cxx::TruncateToCapacity, std::to_string(index_).c_str()),
        "message"};
    if (as == role::producer) {
      iox::popo::PublisherOptions publisher;
      publisher.subscriberTooSlowPolicy = iox::popo::ConsumerTooSlowPolicy::WAIT_FOR_CONSUMER;
      publisher_.emplace(service, publisher);
      while (!publisher_->hasSubscribers()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } else {
      iox::popo::SubscriberOptions subscriber;
      subscriber.queueCapacity = queue_slots_;
      subscriber.queueFullPolicy = iox::popo::QueueFullPolicy::BLOCK_PRODUCER;
      subscriber_.emplace(service, subscriber);
      while (subscriber_->getSubscriptionState() != iox::SubscribeState::SUBSCRIBED)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  template <class Fill>
  bool try_send(Fill&& fill) {
    auto chunk = publisher_->loan(message_bytes);
    if (chunk.has_error()) return false;
    fill(static_cast<std::byte*>(chunk.value()));
    publisher_->publish(chunk.value());  // waits for room itself
    return true;
  }
  template <class Read>
  bool try_receive(Read&& read) {
    auto chunk = subscriber_->take();
    if (chunk.has_error()) return false;
    read(static_cast<const std::byte*>(chunk.value()));
    subscriber_->release(chunk.value());
    return true;
  }

 protected:
  std::optional<iox::popo::UntypedPublisher> publisher_;
  std::optional<iox::popo::UntypedSubscriber> subscriber_;

 private:
  std::size_t queue_slots_;
  unsigned index_;
  std::string run_name_;
  std::shared_ptr<roudi_daemon> daemon_;
};

/// Its consumer sleeps in a wait set.
template <std::size_t message_bytes>
class iceoryx_waiting : public iceoryx<message_bytes> {
 public:
  using iceoryx<message_bytes>::iceoryx;

  void join(role as) {
    iceoryx<message_bytes>::join(as);
    if (as == role::producer) return;
    waiting_.emplace();
    if (waiting_->attachState(*this->subscriber_, iox::popo::SubscriberState::HAS_DATA).has_error())
      throw std::runtime_error("the wait set takes no subscriber");
  }
  template <class Fill>
  void send(Fill&& fill) {
    while (!this->try_send(fill)) give_way();
  }
  template <class Read>
  void receive(Read&& read) {
    while (!this->try_receive(read)) waiting_->wait();
  }

 private:
  std::optional<iox::popo::WaitSet<1>> waiting_;
};

const registered_fan_out<iceoryx> iceoryx_fan_out_entry{"iceoryx 2.0", origin::peer};
const registered<iceoryx> iceoryx_entry{"iceoryx 2.0", origin::peer,
                                        "chunks on loan; daemon and discovery threads on the same cores"};

const registered_blocking<iceoryx_waiting> iceoryx_blocking_entry{
    "iceoryx 2.0 wait set", origin::peer, "chunks on loan; daemon and discovery threads on the same cores"};

}  // namespace
}  // namespace sluice_bench
