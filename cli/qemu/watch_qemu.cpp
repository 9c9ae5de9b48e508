// What QEMU says, and what becomes of it:
//
//   RESUME, or it runs when we come      → `claim` its MACs: they are here
//   it waits for an incoming migration   → `prepare` them
//   MIGRATION setup, active              → samples of the receive queues and of the ports' counters, every
//   kSamplePeriod STOP meanwhile                       → `stopped` without a number, so that the daemon waits; the
//   queues once more,
//                                          for good now → `stopped` with the number of frames that the guest got
//   the connection ends                  → `release`, unless the VM has moved: QEMU has ended, and the VM with it
#include "cli/qemu/watch_qemu.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/base/failure.h"
#include "cli/base/file_io.h"
#include "cli/base/log.h"
#include "cli/base/stop_signal.h"
#include "cli/control/control_client.h"
#include "cli/qemu/qemu_nics.h"
#include "cli/qemu/qmp_client.h"
#include "core/replay/delivery_count.h"
#include "tap/port_socket.h"

namespace rove {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kReconnectTime{200};
constexpr milliseconds kCallTimeout{1'000};
constexpr std::chrono::seconds kRetryTime{1};  // of what the daemon did not take
constexpr std::chrono::seconds kIdleTime{60};
// A sample costs QEMU some 0.1 ms. It counts only when the next one is due and QEMU has not stopped meanwhile: while it
// stops (3 ms, measured) it may hold a frame that the guest never gets.
constexpr milliseconds kSamplePeriod{15};

struct Nic {
  MacAddress mac;
  std::string tap;
  std::string device;  // QOM path of its virtio device; empty: it is none that can be counted
  DeliveryCount count;
  struct Sample {
    std::uint16_t used;
    std::uint64_t read_before, read_after;
  };
  std::optional<Sample> sample;  // not counted yet
};

class QemuWatcher {
 public:
  QemuWatcher(const WatchQemuOptions& options, Log& log) : options_(options), log_(log) {}

  void run() {
    while (!stop_.wait(milliseconds{0})) {
      auto socket = connect();
      if (!socket) {
        if (stop_.wait(kReconnectTime)) return;
        continue;
      }
      QmpClient qmp{std::move(*socket), options_.qmp.string(), stop_.fd()};
      if (qmp.ended()) continue;
      serve(qmp);
    }
  }

 private:
  // nullopt: nobody listens (yet).
  std::optional<FileDescriptor> connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = options_.qmp.string();
    if (path.size() >= sizeof address.sun_path) {
      throw Failure(ExitStatus::Usage, "watch " + path, "the path is too long for a unix socket");
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    FileDescriptor fd{
        check_syscall("create a socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    const int error = errno;
    // EAGAIN: others wait there already. Without a listener it is a file that an earlier QEMU left, or nothing yet.
    const bool may_come = error == ENOENT || error == ECONNREFUSED || error == EAGAIN;
    std::error_code ignored;
    const bool is_socket = error == ENOENT || std::filesystem::is_socket(options_.qmp, ignored);
    if (!may_come || !is_socket) {
      throw Failure(ExitStatus::Failure, "watch " + path, is_socket ? std::strerror(error) : "it is no socket",
                    "the socket of -qmp unix:PATH,server=on,wait=off");
    }
    if (!std::exchange(waiting_, true)) {
      log_.write(LogLevel::Info, "waiting-for-qemu", {{"socket", path}, {"reason", std::strerror(error)}});
    }
    return std::nullopt;
  }

  void serve(QmpClient& qmp) {
    waiting_ = running_ = migrating_ = ran_ = moved_ = incoming_ = told_no_vm_ = false;
    nics_.clear();
    due_.clear();
    // So that QEMU tells when a migration begins; it refuses while one is under way.
    (void)qmp.command("migrate-set-capabilities",
                      {{"capabilities", Json::array({{{"capability", "events"}, {"state", true}}})}});
    learn_nics(qmp);
    const QmpAnswer status = qmp.command("query-status");
    running_ = status.kind == QmpAnswer::Kind::Returned && status.value.value("running", false);
    incoming_ = status.kind == QmpAnswer::Kind::Returned && status.value.value("status", "") == "inmigrate";
    const QmpAnswer migration = qmp.command("query-migrate");
    if (migration.kind == QmpAnswer::Kind::Returned) note_migration(qmp, migration.value);
    log_.write(LogLevel::Info, "qemu-watched",
               {{"socket", options_.qmp.string()}, {"vms", names()}, {"running", running_ ? "yes" : "no"}});
    if (running_) note_running();
    if (incoming_) tell_soon();

    while (!qmp.ended()) {
      qmp.wait(time_to_wait());
      while (auto event = qmp.poll_event()) handle_event(qmp, *event);
      const auto now = steady_clock::now();
      if (is_counting() && now >= next_sample_) take_samples(qmp);
      if (!due_.empty() && now >= retry_) tell_due(qmp);
    }
    const bool asked = stop_.wait(milliseconds{0});
    log_.write(LogLevel::Info, asked ? "stopping" : "qemu-gone", {{"vms", names()}});
    // In doubt the VM is left alone: a release before its new host's claim would cost frames.
    const bool may_have_moved = moved_ || (migrating_ && !running_);
    // What came is claimed, and what did not come is not expected any more.
    if ((ran_ || incoming_) && !may_have_moved && !asked) {
      for (const Nic& nic : nics_) (void)tell(ControlVerb::Release, nic);
    }
  }

  [[nodiscard]] milliseconds time_to_wait() const {
    auto until = steady_clock::now() + kIdleTime;
    if (is_counting()) until = std::min(until, next_sample_);
    if (!due_.empty()) until = std::min(until, retry_);
    return std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(until - steady_clock::now()));
  }

  void handle_event(QmpClient& qmp, const QmpEvent& event) {
    if (event.name == "STOP") {
      if (std::exchange(running_, false) && migrating_) tell_stopped(qmp);
      forget_counts();
    } else if (event.name == "RESUME") {
      forget_counts();
      if (nics_.empty()) learn_nics(qmp);
      note_running();
    } else if (event.name == "MIGRATION" && event.data.is_object()) {
      note_migration(qmp, event.data);
    }
  }

  void note_migration(QmpClient& qmp, const Json& data) {
    const auto status = data.find("status");
    if (status == data.end() || !status->is_string()) return;
    static const std::set<std::string> kOver{"none", "completed", "failed", "cancelled"};
    const bool under_way = !kOver.contains(status->get<std::string>());
    if (*status == "completed" && ran_ && !running_) moved_ = true;
    if (under_way && !migrating_ && running_) {
      learn_nics(qmp);
      find_devices(qmp);
    }
    migrating_ = under_way;
  }

  // ---- which VM it is ----------------------------------------------------------------------------

  // Its devices in the bridge of the daemon, whether that runs or not: then all that have a TAP.
  void learn_nics(QmpClient& qmp) {
    const QmpAnswer answer = qmp.command("human-monitor-command", {{"command-line", "info network"}});
    if (answer.kind != QmpAnswer::Kind::Returned || !answer.value.is_string()) return;
    if (bridge_.empty()) bridge_ = find_bridge();
    nics_.clear();
    for (const QemuNic& found : parse_qemu_nics(answer.value.get<std::string>())) {
      Nic nic{.mac = found.mac, .tap = found.tap, .device = {}, .count = {}, .sample = {}};
      if (nic.tap.empty()) nic.tap = find_tap(qmp, found);
      std::error_code error;
      const auto master = std::filesystem::read_symlink("/sys/class/net/" + nic.tap + "/master", error);
      if (nic.tap.empty() || error || (!bridge_.empty() && master.filename() != bridge_)) {
        log_.write(LogLevel::Debug, "vm-not-ours", {{"vm", to_string(nic.mac)}, {"tap", nic.tap}});
        continue;
      }
      nics_.push_back(std::move(nic));
    }
    if (nics_.empty() && !std::exchange(told_no_vm_, true)) {
      log_.write(LogLevel::Warn, "no-vm",
                 {{"bridge", bridge_}, {"reason", "QEMU has no network device whose TAP is in the daemon's bridge"}});
    }
  }

  static std::string find_tap(const QmpClient& qmp, const QemuNic& nic) {
    const auto pid = qmp.peer_pid();
    if (!pid || !nic.fd) return {};
    try {
      const auto text = read_file("/proc/" + std::to_string(*pid) + "/fdinfo/" + std::to_string(*nic.fd));
      return text ? parse_tap_fdinfo(*text) : std::string{};
    } catch (const std::system_error&) {  // not for us
      return {};
    }
  }

  // Empty: there is no daemon now.
  std::string find_bridge() {
    std::string bridge;
    try {
      ControlClient client{options_.control, options_.network, kCallTimeout};
      const Json status = Json::parse(client.call({}, kCallTimeout).data, nullptr, /*allow_exceptions=*/false);
      bridge = status.is_object() ? status.value("bridge", "") : std::string{};
    } catch (const Failure& failure) {  // asked again
      note_daemon_problem(failure);
      return {};
    }
    if (!bridge.empty()) return bridge;
    throw Failure(ExitStatus::Usage, "watch " + options_.qmp.string(),
                  "the daemon of network " + options_.network + " has no bridge with VMs",
                  "bridge = \"…\" in its configuration");
  }

  // The virtio devices whose frames can be counted: with one receive queue, which QEMU itself fills.
  void find_devices(QmpClient& qmp) {
    const QmpAnswer devices = qmp.command("x-query-virtio");  // since QEMU 7.2
    if (devices.kind != QmpAnswer::Kind::Returned || !devices.value.is_array()) return;
    for (const Json& device : devices.value) {
      if (!device.is_object() || device.value("name", "") != "virtio-net") continue;
      const std::string path = device.value("path", "");
      const QmpAnswer mac = qmp.command("qom-get", {{"path", path}, {"property", "mac"}});
      if (mac.kind != QmpAnswer::Kind::Returned || !mac.value.is_string()) continue;
      const QmpAnswer status = qmp.command("x-query-virtio-status", {{"path", path}});
      if (status.kind != QmpAnswer::Kind::Returned || !is_countable(status.value)) continue;
      for (Nic& nic : nics_) {
        if (parse_mac(mac.value.get<std::string>()) == nic.mac) nic.device = path;
      }
    }
  }

  static bool is_countable(const Json& status) {
    constexpr int kQueuesMax = 3;  // receive, send, control
    if (!status.is_object() || status.value("vhost-started", true)) return false;
    if (status.value("num-vqs", kQueuesMax + 1) > kQueuesMax) return false;
    // Its index is a place in the ring, not a count.
    return status.value("guest-features", Json::object()).dump().find("RING_PACKED") == std::string::npos;
  }

  [[nodiscard]] std::string names() const {
    std::string text;
    for (const Nic& nic : nics_) text += (text.empty() ? "" : ",") + to_string(nic.mac);
    return text;
  }

  // ---- what its guest got ------------------------------------------------------------------------

  [[nodiscard]] bool is_counting() const { return running_ && migrating_; }

  void forget_counts() {
    for (Nic& nic : nics_) {
      nic.count = {};
      nic.sample.reset();
    }
  }

  void take_samples(QmpClient& qmp) {
    next_sample_ = steady_clock::now() + kSamplePeriod;
    for (Nic& nic : nics_) {
      if (nic.device.empty()) continue;
      if (const auto sample = std::exchange(nic.sample, std::nullopt)) {
        nic.count.handle_sample(sample->used, sample->read_before, sample->read_after);
      }
      counters_.read();
      const auto before = counters_.find(nic.tap);
      const auto used = query_used(qmp, nic);
      counters_.read();
      const auto after = counters_.find(nic.tap);
      if (before && used && after) nic.sample = {*used, before->read, after->read};
    }
  }

  static std::optional<std::uint16_t> query_used(QmpClient& qmp, const Nic& nic) {
    const QmpAnswer answer = qmp.command("x-query-virtio-queue-status", {{"path", nic.device}, {"queue", 0}});
    if (answer.kind != QmpAnswer::Kind::Returned || !answer.value.is_object()) return std::nullopt;
    const auto used = answer.value.find("used-idx");
    if (used == answer.value.end() || !used->is_number_unsigned()) return std::nullopt;
    return static_cast<std::uint16_t>(used->get<std::uint64_t>());
  }

  // QEMU answers when it has sent the last of the VM's state; the daemon knows then that a number is coming.
  void tell_stopped(QmpClient& qmp) {
    std::vector<Nic*> counted;
    for (Nic& nic : nics_) {
      if (!nic.count.delivered(0)) continue;
      if (tell(ControlVerb::Stopped, nic)) counted.push_back(&nic);
    }
    for (Nic* nic : counted) {
      const auto used = query_used(qmp, *nic);
      const auto delivered = used ? nic->count.delivered(*used) : std::nullopt;
      if (!delivered) continue;
      (void)tell(ControlVerb::Stopped, *nic, delivered);
      log_.write(LogLevel::Info, "vm-stopped",
                 {{"vm", to_string(nic->mac)}, {"delivered", std::to_string(*delivered)}});
    }
  }

  // ---- the daemon --------------------------------------------------------------------------------

  void note_running() {
    running_ = ran_ = true;
    moved_ = incoming_ = false;
    tell_soon();
  }

  void tell_soon() {
    for (const Nic& nic : nics_) due_.insert(nic.mac);
    retry_ = steady_clock::now();
  }

  void tell_due(QmpClient& qmp) {
    // Without a daemon nobody could say yet which of its devices are in the right bridge.
    if (bridge_.empty()) {
      learn_nics(qmp);
      due_.clear();
      for (const Nic& nic : nics_) due_.insert(nic.mac);
    }
    if (!bridge_.empty()) {
      const ControlVerb verb = incoming_ ? ControlVerb::Prepare : ControlVerb::Claim;
      for (const Nic& nic : nics_) {
        if (due_.contains(nic.mac) && tell(verb, nic)) due_.erase(nic.mac);
      }
    }
    retry_ = steady_clock::now() + kRetryTime;
  }

  // False: to be tried again.
  bool tell(ControlVerb verb, const Nic& nic, std::optional<std::uint64_t> delivered = std::nullopt) {
    ControlRequest request;
    request.verb = verb;
    request.mac = nic.mac;
    request.address = VmAddress{nic.mac};
    request.port = nic.tap;
    request.delivered = delivered;
    try {
      ControlClient client{options_.control, options_.network, kCallTimeout};
      const ControlResponse response = client.call(request, kCallTimeout);
      daemon_problem_.clear();
      if (response.status == ExitStatus::Ok) return true;
      log_.write(LogLevel::Warn, "refused",
                 {{"verb", std::string{to_string(verb)}}, {"vm", to_string(nic.mac)}, {"reason", response.why}});
      return true;
    } catch (const Failure& failure) {
      note_daemon_problem(failure);
      return false;
    }
  }

  void note_daemon_problem(const Failure& failure) {
    if (daemon_problem_ != failure.what()) log_.write(LogLevel::Warn, "no-daemon", {{"reason", failure.what()}});
    daemon_problem_ = failure.what();
  }

  const WatchQemuOptions& options_;
  Log& log_;
  StopSignal stop_;
  PortCounterReader counters_;
  std::string bridge_;  // the daemon's; empty: not known yet
  std::vector<Nic> nics_;
  std::set<MacAddress> due_;  // to be claimed, or prepared for
  steady_clock::time_point retry_{};
  steady_clock::time_point next_sample_{};
  std::string daemon_problem_;  // told already
  bool waiting_ = false;        // for a QEMU, and it was told
  bool running_ = false;
  bool migrating_ = false;
  bool incoming_ = false;  // it waits for a VM that runs elsewhere
  bool ran_ = false;       // here, since we are connected
  bool moved_ = false;     // … and is elsewhere now
  bool told_no_vm_ = false;
};

}  // namespace

void watch_qemu(const WatchQemuOptions& options, Log& log) {
  QemuWatcher{options, log}.run();
}

}  // namespace rove
