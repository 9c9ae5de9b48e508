#include "cli/command/arguments.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>
#include <functional>
#include <sstream>
#include <stdexcept>

#include "cli/base/nearest.h"
#include "cli/completion/complete_words.h"
#include "cli/completion/completion.h"
#include "core/identity/name.h"
#include "core/identity/network_settings.h"

namespace rove {
namespace {

using Texts = std::vector<std::string>;

// A check for CLI11: empty when `parse` takes the text, else what is wrong with it.
template <typename Parse>
std::function<std::string(const std::string&)> must_be(Parse parse, std::string wanted) {
  return [parse, wanted = std::move(wanted)](const std::string& text) {
    return parse(text) ? std::string{} : "\"" + text + "\" is not " + wanted;
  };
}

std::optional<HostPort> parse_one_host_port(const std::string& text) {
  return parse_host_port(text);
}

std::optional<std::uint16_t> parse_mtu(const std::string& text) {
  std::uint16_t mtu = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), mtu);
  if (error != std::errc{} || stop != text.data() + text.size() || mtu < kInnerMtuMin || mtu > kInnerMtuMax)
    return std::nullopt;
  return mtu;
}

template <typename Number>
std::optional<Number> parse_positive(const std::string& text) {
  Number number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stop != text.data() + text.size() || number == 0) return std::nullopt;
  return number;
}

template <typename Parse>
auto parse_all(const Texts& texts, Parse parse) {
  std::vector<typename std::invoke_result_t<Parse, const std::string&>::value_type> values;
  for (const std::string& text : texts) values.push_back(*parse(text));  // checked by must_be()
  return values;
}

// More often would cost the other side, or say nothing.
constexpr std::chrono::milliseconds kIntervalMin{100};
constexpr std::chrono::hours kIntervalMax{1};
constexpr std::chrono::seconds kPingTimeoutMax{10};  // what the daemon takes

std::optional<std::chrono::milliseconds> parse_interval(const std::string& text) {
  const auto interval = parse_duration(text);
  return interval && *interval >= kIntervalMin && *interval <= kIntervalMax ? interval : std::nullopt;
}

std::optional<std::chrono::milliseconds> parse_ping_timeout(const std::string& text) {
  const auto timeout = parse_duration(text);
  const bool fits = timeout && *timeout > std::chrono::milliseconds{0} && *timeout <= kPingTimeoutMax;
  return fits ? timeout : std::nullopt;
}

constexpr const char* kDurationWanted = "a duration such as 30s, 24h or 365d";

// All verbs with their options. CLI11 fills the members; take() makes Arguments of them.
class Parser {
 public:
  Parser() {
    app_.require_subcommand(1);
    app_.footer(
        "Examples:\n"
        "  rove init office --subnet 10.99.0.0/24 --bootstrap alpha.example.org:7683\n"
        "  rove enroll beta -o beta.rove          then, at beta: rove join beta.rove && rove up\n"
        "  rove lookup 10.99.0.10 --trace         who hosts it, and why we think so\n"
        "  rove VERB --help                       its options and examples");
    app_.add_option("-n,--network", network_, "The network; default: ROVE_NETWORK, or the only one configured")
        ->check(must_be(&is_name_text, "a network's name: [a-z0-9-]{1,63}"));
    app_.add_option("--config-dir,--dir", paths_.config_dir, "Configuration and keys (/etc/rove; ROVE_CONFIG_DIR)");
    app_.add_option("--state-dir", paths_.state_dir, "State of daemons (/var/lib/rove; ROVE_STATE_DIR)");
    app_.add_option("--run-dir", paths_.run_dir, "Control sockets (/run/rove; ROVE_RUN_DIR)");
    add_init();
    add_enroll();
    add_join();
    add_up();
    add_down();
    add_check();
    add_reads();
    add_info();
    add_ping();
    add_top();
    add_claims();
    add_wait();
    add_settings();
    add_watch_qemu();
    add_pcap();
    add_completion();
    add_diagnosis();
    add_version();
  }

  [[nodiscard]] CommandLine describe() const {
    CommandLine line;
    describe_options(app_, line.options, nullptr);
    for (const Verb& verb : verbs_) {
      if (is_hidden(verb)) continue;
      VerbDescription& entry = line.verbs.emplace_back();
      entry.name = verb.app->get_name();
      entry.description = verb.app->get_description();
      describe_options(*verb.app, entry.options, &entry.arguments);
    }
    return line;
  }

  [[nodiscard]] std::variant<Arguments, EarlyExit> parse(const Texts& arguments) {
    if (arguments.empty()) return EarlyExit{ExitStatus::Usage, {}, app_.help()};
    if (auto unknown = find_unknown_verb(arguments.front())) return *unknown;
    try {
      Texts reversed{arguments.rbegin(), arguments.rend()};  // as CLI11 takes them
      app_.parse(reversed);
    } catch (const CLI::CallForHelp&) {
      return EarlyExit{ExitStatus::Ok, help(), {}};
    } catch (const CLI::CallForAllHelp&) {
      return EarlyExit{ExitStatus::Ok, app_.help("", CLI::AppFormatMode::All), {}};
    } catch (const CLI::ParseError& error) {
      return complain(error.what(), "rove " + verb_name() + "--help");
    }
    return take();
  }

 private:
  static bool is_name_text(const std::string& text) { return is_valid_name(text); }

  CLI::App* add_verb(const char* name, const char* description, std::function<Command()> make) {
    CLI::App* verb = app_.add_subcommand(name, description);
    verb->fallthrough();  // general options may follow the verb
    verbs_.push_back({verb, std::move(make)});
    return verb;
  }

  void add_json(CLI::App* verb) { verb->add_flag("--json", json_, "Print JSON, with \"schema\": 1"); }

  void add_init() {
    CLI::App* verb = add_verb("init", "Create a network: its CA, its key, this node's credential", [this] {
      return InitCommand{.subnets = parse_all(subnets_, &parse_prefix_text),
                         .node = node_,
                         .mtu = mtu_.empty() ? std::nullopt : parse_mtu(mtu_),
                         .bootstrap = parse_all(bootstrap_, &parse_one_host_port),
                         .expires = expires()};
    });
    verb->add_option("NETWORK", network_, "The new network's name: [a-z0-9-]{1,63}")
        ->required()
        ->check(must_be(&is_name_text, "a network's name: [a-z0-9-]{1,63}"));
    verb->add_option("--subnet", subnets_, "Virtual subnet, IPv4 or IPv6; several may follow")
        ->required()
        ->check(must_be(&parse_prefix_text, "a subnet such as 10.77.0.0/24"));
    verb->add_option("--node", node_, "This node's name (default: this host's)")
        ->check(must_be(&is_name_text, "a node's name: [a-z0-9-]{1,63}"));
    verb->add_option("--mtu", mtu_, "Largest IP packet inside the network (default 1400)")
        ->check(
            must_be(&parse_mtu, "an MTU from " + std::to_string(kInnerMtuMin) + " to " + std::to_string(kInnerMtuMax)));
    add_bootstrap(verb, "HOST:PORT of nodes that new nodes ask first");
    add_expires(verb);
    add_json(verb);
  }

  void add_enroll() {
    CLI::App* verb = add_verb("enroll", "Make a node's enrolment file, on the machine that holds the CA", [this] {
      return EnrollCommand{.node = node_,
                           .allow = parse_all(allow_, &parse_prefix_text),
                           .bootstrap = parse_all(bootstrap_, &parse_one_host_port),
                           .expires = expires(),
                           .output = file_};
    });
    verb->add_option("NODE", node_, "The new node's name: [a-z0-9-]{1,63}")
        ->required()
        ->check(must_be(&is_name_text, "a node's name: [a-z0-9-]{1,63}"));
    verb->add_option("--allow", allow_, "Prefix that its VMs may use (default: the network's subnets)")
        ->check(must_be(&parse_prefix_text, "a prefix such as 10.77.0.0/24"));
    add_bootstrap(verb, "HOST:PORT of nodes to ask first (default: those of rove init)");
    add_expires(verb);
    verb->add_option("-o,--output", file_, "The file to write; it is secret")->required();
    add_json(verb);
  }

  void add_join() {
    CLI::App* verb = add_verb("join", "Install an enrolment file on this host",
                              [this] { return JoinCommand{.file = file_, .replace = replace_}; });
    verb->add_option("FILE", file_, "From rove enroll")->required();
    verb->add_flag("--replace", replace_, "Replace this host's credential for the same network");
    add_json(verb);
  }

  void add_up() {
    CLI::App* verb = add_verb("up", "Run the daemon, in the foreground", [this] {
      UpCommand command;
      if (!config_.empty()) command.config = config_;
      if (!listen_.empty()) command.listen = parse_listen_address(listen_);
      if (!log_level_.empty()) command.log_level = parse_log_level(log_level_);
      return command;
    });
    add_network_argument(verb);
    add_config(verb);
    verb->add_option("--listen", listen_, "UDP port, or ADDRESS:PORT (default 7683 on every address)")
        ->check(must_be([](const std::string& text) { return parse_listen_address(text); }, "a port or ADDRESS:PORT"));
    add_log_level(verb);
  }

  void add_down() {
    CLI::App* verb = add_verb("down", "Stop the daemon: it withdraws its claims and says goodbye",
                              [] { return call(ControlVerb::Down); });
    add_network_argument(verb);
    add_json(verb);
  }

  void add_check() {
    CLI::App* verb = add_verb("check", "Validate configuration and credential", [this] {
      CheckCommand command;
      if (!config_.empty()) command.config = config_;
      return command;
    });
    add_network_argument(verb);
    add_config(verb);
    add_json(verb);
  }

  void add_reads() {
    CLI::App* status = add_verb("status", "This node at a glance", [this] {
      CallCommand command = call(ControlVerb::Status);
      command.counters = counters_;
      return command;
    });
    status->add_flag("--counters", counters_, "With every counter that is not zero");
    add_json(status);
    add_json(add_verb("peers", "Nodes that this one has met", [] { return call(ControlVerb::Peers); }));
    add_json(add_verb("vms", "VMs on this host, and those that left lately", [] { return call(ControlVerb::Vms); }));
    CLI::App* lookup = add_verb("lookup", "Which node hosts an address", [this] {
      CallCommand command = call(ControlVerb::Lookup);
      command.request.address = *parse_vm_address(address_);
      command.request.refresh = refresh_;
      command.request.trace = trace_;
      return command;
    });
    lookup->add_option("ADDRESS", address_, "IP or MAC")
        ->required()
        ->check(must_be([](const std::string& text) { return parse_vm_address(text); }, "an IP or a MAC"));
    lookup->add_flag("--refresh", refresh_, "Ask the network, whatever the cache holds");
    lookup->add_flag("--trace", trace_, "Each step with its time, and why the winner won");
    add_json(lookup);
    CLI::App* timeline = add_verb("timeline", "What happened in a VM's last moves, and when", [this] {
      CallCommand command = call(ControlVerb::Timeline);
      command.request.address = *parse_vm_address(address_);
      return command;
    });
    timeline->add_option("VM", address_, "Its IP or MAC")
        ->required()
        ->check(must_be([](const std::string& text) { return parse_vm_address(text); }, "an IP or a MAC"));
    add_json(timeline);
    add_json(add_verb("watch", "Print events as they happen, until interrupted", [] { return WatchCommand{}; }));
  }

  void add_info() {
    CLI::App* verb = add_verb("info", "All about one node: path, session, traffic, certificate, VMs", [this] {
      CallCommand command = call(ControlVerb::Info);
      command.request.target = target_;
      return command;
    });
    verb->add_option("NODE", target_, "Its name, or the beginning of its id")->required();
    add_json(verb);
  }

  void add_ping() {
    CLI::App* verb = add_verb("ping", "Measure the tunnel to a node, or to a VM's host", [this] {
      PingCommand command{.target = target_, .count = parse_positive<std::uint64_t>(count_)};
      if (!interval_.empty()) command.interval = *parse_interval(interval_);
      if (!timeout_.empty()) command.timeout = *parse_ping_timeout(timeout_);
      return command;
    });
    verb->add_option("TARGET", target_, "A node's name or the beginning of its id; a VM's IP or MAC")->required();
    add_repetition(verb);
    verb->add_option("--timeout", timeout_, "Wait so long for each answer, up to 10s (default 2s)")
        ->check(must_be(&parse_ping_timeout, "a duration from 1ms to 10s"));
    add_json(verb);
  }

  void add_top() {
    CLI::App* verb = add_verb("top", "Frames, octets and drops per second, by peer; q ends it", [this] {
      TopCommand command{.count = parse_positive<std::uint64_t>(count_)};
      if (!interval_.empty()) command.interval = *parse_interval(interval_);
      return command;
    });
    add_repetition(verb);
    add_json(verb);
  }

  // -n is the network, here as everywhere.
  void add_repetition(CLI::App* verb) {
    verb->add_option("-c,--count", count_, "So many times (default: until interrupted)")
        ->check(must_be(&parse_positive<std::uint64_t>, "a count from 1 on"));
    verb->add_option("-i,--interval", interval_, "Time between them, 100ms to 1h (default 1s)")
        ->check(must_be(&parse_interval, "a duration from 100ms to 1h"));
  }

  void add_claims() {
    CLI::App* claim = add_verb("claim", "State that a VM is on this host; repeating it is fine", [this] {
      CallCommand command = call(ControlVerb::Claim);
      command.request.mac = *parse_mac(mac_);
      command.request.ips = parse_all(ips_, &parse_ip_text);
      return command;
    });
    add_mac(claim);
    claim->add_option("IP", ips_, "Its addresses")->check(must_be(&parse_ip_text, "an IP address"));
    add_json(claim);
    CLI::App* prepare = add_verb("prepare", "A VM is about to come here: make ready, claim nothing yet", [this] {
      CallCommand command = call(ControlVerb::Prepare);
      command.request.address = *parse_vm_address(address_);
      return command;
    });
    prepare->add_option("VM", address_, "Its MAC or IP")
        ->required()
        ->check(must_be([](const std::string& text) { return parse_vm_address(text); }, "an IP or a MAC"));
    add_json(prepare);
    CLI::App* release = add_verb("release", "Withdraw a VM's claim, unless it is elsewhere by now", [this] {
      CallCommand command = call(ControlVerb::Release);
      command.request.mac = *parse_mac(mac_);
      return command;
    });
    add_mac(release);
    add_json(release);
  }

  void add_wait() {
    CLI::App* verb = add_verb("wait", "Wait until the daemon is usable", [this] {
      WaitCommand command;
      if (!timeout_.empty()) command.timeout = *parse_duration(timeout_);
      return command;
    });
    verb->add_option("--timeout", timeout_, "Give up after this time (default 30s)")
        ->check(must_be([](const std::string& text) { return parse_duration(text); }, kDurationWanted));
  }

  void add_settings() {
    CLI::App* level = add_verb("log-level", "Show the daemon's log level, or set it until it is reloaded", [this] {
      CallCommand command = call(ControlVerb::LogLevel);
      if (!log_level_.empty()) command.request.log_level = parse_log_level(log_level_);
      return command;
    });
    level->add_option("LEVEL", log_level_, std::string{kLogLevels})
        ->check(must_be([](const std::string& text) { return parse_log_level(text); },
                        "one of " + std::string{kLogLevels}));
    add_json(level);
    add_json(add_verb("reload", "Read the configuration again; tells what needs a restart",
                      [] { return call(ControlVerb::Reload); }));
  }

  void add_watch_qemu() {
    CLI::App* verb =
        add_verb("watch-qemu", "Follow a QEMU, so that its VM's moves lose nothing, until interrupted", [this] {
          WatchQemuCommand command{.socket = file_, .log_level = {}};
          if (!log_level_.empty()) command.log_level = parse_log_level(log_level_);
          return command;
        });
    verb->add_option("SOCKET", file_, "Of QEMU's -qmp unix:SOCKET,server=on,wait=off; for rove alone")->required();
    add_log_level(verb);
  }

  void add_pcap() {
    CLI::App* verb = add_verb("pcap", "Write packets to standard output, for tcpdump or wireshark", [this] {
      PcapCommand command;
      command.outside = outside_;
      if (!count_.empty()) command.count = parse_positive<std::uint64_t>(count_);
      if (!snaplen_.empty()) command.snaplen = parse_positive<std::uint32_t>(snaplen_);
      for (const std::string& word : filter_) command.filter += (command.filter.empty() ? "" : " ") + word;
      return command;
    });
    CLI::Option* inside =
        verb->add_flag("--inside", inside_, "The VMs' frames at the TAP device, both directions (default)");
    verb->add_flag("--outside", outside_, "The sealed datagrams between the hosts")->excludes(inside);
    verb->add_option("-c,--count", count_, "End after so many packets")
        ->check(must_be(&parse_positive<std::uint64_t>, "a number of packets"));
    verb->add_option("--snaplen", snaplen_, "Keep so many octets of each packet (default: all)")
        ->check(must_be(&parse_positive<std::uint32_t>, "a number of octets"));
    verb->add_option("FILTER", filter_, "Only packets that it fits; see pcap-filter(7)");
    verb->footer(
        "Until Ctrl-C, or nobody reads. Examples:\n"
        "  rove pcap | tcpdump -nr -\n"
        "  rove pcap host 10.77.0.5 | wireshark -k -i -\n"
        "  rove pcap --outside -c 1000 > sealed.pcap");
  }

  void add_completion() {
    CLI::App* script = add_verb("completion", "Print a script for a shell's completion",
                                [this] { return CompletionCommand{.shell = shell_}; });
    script->add_option("SHELL", shell_, "bash, zsh or fish")
        ->required()
        ->check(must_be(&find_shell, "one of bash, zsh, fish"));
    script->footer(
        "Examples:\n"
        "  source <(rove completion bash)\n"
        "  rove completion bash > /etc/bash_completion.d/rove\n"
        "  rove completion zsh > /usr/local/share/zsh/site-functions/_rove\n"
        "  rove completion fish > /etc/fish/completions/rove.fish");
    CLI::App* words = add_verb("complete-words", "Print words that a completion may offer",
                               [this] { return CompleteWordsCommand{.kind = kind_}; });
    words->group("");  // hidden: scripts call it
    words->add_option("KIND", kind_, "What the words are to name")
        ->required()
        ->check(must_be(&find_word_kind, "a kind of words"));
  }

  void add_diagnosis() {
    CLI::App* doctor =
        add_verb("doctor", "Look for what is wrong on this host, and how to mend it", [] { return DoctorCommand{}; });
    add_json(doctor);
    doctor->footer("Ends with status 1 when something fails. Best as root; works without a daemon, too.");
    CLI::App* netcheck = add_verb("netcheck", "How this host stands in the underlay: addresses, NAT, paths, offloads",
                                  [] { return NetcheckCommand{}; });
    add_json(netcheck);
    CLI::App* report = add_verb("bugreport", "Write a report of this host and its daemon, without keys", [this] {
      return BugreportCommand{.output = file_.empty() ? std::nullopt : std::optional{file_}};
    });
    report->add_option("-o,--output", file_, "The file to write, or - (default: one in this directory)");
    report->footer(
        "Examples:\n"
        "  rove bugreport\n"
        "  rove bugreport -o - | less");
  }

  void add_version() {
    add_json(add_verb("version", "Print the version", [] { return VersionCommand{}; }));
  }

  void add_network_argument(CLI::App* verb) {
    verb->add_option("NETWORK", network_, "As -n")->check(must_be(&is_name_text, "a network's name: [a-z0-9-]{1,63}"));
  }
  void add_config(CLI::App* verb) {
    verb->add_option("--config", config_, "This configuration file instead of NETWORK.toml");
  }
  void add_log_level(CLI::App* verb) {
    verb->add_option("--log-level", log_level_, std::string{kLogLevels})
        ->check(must_be([](const std::string& text) { return parse_log_level(text); },
                        "one of " + std::string{kLogLevels}));
  }
  void add_bootstrap(CLI::App* verb, const char* description) {
    verb->add_option("--bootstrap", bootstrap_, description)->check(must_be(&parse_one_host_port, "HOST:PORT"));
  }
  void add_expires(CLI::App* verb) {
    verb->add_option("--expires", expires_, "Lifetime of the node's certificate (default 365d)")
        ->check(must_be([](const std::string& text) { return parse_duration(text); }, kDurationWanted));
  }
  void add_mac(CLI::App* verb) {
    verb->add_option("MAC", mac_, "The VM's MAC")
        ->required()
        ->check(must_be([](const std::string& text) { return parse_mac(text); }, "a MAC address"));
  }

  static CallCommand call(ControlVerb verb) {
    CallCommand command;
    command.request.verb = verb;
    return command;
  }
  static std::optional<Prefix> parse_prefix_text(const std::string& text) { return parse_prefix(text); }
  static std::optional<IpAddress> parse_ip_text(const std::string& text) { return parse_ip(text); }

  [[nodiscard]] std::chrono::seconds expires() const {
    if (expires_.empty()) return kCertificateLifetime;
    return std::chrono::duration_cast<std::chrono::seconds>(*parse_duration(expires_));
  }

  // The options of `app` that help shows, in their order; where `arguments` is given, positional ones go there.
  static void describe_options(const CLI::App& app, std::vector<OptionDescription>& options,
                               std::vector<OptionDescription>* arguments) {
    for (const CLI::Option* option : app.get_options()) {
      OptionDescription entry;
      entry.description = option->get_description();
      entry.takes_value = option->get_items_expected_max() > 0;
      entry.repeats = option->get_items_expected_max() > 1;
      if (option->get_positional()) {
        entry.names = {option->get_name()};
        if (arguments != nullptr) arguments->push_back(std::move(entry));
        continue;
      }
      for (const std::string& name : option->get_snames()) entry.names.push_back("-" + name);
      for (const std::string& name : option->get_lnames()) entry.names.push_back("--" + name);
      options.push_back(std::move(entry));
    }
  }

  // The chosen verb and a space, or nothing.
  [[nodiscard]] std::string verb_name() const {
    const auto chosen = app_.get_subcommands();
    return chosen.empty() ? std::string{} : chosen.front()->get_name() + " ";
  }

  [[nodiscard]] std::string help() const {
    const auto chosen = app_.get_subcommands();
    return chosen.empty() ? app_.help() : chosen.front()->help();
  }

  static EarlyExit complain(const std::string& error, const std::string& next) {
    return {ExitStatus::Usage, {}, "rove: arguments: " + error + "\ntry: " + next + "\n"};
  }

  [[nodiscard]] std::optional<EarlyExit> find_unknown_verb(const std::string& word) const {
    if (word.starts_with('-')) return std::nullopt;
    std::vector<std::string> names;
    std::vector<std::string_view> shown;
    names.reserve(verbs_.size());  // `shown` borrows from it
    for (const Verb& verb : verbs_) {
      names.push_back(verb.app->get_name());
      if (!is_hidden(verb)) shown.push_back(names.back());
    }
    if (std::find(names.begin(), names.end(), word) != names.end()) return std::nullopt;
    const std::string_view nearest = find_nearest(word, shown);
    return complain("no verb \"" + word + "\"", nearest.empty() ? "rove --help" : "rove " + std::string{nearest});
  }

  [[nodiscard]] Arguments take() const {
    Arguments arguments{.paths = paths_, .network = {}, .json = json_, .command = {}};
    if (!network_.empty()) arguments.network = network_;
    for (const Verb& verb : verbs_) {
      if (verb.app->parsed()) arguments.command = verb.make();
    }
    return arguments;
  }

  struct Verb {
    CLI::App* app;
    std::function<Command()> make;
  };
  static bool is_hidden(const Verb& verb) { return verb.app->get_group().empty(); }

  CLI::App app_{"A virtual network for virtual machines that move between hosts.", "rove"};
  std::vector<Verb> verbs_;
  PathOptions paths_;
  std::string network_;
  std::string node_;
  std::string mtu_;
  std::string expires_;
  std::string file_;
  std::string config_;
  std::string listen_;
  std::string log_level_;
  std::string address_;
  std::string mac_;
  std::string timeout_;
  std::string count_;
  std::string snaplen_;
  std::string shell_;
  std::string kind_;
  std::string target_;
  std::string interval_;
  Texts subnets_;
  Texts allow_;
  Texts bootstrap_;
  Texts ips_;
  Texts filter_;
  bool json_ = false;
  bool replace_ = false;
  bool counters_ = false;
  bool refresh_ = false;
  bool inside_ = false;  // the default: only there to exclude the other
  bool outside_ = false;
  bool trace_ = false;
};

}  // namespace

std::variant<Arguments, EarlyExit> parse_arguments(const std::vector<std::string>& arguments) {
  if (arguments.size() == 1 && arguments.front() == "--version") {
    return Arguments{.paths = {}, .network = {}, .json = false, .command = VersionCommand{}};
  }
  return Parser{}.parse(arguments);
}

CommandLine describe_command_line() {
  return Parser{}.describe();
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr std::int64_t kSecondsMax = std::int64_t{100} * 366 * 24 * 3600;
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0) return std::nullopt;
  const std::string_view unit{stop, static_cast<std::size_t>(text.data() + text.size() - stop)};
  if (unit == "ms" && number / 1000 <= kSecondsMax) return std::chrono::milliseconds{number};
  std::int64_t seconds = 0;
  if (unit.empty() || unit == "s") seconds = 1;
  if (unit == "m") seconds = 60;
  if (unit == "h") seconds = 3600;
  if (unit == "d") seconds = 24 * 3600;
  if (seconds == 0 || number > kSecondsMax / seconds) return std::nullopt;
  return std::chrono::seconds{number * seconds};
}

}  // namespace rove
