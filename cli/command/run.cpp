#include "cli/command/run.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <ostream>
#include <thread>

#include "cli/command/arguments.h"
#include "cli/command/doctor_verbs.h"
#include "cli/command/pcap.h"
#include "cli/command/ping.h"
#include "cli/command/top.h"
#include "cli/completion/complete_words.h"
#include "cli/completion/completion.h"
#include "cli/config/config.h"
#include "cli/config/enrolment.h"
#include "cli/control/control_client.h"
#include "cli/daemon/daemon.h"
#include "cli/qemu/watch_qemu.h"
#include "cli/report/render.h"
#include "cli/report/report.h"
#include "core/crypto/hash.h"
#include "rove_version.h"
#include "tap/clock.h"
#include "tap/file_descriptor.h"
#include "tap/system_random.h"

namespace rove {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCallTimeout{5'000};
constexpr milliseconds kLookupCallTimeout{15'000};  // longer than the daemon waits for the network
constexpr milliseconds kDownTimeout{15'000};
constexpr milliseconds kWaitInterval{50};

// Runs the command that was parsed; one operator() for each.
class Runner {
 public:
  Runner(const Arguments& arguments, const Environment& environment, Console& console)
      : arguments_(arguments),
        environment_(environment),
        console_(console),
        paths_(make_paths(arguments.paths, environment)) {}

  ExitStatus operator()(InitCommand command) {
    if (command.node.empty()) command.node = this_node_name();
    SystemRandom random;
    const Enrolment made = create_network(*arguments_.network, command, paths_, read_clocks().wall, random);
    print_enrolment(made, "created, and this node is " + made.node,
                    "rove up " + made.network + "; for another host: rove enroll NODE -o FILE\n" +
                        "keep secret: " + paths_.authority_file(made.network).string() + " is the CA's key");
    return ExitStatus::Ok;
  }

  ExitStatus operator()(const EnrollCommand& command) {
    SystemRandom random;
    const std::string network = choose_network(arguments_.network, environment_, find_authorities(paths_), paths_);
    const Enrolment made = enroll_node(network, command, paths_, read_clocks().wall, random);
    print_enrolment(made, "has a new node, " + made.node,
                    "on that host: rove join " + command.output.filename().string() +
                        "\nkeep secret: " + command.output.string() + " holds the node's key");
    return ExitStatus::Ok;
  }

  ExitStatus operator()(const JoinCommand& command) {
    const Enrolment made = join_network(command, paths_, read_clocks().wall);
    print_enrolment(made, "joined as " + made.node, "rove check " + made.network + " && rove up " + made.network);
    return ExitStatus::Ok;
  }

  ExitStatus operator()(const UpCommand& command) {
    DaemonOptions options = find_daemon(command.config);
    options.overrides = {.listen = command.listen, .log_level = command.log_level};
    options.overrides.apply(options.config);
    run_daemon(options);
    return ExitStatus::Ok;
  }

  ExitStatus operator()(const CheckCommand& command) {
    const DaemonOptions options = find_daemon(command.config);
    const NodeCredential credential = load_credential(options.credential, options.credential_guard);
    verify_credential(credential, options.credential, read_clocks().wall);
    if (arguments_.json) {
      console_.out << report_check(options.network, options.config_file.string(), credential.certificate.name())
                   << '\n';
    } else {
      console_.out << options.config_file.string() << ": valid\n"
                   << options.credential.string() << ": valid, node " << credential.certificate.name() << '\n';
    }
    return ExitStatus::Ok;
  }

  ExitStatus operator()(const CallCommand& command) {
    const std::string network = choose_running_network();
    const ControlVerb verb = command.request.verb;
    ControlClient client{paths_.socket_file(network), network, kCallTimeout};
    const bool asks_network = verb == ControlVerb::Lookup || verb == ControlVerb::Prepare;
    const ControlResponse response = client.call(command.request, asks_network ? kLookupCallTimeout : kCallTimeout);
    if (arguments_.json && !response.data.empty()) {
      console_.out << response.data << '\n';
    } else if (response.status == ExitStatus::Ok || (verb == ControlVerb::Reload && !response.data.empty())) {
      console_.out << render(verb, response.data, {.style = console_.style, .counters = command.counters});
    }
    if (response.status != ExitStatus::Ok) {
      throw Failure(response.status, response.what, response.why, response.next);
    }
    if (verb == ControlVerb::Down && !client.wait_closed(kDownTimeout)) {
      throw Failure(ExitStatus::Failure, "down", "the daemon has not stopped yet", "its log");
    }
    return ExitStatus::Ok;
  }

  ExitStatus operator()(const PingCommand& command) {
    const std::string network = choose_running_network();
    return ping(command, {paths_.socket_file(network), network, arguments_.json}, console_);
  }

  ExitStatus operator()(const TopCommand& command) {
    const std::string network = choose_running_network();
    return top(command, {paths_.socket_file(network), network, arguments_.json}, console_);
  }

  ExitStatus operator()(const WaitCommand& command) {
    const std::string network = choose_running_network();
    const auto deadline = std::chrono::steady_clock::now() + command.timeout;
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
      const bool is_last = left <= milliseconds{0};
      try {
        const milliseconds patience = is_last ? milliseconds{1'000} : std::min(left, kCallTimeout);
        ControlClient client{paths_.socket_file(network), network, patience};
        if (is_usable(client.call({}, patience).data)) return ExitStatus::Ok;
        if (is_last) {
          throw Failure(ExitStatus::NotFound, "wait", "the daemon runs, but reaches no other node", "rove status");
        }
      } catch (const Failure& failure) {
        // A daemon that is about to start, or busy starting, is what we wait for.
        const bool may_pass = failure.status() == ExitStatus::NotRunning || failure.status() == ExitStatus::NotFound;
        if (is_last || !may_pass) throw;
      }
      std::this_thread::sleep_for(kWaitInterval);
    }
  }

  // Ends when the daemon does, with NotRunning, or when nobody reads on.
  ExitStatus operator()(const WatchCommand&) {
    const std::string network = choose_running_network();
    ControlClient client{paths_.socket_file(network), network, kCallTimeout};
    ControlRequest request;
    request.verb = ControlVerb::Watch;
    ControlResponse line = client.call(request, kCallTimeout);
    while (line.status == ExitStatus::Ok) {
      if (arguments_.json) {
        console_.out << line.data << '\n';
      } else {
        console_.out << render(ControlVerb::Watch, line.data, {.style = console_.style, .counters = false});
      }
      console_.out.flush();
      if (!console_.out) return ExitStatus::Ok;  // run_command() tells
      line = client.receive();
    }
    throw Failure(line.status, line.what, line.why, line.next);
  }

  ExitStatus operator()(const WatchQemuCommand& command) {
    const std::string network = choose_running_network();
    Log log{command.log_level.value_or(LogLevel::Info), network};
    watch_qemu({.qmp = command.socket, .control = paths_.socket_file(network), .network = network}, log);
    return ExitStatus::Ok;
  }

  ExitStatus operator()(const PcapCommand& command) {
    const std::string network = choose_running_network();
    run_pcap(command, paths_.socket_file(network), network, STDOUT_FILENO, console_.errors);
    return ExitStatus::Ok;
  }

  ExitStatus operator()(const CompletionCommand& command) {
    console_.out << make_completion(*find_shell(command.shell), describe_command_line());
    return ExitStatus::Ok;
  }

  ExitStatus operator()(const CompleteWordsCommand& command) {
    const WordKind kind = *find_word_kind(command.kind);
    for (const std::string& word : find_words(kind, paths_, environment_, arguments_.network)) {
      console_.out << word << '\n';
    }
    return ExitStatus::Ok;
  }

  ExitStatus operator()(const DoctorCommand&) { return run_doctor(diagnosis(), console_); }
  ExitStatus operator()(const NetcheckCommand&) { return run_netcheck(diagnosis(), console_); }
  ExitStatus operator()(const BugreportCommand& command) {
    return run_bugreport(diagnosis(), command.output, console_);
  }

  ExitStatus operator()(const VersionCommand&) {
    const std::string version = ROVE_VERSION;
    const std::string commit = ROVE_COMMIT;
    if (arguments_.json) {
      console_.out << report_version(version, commit) << '\n';
    } else {
      console_.out << "rove " << version << (commit.empty() ? "" : " (" + commit + ")") << '\n';
    }
    return ExitStatus::Ok;
  }

 private:
  // The network whose daemon is asked.
  [[nodiscard]] std::string choose_running_network() const {
    return choose_network(arguments_.network, environment_, find_networks(paths_), paths_);
  }

  [[nodiscard]] DiagnosisTask diagnosis() const {
    return {.paths = paths_, .network = choose_running_network(), .json = arguments_.json};
  }

  // With --config, the network is called as the file is unless something else was said.
  [[nodiscard]] DaemonOptions find_daemon(const std::optional<std::filesystem::path>& config) const {
    std::vector<std::string> known;
    if (config) {
      known.push_back(config->stem().string());
    } else {
      known = find_networks(paths_);
    }
    const std::string network = choose_network(arguments_.network, environment_, known, paths_);
    const std::filesystem::path file = config ? *config : paths_.config_file(network);
    DaemonOptions options{.network = network,
                          .config_file = file,
                          .config = load_config(file, paths_.credential_file(network)),
                          .overrides = {},
                          .credential = {},
                          .paths = paths_};
    options.credential = options.config.credential;
    if (const auto copy = find_service_copy(options.config.credential, environment_)) {
      options.credential = *copy;
      options.credential_guard = KeyGuard::ServiceManager;
    }
    return options;
  }

  static std::string this_node_name() {
    std::array<char, 256> name{};  // HOST_NAME_MAX is 64 in Linux
    check_syscall("read this host's name", ::gethostname(name.data(), name.size() - 1));
    std::string node = node_name_of(name.data());
    if (node.empty()) {
      throw Failure(ExitStatus::Usage, "name this node", "this host's name does not serve as one", "--node NAME");
    }
    return node;
  }

  void print_enrolment(const Enrolment& made, const std::string& outcome, const std::string& next) {
    if (arguments_.json) {
      console_.out << report_enrolment(made) << '\n';
      return;
    }
    console_.out << "network " << made.network << ' ' << outcome << '\n';
    for (const auto& file : made.files) console_.out << "wrote: " << file.string() << '\n';
    console_.errors << "next: " << next << '\n';
  }

  const Arguments& arguments_;
  const Environment& environment_;
  Console& console_;
  Paths paths_;
};

ExitStatus print_failure(const Failure& failure, Console& console) {
  console.errors << "rove: " << failure.what() << '\n';
  if (!failure.next().empty()) console.errors << "try: " << failure.next() << '\n';
  return failure.status();
}

}  // namespace

ExitStatus run_command(const std::vector<std::string>& arguments, const Environment& environment, Console& console) {
  try {
    init_crypto();
    const auto parsed = parse_arguments(arguments);
    if (const auto* exit = std::get_if<EarlyExit>(&parsed)) {
      console.out << exit->output;
      console.errors << exit->errors;
      return exit->status;
    }
    const auto& understood = std::get<Arguments>(parsed);
    const ExitStatus status = std::visit(Runner{understood, environment, console}, understood.command);
    console.out.flush();
    if (!console.out) throw Failure(ExitStatus::Failure, "write to standard output", "it takes no more");
    return status;
  } catch (const Failure& failure) {
    console.out.flush();
    return print_failure(failure, console);
  } catch (const std::exception& error) {
    // A system call or library that failed at start-up; the message names attempt and object.
    console.out.flush();
    console.errors << "rove: " << error.what() << '\n';
    return ExitStatus::Failure;
  }
}

}  // namespace rove
