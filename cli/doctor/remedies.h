// Commands that several checks propose.
#pragma once

#include <algorithm>
#include <string>

namespace rove {

[[nodiscard]] inline std::string restart_of(const std::string& network) {
  return "rove down " + network + " && rove up " + network;
}

// `path` below /proc/sys; a device's name may have dots, and then sysctl(8) wants slashes.
[[nodiscard]] inline std::string sysctl_of(std::string path, int value) {
  if (path.find('.') == std::string::npos) std::replace(path.begin(), path.end(), '/', '.');
  return "sysctl -w " + path + "=" + std::to_string(value);
}

}  // namespace rove
