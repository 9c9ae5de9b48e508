#include "cli/config/reloader.h"

#include <exception>
#include <utility>

#include "core/base/check.h"

namespace rove {

std::string_view to_string(ReloadedKey::Outcome outcome) {
  switch (outcome) {
    case ReloadedKey::Outcome::Applied: return "applied";
    case ReloadedKey::Outcome::NeedsRestart: return "needs-restart";
    case ReloadedKey::Outcome::Failed: return "failed";
  }
  return "unknown";
}

Reloader::Reloader(std::filesystem::path file, std::filesystem::path credential, ConfigOverrides overrides,
                   DaemonConfig used)
    : file_(std::move(file)), credential_(std::move(credential)), overrides_(overrides), used_(std::move(used)) {}

void Reloader::set_apply(std::string_view key, Apply apply) {
  ROVE_CHECK(is_reloadable(key));
  applies_.insert_or_assign(key, std::move(apply));
}

std::vector<ReloadedKey> Reloader::reload() {
  DaemonConfig wanted = load_config(file_, credential_);
  overrides_.apply(wanted);
  std::vector<ReloadedKey> keys;
  for (ConfigChange& change : find_changes(used_, wanted)) {
    ReloadedKey key{.change = std::move(change), .outcome = ReloadedKey::Outcome::NeedsRestart, .reason = {}};
    if (is_reloadable(key.change.key)) {
      try {
        applies_.at(key.change.key)(wanted);
        copy_value(key.change.key, wanted, used_);
        key.outcome = ReloadedKey::Outcome::Applied;
      } catch (const std::exception& error) {
        key.outcome = ReloadedKey::Outcome::Failed;
        key.reason = error.what();
      }
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace rove
