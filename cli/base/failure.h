// What ends a command: an exit status, and text for the operator.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace rove {

// Exit statuses of `rove`, the same for every verb.
enum class ExitStatus : int {
  Ok = 0,
  Failure = 1,
  Usage = 2,       // usage or configuration
  NotFound = 3,    // not found, or no reply
  Conflict = 4,    // conflict, or denied
  NotRunning = 5,  // no daemon
};

// Thrown by commands and at start-up, caught once in run_command(). Printed as
// "rove: <what failed>: <why>" and, when `next` is not empty, "try: <next>".
class Failure : public std::runtime_error {
 public:
  Failure(ExitStatus status, std::string_view what_failed, std::string_view why, std::string next = {})
      : std::runtime_error(join(what_failed, why)), status_(status), next_(std::move(next)) {}

  [[nodiscard]] ExitStatus status() const { return status_; }
  [[nodiscard]] const std::string& next() const { return next_; }

 private:
  static std::string join(std::string_view what_failed, std::string_view why) {
    std::string text{what_failed};
    if (!text.empty() && !why.empty()) text += ": ";
    text += why;
    return text;
  }

  ExitStatus status_;
  std::string next_;
};

}  // namespace rove
