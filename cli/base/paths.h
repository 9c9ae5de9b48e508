// Where files lie, and which network a command is about.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rove {

// What commands take from the process environment; read once, in main().
struct Environment {
  std::optional<std::string> network;          // ROVE_NETWORK
  std::optional<std::string> config_dir;       // ROVE_CONFIG_DIR
  std::optional<std::string> state_dir;        // ROVE_STATE_DIR
  std::optional<std::string> run_dir;          // ROVE_RUN_DIR
  std::optional<std::string> credentials_dir;  // CREDENTIALS_DIRECTORY, of a service manager (systemd.exec(5))
  bool no_color = false;                       // NO_COLOR is set and not empty (no-color.org)
};
[[nodiscard]] Environment read_environment();

// Directories given on the command line; they go before the environment's.
struct PathOptions {
  std::optional<std::string> config_dir;
  std::optional<std::string> state_dir;
  std::optional<std::string> run_dir;
};

// All of it for one host. Several daemons on one host, each in its own network namespace, differ in these
// directories.
struct Paths {
  std::filesystem::path config_dir = "/etc/rove";
  std::filesystem::path state_dir = "/var/lib/rove";
  std::filesystem::path run_dir = "/run/rove";

  [[nodiscard]] std::filesystem::path config_file(std::string_view network) const;
  // The node's certificate and keys, mode 0600.
  [[nodiscard]] std::filesystem::path credential_file(std::string_view network) const;
  // The CA's key, mode 0600; only on the machine that enrols nodes.
  [[nodiscard]] std::filesystem::path authority_file(std::string_view network) const;
  [[nodiscard]] std::filesystem::path state_file(std::string_view network) const;
  [[nodiscard]] std::filesystem::path socket_file(std::string_view network) const;
};
[[nodiscard]] Paths make_paths(const PathOptions& options, const Environment& environment);

// Networks with a configuration file, sorted.
[[nodiscard]] std::vector<std::string> find_networks(const Paths& paths);
// Networks with an authority file, sorted.
[[nodiscard]] std::vector<std::string> find_authorities(const Paths& paths);

// The copy of `file` that a service manager has made for this process alone (systemd's LoadCredential=), which has the
// same name; nullopt when there is none.
[[nodiscard]] std::optional<std::filesystem::path> find_service_copy(const std::filesystem::path& file,
                                                                     const Environment& environment);

// `given`, or ROVE_NETWORK, or the only one of `known`. Throws Failure (Usage) when that does not say which.
[[nodiscard]] std::string choose_network(const std::optional<std::string>& given, const Environment& environment,
                                         const std::vector<std::string>& known, const Paths& paths);

}  // namespace rove
