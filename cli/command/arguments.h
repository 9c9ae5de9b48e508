// The command line of `rove`, parsed.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cli/base/host_port.h"
#include "cli/base/log.h"
#include "cli/base/paths.h"
#include "cli/completion/command_line.h"
#include "cli/control/control_protocol.h"
#include "core/base/address.h"

namespace rove {

inline constexpr std::chrono::hours kCertificateLifetime{365 * 24};

struct InitCommand {
  std::vector<Prefix> subnets;
  std::string node;  // empty: this host's name
  std::optional<std::uint16_t> mtu;
  std::vector<HostPort> bootstrap;
  std::chrono::seconds expires = kCertificateLifetime;
};
struct EnrollCommand {
  std::string node;
  std::vector<Prefix> allow;        // empty: the network's subnets
  std::vector<HostPort> bootstrap;  // empty: the network's
  std::chrono::seconds expires = kCertificateLifetime;
  std::filesystem::path output;
};
struct JoinCommand {
  std::filesystem::path file;
  bool replace = false;  // a credential that is there already
};
struct UpCommand {
  std::optional<std::filesystem::path> config;
  std::optional<ListenAddress> listen;
  std::optional<LogLevel> log_level;
};
struct CheckCommand {
  std::optional<std::filesystem::path> config;
};
// A verb that the daemon answers.
struct CallCommand {
  ControlRequest request;
  bool counters = false;
};
// Asks a member, or a VM's host, for signs of life.
struct PingCommand {
  std::string target;
  std::optional<std::uint64_t> count;  // nullopt: until interrupted
  std::chrono::milliseconds interval{1'000};
  std::chrono::milliseconds timeout{2'000};  // of each
};
// Shows what goes to and from the peers.
struct TopCommand {
  std::optional<std::uint64_t> count;  // nullopt: until interrupted
  std::chrono::milliseconds interval{1'000};
};
struct WaitCommand {
  std::chrono::milliseconds timeout{30'000};
};
// Prints what happens until the daemon ends.
struct WatchCommand {};
// Follows a QEMU until interrupted.
struct WatchQemuCommand {
  std::filesystem::path socket;
  std::optional<LogLevel> log_level;
};
// Copies packets to standard output until interrupted.
struct PcapCommand {
  bool outside = false;  // sealed datagrams instead of the VMs' frames
  std::optional<std::uint64_t> count;
  std::optional<std::uint32_t> snaplen;
  std::string filter;  // pcap-filter(7); empty: everything
};
// Prints a script that makes a shell complete rove's command lines.
struct CompletionCommand {
  std::string shell;
};
// Prints words of one kind, one a line; what such a script asks for.
struct CompleteWordsCommand {
  std::string kind;
};
// What is wrong here, and what mends it.
struct DoctorCommand {};
struct NetcheckCommand {};
struct BugreportCommand {
  std::optional<std::string> output;  // "-": standard output
};
struct VersionCommand {};

using Command = std::variant<InitCommand, EnrollCommand, JoinCommand, UpCommand, CheckCommand, CallCommand, PingCommand,
                             TopCommand, WaitCommand, WatchCommand, WatchQemuCommand, PcapCommand, CompletionCommand,
                             CompleteWordsCommand, DoctorCommand, NetcheckCommand, BugreportCommand, VersionCommand>;

struct Arguments {
  PathOptions paths;
  std::optional<std::string> network;
  bool json = false;
  Command command;
};

// Help was asked for, or the arguments are wrong: print and end.
struct EarlyExit {
  ExitStatus status = ExitStatus::Ok;
  std::string output;  // for stdout
  std::string errors;  // for stderr
};

// `arguments` without the program's name.
[[nodiscard]] std::variant<Arguments, EarlyExit> parse_arguments(const std::vector<std::string>& arguments);

// The verbs and options that parse_arguments() takes.
[[nodiscard]] CommandLine describe_command_line();

// "90s", "15m", "24h", "365d", "500ms"; a bare number is seconds. Nothing beyond a hundred years.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace rove
