#include "cli/base/paths.h"

#include <algorithm>
#include <cstdlib>

#include "cli/base/failure.h"
#include "core/identity/name.h"

namespace rove {
namespace {

constexpr std::string_view kConfigSuffix = ".toml";
constexpr std::string_view kCredentialSuffix = ".node.pem";
constexpr std::string_view kAuthoritySuffix = ".ca.pem";

std::optional<std::string> read_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::filesystem::path pick(const std::optional<std::string>& option, const std::optional<std::string>& variable,
                           const std::filesystem::path& otherwise) {
  if (option) return *option;
  return variable ? std::filesystem::path{*variable} : otherwise;
}

std::filesystem::path file_in(const std::filesystem::path& directory, std::string_view network,
                              std::string_view suffix) {
  return directory / (std::string{network} + std::string{suffix});
}

std::vector<std::string> find_names(const std::filesystem::path& directory, std::string_view suffix) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{directory, error}) {
    const std::string file = entry.path().filename().string();
    if (file.size() <= suffix.size() || !file.ends_with(suffix)) continue;
    std::string name = file.substr(0, file.size() - suffix.size());
    if (is_valid_name(name)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Environment read_environment() {
  return {.network = read_variable("ROVE_NETWORK"),
          .config_dir = read_variable("ROVE_CONFIG_DIR"),
          .state_dir = read_variable("ROVE_STATE_DIR"),
          .run_dir = read_variable("ROVE_RUN_DIR"),
          .credentials_dir = read_variable("CREDENTIALS_DIRECTORY"),
          .no_color = read_variable("NO_COLOR").has_value()};
}

std::filesystem::path Paths::config_file(std::string_view network) const {
  return file_in(config_dir, network, kConfigSuffix);
}

std::filesystem::path Paths::credential_file(std::string_view network) const {
  return file_in(config_dir, network, kCredentialSuffix);
}

std::filesystem::path Paths::authority_file(std::string_view network) const {
  return file_in(config_dir, network, kAuthoritySuffix);
}

std::filesystem::path Paths::state_file(std::string_view network) const {
  return state_dir / std::string{network} / "state";
}

std::filesystem::path Paths::socket_file(std::string_view network) const {
  return file_in(run_dir, network, ".sock");
}

Paths make_paths(const PathOptions& options, const Environment& environment) {
  const Paths standard;
  return {.config_dir = pick(options.config_dir, environment.config_dir, standard.config_dir),
          .state_dir = pick(options.state_dir, environment.state_dir, standard.state_dir),
          .run_dir = pick(options.run_dir, environment.run_dir, standard.run_dir)};
}

std::vector<std::string> find_networks(const Paths& paths) {
  return find_names(paths.config_dir, kConfigSuffix);
}

std::vector<std::string> find_authorities(const Paths& paths) {
  return find_names(paths.config_dir, kAuthoritySuffix);
}

std::optional<std::filesystem::path> find_service_copy(const std::filesystem::path& file,
                                                       const Environment& environment) {
  if (!environment.credentials_dir) return std::nullopt;
  std::filesystem::path copy = std::filesystem::path{*environment.credentials_dir} / file.filename();
  std::error_code error;
  if (!std::filesystem::is_regular_file(copy, error)) return std::nullopt;
  return copy;
}

std::string choose_network(const std::optional<std::string>& given, const Environment& environment,
                           const std::vector<std::string>& known, const Paths& paths) {
  const std::optional<std::string>& named = given ? given : environment.network;
  if (named) {
    if (is_valid_name(*named)) return *named;
    throw Failure(ExitStatus::Usage, "choose the network", "\"" + *named + "\" is no name: [a-z0-9-]{1,63}");
  }
  if (known.size() == 1) return known.front();
  if (known.empty()) {
    throw Failure(ExitStatus::Usage, "choose the network", "none is configured in " + paths.config_dir.string(),
                  "rove init NETWORK --subnet CIDR, or rove join FILE");
  }
  std::string list;
  for (const std::string& name : known) list += (list.empty() ? "" : ", ") + name;
  throw Failure(ExitStatus::Usage, "choose the network", "several are configured: " + list,
                "the same command with -n " + known.front());
}

}  // namespace rove
