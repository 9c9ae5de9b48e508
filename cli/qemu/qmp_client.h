// A client of QEMU's machine protocol (QMP): JSON, one object a line, over a unix socket.
//
//   ← {"QMP":{…}}                                   greeting
//   → {"execute":"query-status","id":7}
//   ← {"event":"STOP","timestamp":{…}}              at any time
//   ← {"return":{…},"id":7}
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "tap/file_descriptor.h"

namespace rove {

inline constexpr std::size_t kQmpLineMax = std::size_t{4} << 20;  // the longest answers are some 100 KB
inline constexpr std::size_t kQmpEventsMax = 1024;                // not yet taken; the oldest go first

struct QmpEvent {
  std::string name;
  nlohmann::json data;  // null when it has none
};

struct QmpAnswer {
  enum class Kind { Returned, Refused, Ended };
  Kind kind = Kind::Ended;
  nlohmann::json value;  // of Returned
  std::string why;       // of Refused: QEMU's words
};

// Blocks, but never beyond `interrupt_fd` becoming readable. Once ended() it stays so.
class QmpClient {
 public:
  // `socket`: connected; `name` is for messages. Throws Failure when the peer does not greet as QEMU does, or is
  // silent.
  QmpClient(FileDescriptor socket, std::string name, int interrupt_fd);

  // Throws Failure when the peer does not answer in time, or sends what is no QMP.
  [[nodiscard]] QmpAnswer command(const std::string& name, const nlohmann::json& arguments = nlohmann::json::object());
  // Takes in what comes until something has come, or so long. Throws as command().
  void wait(std::chrono::milliseconds time);
  [[nodiscard]] std::optional<QmpEvent> poll_event();

  // QEMU has closed the connection, or the interrupt came.
  [[nodiscard]] bool ended() const { return ended_; }
  // The process that listens; nullopt: the kernel does not tell.
  [[nodiscard]] std::optional<int> peer_pid() const;

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  // The next object; nullopt when the deadline is over or the connection has ended.
  [[nodiscard]] std::optional<nlohmann::json> receive(Deadline deadline);
  [[nodiscard]] std::optional<nlohmann::json> take_line();
  // False: the deadline is over.
  [[nodiscard]] bool wait_ready(short events, Deadline deadline);
  void send(std::string line, Deadline deadline);
  void handle_event(nlohmann::json message);

  FileDescriptor socket_;
  std::string name_;
  int interrupt_fd_;
  std::string received_;  // beyond the last line that was taken
  std::size_t searched_ = 0;
  std::deque<QmpEvent> events_;
  std::uint64_t last_id_ = 0;
  bool ended_ = false;
};

}  // namespace rove
