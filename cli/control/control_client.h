// A client of the control socket: blocking, with a deadline for everything.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "cli/control/control_protocol.h"
#include "tap/file_descriptor.h"

namespace rove {

class StopSignal;

// Thrown where a StopSignal ended the wait for an answer.
struct Interrupted {};

class ControlClient {
 public:
  // Connects. Throws Failure: NotRunning when nobody listens, Conflict when the socket is not for us.
  ControlClient(const std::filesystem::path& socket, const std::string& network, std::chrono::milliseconds timeout);

  // From now on the signal ends what waits, with Interrupted. `stop` must outlive it.
  void end_with(const StopSignal& stop);

  // Sends a request and waits for the answer. Throws Failure: NotRunning when the daemon went away,
  // NotFound when it did not answer in time.
  [[nodiscard]] ControlResponse call(const ControlRequest& request, std::chrono::milliseconds timeout);

  // The next line of a watch; waits for it as long as the daemon lives. Throws Failure as call() does.
  [[nodiscard]] ControlResponse receive();

  // The daemon's process, as the kernel knows it (SO_PEERCRED); 0: in a pid namespace that is not seen from here.
  [[nodiscard]] std::int64_t daemon_pid() const;

  // True once the daemon has closed the connection, false when it has not by then.
  [[nodiscard]] bool wait_closed(std::chrono::milliseconds timeout);

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  [[nodiscard]] bool wait_ready(short events, Deadline deadline) const;
  void send_line(std::string line, Deadline deadline);
  [[nodiscard]] std::string receive_line(Deadline deadline);
  [[nodiscard]] ControlResponse receive_response(std::string_view what, Deadline deadline);
  [[noreturn]] void fail_unanswered() const;
  [[noreturn]] void fail_gone() const;

  std::string network_;
  FileDescriptor socket_;
  int stop_fd_ = -1;      // of a StopSignal
  std::string received_;  // beyond the last line that was taken
};

}  // namespace rove
