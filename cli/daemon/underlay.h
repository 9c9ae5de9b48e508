// This host's side of the underlay: its UDP sockets, the endpoints that others are told, whom to ask first.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/base/health_problem.h"
#include "cli/config/config.h"
#include "cli/daemon/name_resolver.h"
#include "core/base/address.h"
#include "core/base/time.h"
#include "tap/netlink.h"
#include "tap/udp_socket.h"
#include "tap/wake_signal.h"

namespace rove {

// Binds what `listen` asks for: one address, or both families. IPv6 may be missing on this host, then IPv4 does.
// Throws Failure when the port is taken, std::system_error otherwise.
[[nodiscard]] UdpSocketPair bind_underlay(const ListenAddress& listen, const UdpOffloads& offloads = {});

// Which families the underlay sockets have.
struct Families {
  bool v4 = false;
  bool v6 = false;
};

// The endpoints of this node: the configured ones, else the address that it listens at, else `addresses` of our
// families with the port; as many as a node record holds.
[[nodiscard]] std::vector<Endpoint> choose_endpoints(const DaemonConfig& config,
                                                     const std::vector<IpAddress>& addresses, const Families& families);

// `bootstrap` without ourselves, without addresses inside the virtual subnets (they would be asked through the
// network that they are to lead to), and without repetitions.
[[nodiscard]] std::vector<Endpoint> filter_bootstrap(const std::vector<Endpoint>& bootstrap,
                                                     const std::vector<Endpoint>& own,
                                                     const std::vector<Prefix>& subnets);

// The configuration's bootstrap nodes or, when it has none, those of the enrolment file.
[[nodiscard]] std::vector<HostPort> choose_bootstrap(const DaemonConfig& config,
                                                     const std::vector<std::string>& enrolled, Log& log);

// Follows the host's addresses and the bootstrap nodes' names. Control thread.
class Underlay {
 public:
  // `tap_ifindex`: its addresses are no endpoints.
  Underlay(const DaemonConfig& config, std::vector<HostPort> bootstrap, std::vector<Prefix> subnets,
           unsigned tap_ifindex, const Families& families, std::shared_ptr<const WakeSignal> wake);

  [[nodiscard]] const std::vector<Endpoint>& endpoints() const { return endpoints_; }
  // Bootstrap nodes that are given by address, for a start before any name is resolved.
  [[nodiscard]] std::vector<Endpoint> bootstrap_addresses() const;
  // Readable when the host's addresses may have changed: then handle_address_change().
  [[nodiscard]] int fd() const { return monitor_.fd(); }
  // True when the endpoints are others than before.
  [[nodiscard]] bool handle_address_change();

  // Other endpoints in the configuration; empty: those that are found. True when they are others than before.
  [[nodiscard]] bool set_endpoints(std::vector<Endpoint> configured);
  // Other bootstrap nodes; poll_bootstrap() has their endpoints when their names are resolved.
  void set_bootstrap(std::vector<HostPort> bootstrap);

  // Resolves names when that is due.
  void handle_timeout(TimePoint now, bool connected);
  // The bootstrap nodes' endpoints, whenever they are known or known anew.
  [[nodiscard]] std::optional<std::vector<Endpoint>> poll_bootstrap(TimePoint now);

  // False when there is nobody to ask: no bootstrap node is configured, or only this one.
  [[nodiscard]] bool has_bootstrap() const;
  // What an operator should look at.
  [[nodiscard]] std::vector<HealthProblem> problems() const;

 private:
  [[nodiscard]] std::vector<Endpoint> find_endpoints() const;
  [[nodiscard]] bool refresh_endpoints();

  DaemonConfig config_;
  std::vector<Prefix> subnets_;
  unsigned tap_ifindex_;
  Families families_;
  AddressMonitor monitor_;
  std::vector<Endpoint> endpoints_;
  std::vector<HostPort> bootstrap_;
  std::shared_ptr<const WakeSignal> wake_;
  std::optional<NameResolver> resolver_;               // always there
  std::optional<std::vector<ResolvedName>> resolved_;  // by the last round
};

}  // namespace rove
