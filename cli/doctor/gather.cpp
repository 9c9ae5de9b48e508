#include "cli/doctor/gather.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include "cli/base/failure.h"
#include "cli/base/file_io.h"
#include "cli/config/enrolment.h"
#include "cli/control/control_client.h"
#include "cli/doctor/checks.h"
#include "cli/doctor/daemon_facts.h"
#include "cli/doctor/gather_devices.h"
#include "cli/doctor/gather_routes.h"
#include "cli/doctor/port_holder.h"
#include "cli/doctor/run_program.h"
#include "tap/clock.h"
#include "tap/file_descriptor.h"

namespace rove {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCallTimeout{5'000};
constexpr milliseconds kDropsInterval{1'000};
constexpr milliseconds kProgramPatience{5'000};
constexpr const char* kNft = "/usr/sbin/nft";

// One finding is one line.
std::string one_line(std::string text) {
  constexpr std::string_view kNextLine = "\nrove: ";  // of load_config()
  for (std::size_t at = 0; (at = text.find(kNextLine, at)) != std::string::npos;) {
    text.replace(at, kNextLine.size(), "; ");
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  while (text.ends_with(' ')) text.pop_back();
  return text;
}

std::string answer_to(ControlClient& client, ControlVerb verb) {
  ControlRequest request;
  request.verb = verb;
  ControlResponse response = client.call(request, kCallTimeout);
  if (response.status != ExitStatus::Ok) throw Failure(response.status, response.what, response.why, response.next);
  return std::move(response.data);
}

ConfigFacts gather_config(const Paths& paths, const std::string& network) {
  ConfigFacts facts;
  facts.file = paths.config_file(network);
  facts.config.credential = paths.credential_file(network);
  try {
    facts.config = load_config(facts.file, paths.credential_file(network));
  } catch (const Failure& failure) {
    facts.problem = {one_line(failure.what()), failure.next().empty() ? "rove check " + network : failure.next()};
  }
  struct stat info{};
  facts.others_may_write = ::stat(facts.file.c_str(), &info) == 0 && (info.st_mode & S_IWOTH) != 0;
  return facts;
}

CredentialFacts gather_credential(const Paths& paths, const std::string& network, const DaemonConfig& config) {
  CredentialFacts facts;
  facts.file = config.credential;
  facts.authority_file = paths.authority_file(network);
  facts.authority_open = is_open_to_others(facts.authority_file);
  try {
    const NodeCredential credential = load_credential(facts.file);
    facts.certificate = {.node = credential.certificate.name(),
                         .not_before = credential.certificate.not_before(),
                         .not_after = credential.certificate.not_after(),
                         .authority_not_after = credential.anchor.not_after()};
    facts.inner_mtu = credential.credential.network.inner_mtu;
    facts.subnets = credential.credential.network.subnets;
    facts.bootstrap = credential.credential.network.bootstrap;
  } catch (const Failure& failure) {
    facts.problem = {one_line(failure.what()), failure.next()};
  } catch (const std::system_error& error) {
    facts.is_unreadable = error.code() == std::errc::permission_denied;
    if (!facts.is_unreadable) facts.problem = {error.what(), "rove join FILE --replace"};
  }
  return facts;
}

std::vector<HostPort> bootstrap_of(const Facts& facts) {
  if (!facts.config.config.bootstrap.empty()) return facts.config.config.bootstrap;
  std::vector<HostPort> bootstrap;
  for (const std::string& text : facts.credential.bootstrap) {
    if (const auto host_port = parse_host_port(text)) bootstrap.push_back(*host_port);
  }
  return bootstrap;
}

int try_tun() {
  const FileDescriptor fd{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
  return fd ? 0 : errno;
}

std::optional<ClockFacts> gather_clock() {
  timex state{};
  const int result = ::adjtimex(&state);  // asks only: no mode is set
  if (result < 0) return std::nullopt;
  return ClockFacts{.is_synchronized = result != TIME_ERROR && (state.status & STA_UNSYNC) == 0};
}

bool is_elsewhere(std::int64_t pid) {
  std::error_code error;
  const auto here = std::filesystem::read_symlink("/proc/self/ns/net", error);
  if (error || pid == 0) return false;
  const auto there = std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/ns/net", error);
  return !error && here != there;
}

FirewallFacts gather_firewall(std::uint16_t port) {
  const auto listed = run_program({kNft, "-j", "list", "ruleset"}, kProgramPatience);
  if (!listed)
    return {.state = FirewallFacts::State::NotSeen, .why_not = std::string{kNft} + " did not run", .chain = {}};
  if (listed->status != 0)
    return {.state = FirewallFacts::State::NotSeen, .why_not = one_line(listed->errors), .chain = {}};
  return judge_ruleset(listed->output, port);
}

void take_daemon(const DaemonAnswers& answers, Facts& facts) {
  facts.daemon_problem = answers.problem;
  facts.daemon_remedy = answers.remedy;
  if (answers.status.empty()) return;
  facts.daemon = parse_daemon_facts(answers.status, answers.peers);
  if (!facts.daemon) {
    facts.daemon_problem = "the daemon's answer is one of another version";
    facts.daemon_remedy = "rove down " + facts.network + " and rove up " + facts.network + ", with the same rove";
    return;
  }
  if (answers.pid != 0) facts.daemon->pid = answers.pid;
  if (facts.daemon->kernel_drops > 0) facts.daemon->kernel_drops_later = answers.kernel_drops_later;
  facts.daemon_elsewhere = is_elsewhere(answers.pid);
}

}  // namespace

DaemonAnswers ask_daemon(const Paths& paths, const std::string& network) {
  DaemonAnswers answers;
  try {
    ControlClient client{paths.socket_file(network), network, kCallTimeout};
    answers.pid = client.daemon_pid();
    answers.peers = answer_to(client, ControlVerb::Peers);
    answers.vms = answer_to(client, ControlVerb::Vms);
    answers.status = answer_to(client, ControlVerb::Status);
    if (parse_kernel_drops(answers.status) > 0) {
      std::this_thread::sleep_for(kDropsInterval);
      answers.kernel_drops_later = parse_kernel_drops(answer_to(client, ControlVerb::Status));
    }
  } catch (const Failure& failure) {
    answers = {};
    answers.problem = failure.what();
    answers.remedy = failure.next();
  }
  return answers;
}

Facts gather_facts(const Paths& paths, const std::string& network, const DaemonAnswers& answers) {
  Facts facts;
  facts.network = network;
  facts.now = read_clocks().wall;
  facts.config = gather_config(paths, network);
  facts.credential = gather_credential(paths, network, facts.config.config);
  take_daemon(answers, facts);
  facts.tun_error = facts.daemon ? 0 : try_tun();
  facts.capabilities = own_capabilities();
  facts.clock = gather_clock();
  const DaemonConfig& config = facts.config.config;
  const std::string tap = facts.daemon ? facts.daemon->tap : config.tap;
  const std::string bridge = facts.daemon ? facts.daemon->bridge : config.bridge;
  facts.tap = gather_tap(tap);
  if (!bridge.empty()) facts.bridge = gather_bridge(bridge, tap);
  facts.underlay = gather_underlay(facts.credential.subnets, {tap});
  if (!facts.daemon) facts.port_holder = find_port_holder(config.listen);
  facts.bootstrap = resolve_names(bootstrap_of(facts));
  facts.routes = gather_routes(facts);
  facts.firewall = gather_firewall(find_port(facts));
  return facts;
}

}  // namespace rove
