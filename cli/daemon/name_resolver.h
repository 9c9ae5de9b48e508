// Resolves the bootstrap nodes' names, without holding up the control loop.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/base/host_port.h"
#include "core/base/address.h"
#include "core/base/time.h"
#include "tap/wake_signal.h"

namespace rove {

struct ResolvedName {
  HostPort name;
  std::vector<Endpoint> endpoints;  // empty: see `error`
  std::string error;
};

// Asks the host's resolver (getaddrinfo) for all names, on a thread of its own, again and again: after 60 s
// while it is told that the node is not connected, sooner (5 s, doubling) when a name did not resolve.
// Addresses need no resolver and come with the first round. Control thread, but for that one thread: it is
// left to itself at the end, because getaddrinfo may block for half a minute and cannot be interrupted.
class NameResolver {
 public:
  NameResolver(std::vector<HostPort> names, std::shared_ptr<const WakeSignal> wake);
  ~NameResolver();
  NameResolver(const NameResolver&) = delete;
  NameResolver& operator=(const NameResolver&) = delete;

  // Starts a round when one is due.
  void handle_timeout(TimePoint now, bool connected);
  // The outcome of a round, all names in the order given.
  [[nodiscard]] std::optional<std::vector<ResolvedName>> poll_resolved(TimePoint now);

 private:
  struct Round;
  void start(TimePoint now);

  std::vector<HostPort> names_;
  std::shared_ptr<const WakeSignal> wake_;
  std::shared_ptr<Round> round_;  // under way, or finished and not yet polled
  bool all_are_addresses_ = false;
  bool started_ = false;
  unsigned failures_ = 0;  // rounds in a row in which a name did not resolve
  TimePoint next_{};
};

// Of one name, blocking.
[[nodiscard]] ResolvedName resolve_name(const HostPort& name);

}  // namespace rove
