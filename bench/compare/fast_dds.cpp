// Peer: Fast DDS 2.9 over its shared memory transport, reliable, everything kept until it was taken, samples on loan on
// both sides. Without data sharing: with it, a stream loses messages here in nearly every run. Each participant has
// threads of its own for discovery and for what it receives; they share the two cores with the measurement.
#include <fastdds/rtps/transport/shared_mem/SharedMemTransportDescriptor.h>
#include <fastdds/dds/core/LoanableSequence.hpp>
#include <fastdds/dds/domain/DomainParticipant.hpp>
#include <fastdds/dds/domain/DomainParticipantFactory.hpp>
#include <fastdds/dds/publisher/DataWriter.hpp>
#include <fastdds/dds/publisher/Publisher.hpp>
#include <fastdds/dds/subscriber/DataReader.hpp>
#include <fastdds/dds/subscriber/SampleInfo.hpp>
#include <fastdds/dds/subscriber/Subscriber.hpp>
#include <fastdds/dds/topic/TopicDataType.hpp>

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <stdexcept>
#include <thread>

#include "harness/blocking.hpp"
#include "harness/transports.hpp"

namespace sluice_bench {
namespace {

namespace dds = eprosima::fastdds::dds;
namespace rtps = eprosima::fastrtps::rtps;
using eprosima::fastrtps::types::ReturnCode_t;

template <std::size_t message_bytes>
struct fast_dds_sample {
  alignas(8) std::byte bytes[message_bytes];
};

/// Bytes that look the same on both sides, so that they can be lent.
template <std::size_t message_bytes>
class fast_dds_type : public dds::TopicDataType {
 public:
  using sample = fast_dds_sample<message_bytes>;
  fast_dds_type() {
    setName(("sluice_bench_" + std::to_string(message_bytes)).c_str());
    m_typeSize = static_cast<std::uint32_t>(sizeof(sample)) + 4;  // and what comes before it on the wire
    m_isGetKeyDefined = false;
    auto_fill_type_object(false);
    auto_fill_type_information(false);
  }
  bool serialize(void* from, rtps::SerializedPayload_t* to) override {
    to->encapsulation = CDR_LE;
    std::memcpy(to->data + 4, from, sizeof(sample));
    to->length = static_cast<std::uint32_t>(sizeof(sample)) + 4;
    return true;
  }
  bool deserialize(rtps::SerializedPayload_t* from, void* to) override {
    std::memcpy(to, from->data + 4, sizeof(sample));
    return true;
  }
  std::function<std::uint32_t()> getSerializedSizeProvider(void*) override {
    return [] { return static_cast<std::uint32_t>(sizeof(sample)) + 4; };
  }
  void* createData() override { return new sample; }
  void deleteData(void* data) override { delete static_cast<sample*>(data); }
  bool getKey(void*, rtps::InstanceHandle_t*, bool) override { return false; }
  bool is_bounded() const override { return true; }
  bool is_plain() const override { return true; }
  bool construct_sample(void* at) const override {
    new (at) sample;
    return true;
  }
};

/// What the measured processes leave below /dev/shm: they end without cleaning up.
class left_in_shm {
 public:
  left_in_shm() : before_(now()) {}
  ~left_in_shm() {
    std::error_code ignored;  // another user's, or gone
    for (const std::string& path : now())
      if (!before_.contains(path)) std::filesystem::remove(path, ignored);
  }
  left_in_shm(const left_in_shm&) = delete;
  left_in_shm& operator=(const left_in_shm&) = delete;

 private:
  static std::set<std::string> now() {
    std::set<std::string> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/dev/shm", ignored)) {
      const std::string name = entry.path().filename();
      if (name.find("fastrtps") != std::string::npos || name.find("fast_datasharing") != std::string::npos)
        found.insert(entry.path());
    }
    return found;
  }
  std::set<std::string> before_;
};

template <std::size_t message_bytes>
class fast_dds {
 public:
  static constexpr bool gives_core_away = true;

  explicit fast_dds(const link_options& options)
      : slots_(std::min<std::size_t>(slots_for(message_bytes, options.ring_bytes), 1024)),
        index_(options.index),
        topic_name_(options.run_name + "_" + std::to_string(options.index)) {}

  void join(role as) {
    dds::DomainParticipant* participant = this->participant();
    const dds::TypeSupport type(new fast_dds_type<message_bytes>);
    type.register_type(participant);
    dds::Topic* topic = required(participant->create_topic(topic_name_, type.get_type_name(), dds::TOPIC_QOS_DEFAULT));
    const auto depth = static_cast<std::int32_t>(slots_);
    if (as == role::producer) {
      dds::DataWriterQos qos;
      qos.reliability().kind = dds::RELIABLE_RELIABILITY_QOS;
      qos.reliability().max_blocking_time = eprosima::fastrtps::Duration_t(2, 0);
      qos.history().kind = dds::KEEP_ALL_HISTORY_QOS;
      qos.resource_limits().max_samples = depth;
      qos.resource_limits().allocated_samples = depth;
      qos.resource_limits().max_instances = 1;
      qos.resource_limits().max_samples_per_instance = depth;
      qos.endpoint().history_memory_policy = rtps::PREALLOCATED_MEMORY_MODE;
      qos.data_sharing().off();
      writer_ =
          required(required(participant->create_publisher(dds::PUBLISHER_QOS_DEFAULT))->create_datawriter(topic, qos));
      for (dds::PublicationMatchedStatus status; status.current_count < 1;) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        writer_->get_publication_matched_status(status);
      }
    } else {
      dds::DataReaderQos qos;
      qos.reliability().kind = dds::RELIABLE_RELIABILITY_QOS;
      qos.history().kind = dds::KEEP_ALL_HISTORY_QOS;
      qos.resource_limits().max_samples = depth;
      qos.resource_limits().allocated_samples = depth;
      qos.resource_limits().max_instances = 1;
      qos.resource_limits().max_samples_per_instance = depth;
      qos.endpoint().history_memory_policy = rtps::PREALLOCATED_MEMORY_MODE;
      qos.data_sharing().off();
      reader_ = required(
          required(participant->create_subscriber(dds::SUBSCRIBER_QOS_DEFAULT))->create_datareader(topic, qos));
      for (dds::SubscriptionMatchedStatus status; status.current_count < 1;) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        reader_->get_subscription_matched_status(status);
      }
    }
  }

  template <class Fill>
  bool try_send(Fill&& fill) {
    if (sample_ == nullptr) {
      if (writer_->loan_sample(sample_) != ReturnCode_t::RETCODE_OK) {
        sample_ = nullptr;
        return false;
      }
      fill(static_cast<fast_dds_sample<message_bytes>*>(sample_)->bytes);
    }
    if (!writer_->write(sample_)) return false;
    sample_ = nullptr;
    return true;
  }
  template <class Read>
  bool try_receive(Read&& read) {
    dds::LoanableSequence<fast_dds_sample<message_bytes>> samples;
    dds::SampleInfoSeq infos;
    if (reader_->take(samples, infos, 1) != ReturnCode_t::RETCODE_OK) return false;
    const bool got = samples.length() > 0 && infos[0].valid_data;
    if (got) read(static_cast<const std::byte*>(samples[0].bytes));
    reader_->return_loan(samples, infos);
    return got;
  }
  template <class Fill>
  void send(Fill&& fill) {
    while (!try_send(fill)) give_way();
  }
  template <class Read>
  void receive(Read&& read) {
    while (!try_receive(read)) reader_->wait_for_unread_message(eprosima::fastrtps::Duration_t(1, 0));
  }

 private:
  template <class Object>
  static Object* required(Object* made) {
    if (made == nullptr) throw std::runtime_error("Fast DDS made no entity");
    return made;
  }

  /// One for both links of a process.
  static dds::DomainParticipant* participant() {
    static dds::DomainParticipant* const only = [] {
      dds::DomainParticipantQos qos;
      qos.transport().use_builtin_transports = false;
      auto memory = std::make_shared<eprosima::fastdds::rtps::SharedMemTransportDescriptor>();
      memory->segment_size(static_cast<std::uint32_t>(8 << 20));
      qos.transport().user_transports.push_back(memory);
      return required(dds::DomainParticipantFactory::get_instance()->create_participant(
          static_cast<dds::DomainId_t>(::getppid() % 200), qos));  // the runner's: both processes have the same
    }();
    return only;
  }

  std::size_t slots_;
  unsigned index_;
  std::string topic_name_;
  std::shared_ptr<left_in_shm> left_ = std::make_shared<left_in_shm>();
  dds::DataWriter* writer_ = nullptr;  // live as long as their process
  dds::DataReader* reader_ = nullptr;
  void* sample_ = nullptr;
};

const registered<fast_dds> fast_dds_entry{"Fast DDS 2.9 SHM", origin::peer,
                                          "samples on loan; its threads on the same cores"};
const registered_blocking<fast_dds> fast_dds_blocking_entry{"Fast DDS 2.9 SHM", origin::peer};

}  // namespace
}  // namespace sluice_bench
