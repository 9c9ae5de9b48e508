// The control socket: a unix stream socket that speaks control_protocol.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "cli/control/control_access.h"
#include "cli/control/control_protocol.h"
#include "tap/file_descriptor.h"

namespace asio {
class io_context;
}

namespace rove {

struct ControlServerConfig {
  std::filesystem::path socket;
  std::string network;  // for messages
  std::string group;    // gets the socket when it exists
  bool group_may_claim = false;
};

struct ControlCounters {
  std::uint64_t requests = 0;
  std::uint64_t denied = 0;
  std::uint64_t malformed = 0;
  std::uint64_t clients_refused = 0;    // above kControlClientsMax
  std::uint64_t watchers_refused = 0;   // above kWatchersMax
  std::uint64_t watch_events_lost = 0;  // of watchers that do not keep up
};

inline constexpr std::size_t kControlClientsMax = 64;  // further ones are told so and closed

// Clients that watch, of those; further ones are told so. Each costs a copy of every event, and its queue.
inline constexpr std::size_t kWatchersMax = 8;

// Serves one request at a time per client, closes clients that are silent for 30 s or do not read their
// answer for as long, and those that send what is no request (after saying why). A client whose Watch was answered
// with success is a watcher: it gets what is published, until it goes; one that reads too slowly loses events (a
// line says how many), and nobody waits for it. Control thread only; `io` must outlive it.
class ControlServer {
 public:
  // Answers one request; may be kept and called later, at most once. Does nothing when the client has gone.
  using Reply = std::function<void(ControlResponse)>;
  using Handler = std::function<void(ControlRequest, Reply)>;

  // Takes the lock beside the socket, replaces a stale socket, listens. Throws Failure when another daemon
  // serves this network or the socket cannot be made.
  ControlServer(asio::io_context& io, const ControlServerConfig& config, Handler handler);
  // Closes every client and removes the socket.
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  // Sends an event, a JSON object, to all watchers. Never waits.
  void publish(const std::string& data);
  [[nodiscard]] bool has_watchers() const;

  // From the next request on, of clients that are connected too. Throws std::system_error, and leaves all as it was,
  // when the socket cannot be given to that group.
  void set_access(const std::string& group, bool group_may_claim);

  [[nodiscard]] const ControlCounters& counters() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with handlers that are under way; dead to them once this is destroyed
};

}  // namespace rove
