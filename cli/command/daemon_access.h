// The daemon that a verb asks again and again, and how its answers are to be shown.
#pragma once

#include <filesystem>
#include <string>

namespace rove {

struct DaemonAccess {
  std::filesystem::path socket;
  std::string network;
  bool json = false;
};

}  // namespace rove
