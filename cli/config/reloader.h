// Takes over another configuration while the daemon runs.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/config/config.h"
#include "cli/config/config_keys.h"

namespace rove {

// What became of a key whose value in the file is not the one in use.
struct ReloadedKey {
  enum class Outcome { Applied, NeedsRestart, Failed };

  ConfigChange change;
  Outcome outcome = Outcome::Applied;
  std::string reason;  // why it failed
};

[[nodiscard]] std::string_view to_string(ReloadedKey::Outcome outcome);

// Reads the file, compares it with the configuration in use, and applies what is_reloadable(). A key that needs a
// restart, or that could not be applied, stays different, and is told again the next time. Control thread.
class Reloader {
 public:
  // Takes over the key's value of that configuration, or throws and leaves it as it is.
  using Apply = std::function<void(const DaemonConfig& wanted)>;

  // `credential`: the one of a file that names none. `used`: what the daemon was started with, overrides included.
  Reloader(std::filesystem::path file, std::filesystem::path credential, ConfigOverrides overrides, DaemonConfig used);

  // One for each key that is_reloadable().
  void set_apply(std::string_view key, Apply apply);

  // Throws Failure, and has changed nothing, when the file cannot be read or has problems.
  [[nodiscard]] std::vector<ReloadedKey> reload();

  // Was changed otherwise: that is what the next reload compares with.
  void note_log_level(LogLevel level) { used_.log_level = level; }

  [[nodiscard]] const DaemonConfig& used() const { return used_; }
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  std::filesystem::path file_;
  std::filesystem::path credential_;
  ConfigOverrides overrides_;
  DaemonConfig used_;
  std::map<std::string_view, Apply> applies_;
};

}  // namespace rove
