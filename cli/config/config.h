// The daemon's configuration: NETWORK.toml. docs/operations.md lists every key.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/base/host_port.h"
#include "cli/base/log.h"
#include "cli/base/metrics_address.h"
#include "core/base/address.h"

namespace rove {

// What becomes of frames that a VM's hypervisor has not read when the VM moves.
enum class Replay : std::uint8_t { Exact, AtLeastOnce, Off };

// What keeps others from reading a key's file: its mode, which is checked; or a service manager, with an access control
// list that shows as rights of the group.
enum class KeyGuard : std::uint8_t { Mode, ServiceManager };

struct DaemonConfig {
  ListenAddress listen;
  std::string tap = "rove0";
  std::string bridge;                // created when it does not exist; empty: the TAP stays alone
  std::vector<Endpoint> endpoints;   // where others reach us; empty: this host's addresses and the port
  std::vector<HostPort> bootstrap;   // empty: the credential's
  std::filesystem::path credential;  // absolute, or relative to the working directory
  LogLevel log_level = LogLevel::Info;
  Replay replay = Replay::Exact;
  int nice = -10;           // of the whole daemon; setpriority(2)
  bool realtime = true;     // the packet path's thread; sched(7), SCHED_FIFO
  int busy_poll_us = 0;     // it goes on looking for so long before it sleeps
  int workers = 0;          // threads that move packets, up to kShards; 0: as the processors suggest
  bool offload_tap = true;  // what the kernel may leave to others, and take from them
  bool offload_udp = true;
  bool pack = true;                         // several small frames in one datagram
  std::optional<MetricsAddress> metrics{};  // where monitoring may ask; nullopt: nowhere
  std::string control_group = "rove";       // its members may read the control socket; need not exist
  bool group_may_claim = false;             // … and use `rove claim` and `rove release`
};

// What the command line says goes before the file, whenever that is read.
struct ConfigOverrides {
  std::optional<ListenAddress> listen{};
  std::optional<LogLevel> log_level{};

  void apply(DaemonConfig& config) const {
    if (listen) config.listen = *listen;
    if (log_level) config.log_level = *log_level;
  }
};

// One thing that is wrong in a configuration file.
struct ConfigProblem {
  std::size_t line = 0;
  std::string text;  // "unknown key \"brige\"; did you mean \"bridge\"?"
};

// Either a configuration or, when `problems` is not empty, what is wrong with the file, by line.
struct ParsedConfig {
  DaemonConfig config;
  std::vector<ConfigProblem> problems;
};

// `credential` is the path to use when the file names none; a relative one in the file is relative to `directory`.
[[nodiscard]] ParsedConfig parse_config(std::string_view text, const std::filesystem::path& directory,
                                        const std::filesystem::path& credential);

// Reads and parses `file`. Throws Failure (Usage) when it does not exist, cannot be read or has problems: all of
// them, one a line, as FILE:LINE: TEXT.
[[nodiscard]] DaemonConfig load_config(const std::filesystem::path& file, const std::filesystem::path& credential);

// The text of a new configuration file: every key, explained, at its default.
[[nodiscard]] std::string config_template(std::string_view network, std::string_view credential_file_name);

}  // namespace rove
