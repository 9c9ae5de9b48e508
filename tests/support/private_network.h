// A network namespace for one test case: devices made in it are nobody else's and vanish with it.
#pragma once

#include <chrono>
#include <string>

namespace rove {

// Moves the calling thread, and the threads that it starts from then on, into a network namespace of its own, with
// loopback up; the destructor moves it back. Where that is not permitted (it needs root and /dev/net/tun) permitted()
// is false and the executable will end with status 77, "skipped", if nothing failed:
//
//   PrivateNetwork network;
//   if (!network.permitted()) return;
class PrivateNetwork {
 public:
  PrivateNetwork();
  ~PrivateNetwork();
  PrivateNetwork(const PrivateNetwork&) = delete;
  PrivateNetwork& operator=(const PrivateNetwork&) = delete;

  [[nodiscard]] bool permitted() const { return permitted_; }
  // Runs ip(8) with these arguments; a failure fails the test case.
  void ip(const std::string& arguments) const;

 private:
  int outside_ = -1;
  bool permitted_ = false;
};

// Waits until `fd` is readable; false after `limit`, which only a failing test reaches.
[[nodiscard]] bool wait_readable(int fd, std::chrono::milliseconds limit = std::chrono::seconds{5});

}  // namespace rove
