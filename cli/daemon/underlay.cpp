#include "cli/daemon/underlay.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "cli/base/failure.h"
#include "core/location/node_record.h"

namespace rove {
namespace {

UdpSocket bind_or_fail(const Endpoint& local, const UdpOffloads& offloads) {
  try {
    return UdpSocket::bind(local, offloads);
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::address_in_use) {
      throw Failure(ExitStatus::Failure, "listen at UDP " + to_string(local), "the port is taken",
                    "--listen PORT, or listen = PORT in the configuration");
    }
    throw;
  }
}

// A kernel without IPv6, or with IPv6 switched off.
bool is_missing_family(const std::error_code& error) {
  return error == std::errc::address_family_not_supported || error == std::errc::address_not_available;
}

}  // namespace

UdpSocketPair bind_underlay(const ListenAddress& listen, const UdpOffloads& offloads) {
  UdpSocketPair sockets;
  if (listen.address) {
    auto& socket = listen.address->is_v4() ? sockets.v4 : sockets.v6;
    socket.emplace(bind_or_fail({*listen.address, listen.port}, offloads));
    return sockets;
  }
  sockets.v4.emplace(bind_or_fail({IpAddress{}, listen.port}, offloads));
  constexpr std::array<std::uint8_t, 16> kAnyV6{};
  try {
    sockets.v6.emplace(bind_or_fail({IpAddress::v6(kAnyV6.data()), listen.port}, offloads));
  } catch (const std::system_error& error) {
    if (!is_missing_family(error.code())) throw;
  }
  return sockets;
}

std::vector<Endpoint> choose_endpoints(const DaemonConfig& config, const std::vector<IpAddress>& addresses,
                                       const Families& families) {
  if (!config.endpoints.empty()) return config.endpoints;
  const ListenAddress& listen = config.listen;
  if (listen.address && !listen.address->is_unspecified()) return {Endpoint{*listen.address, listen.port}};
  std::vector<Endpoint> endpoints;
  for (const IpAddress& address : addresses) {
    const bool is_ours = address.is_v4() ? families.v4 : families.v6;
    if (is_ours && endpoints.size() < kEndpointsMax) endpoints.push_back({address, listen.port});
  }
  return endpoints;
}

std::vector<Endpoint> filter_bootstrap(const std::vector<Endpoint>& bootstrap, const std::vector<Endpoint>& own,
                                       const std::vector<Prefix>& subnets) {
  std::vector<Endpoint> kept;
  for (const Endpoint& endpoint : bootstrap) {
    const bool is_own = std::find(own.begin(), own.end(), endpoint) != own.end();
    const bool is_inside = std::any_of(subnets.begin(), subnets.end(),
                                       [&](const Prefix& subnet) { return subnet.contains(endpoint.address); });
    const bool is_known = std::find(kept.begin(), kept.end(), endpoint) != kept.end();
    if (!is_own && !is_inside && !is_known) kept.push_back(endpoint);
  }
  return kept;
}

std::vector<HostPort> choose_bootstrap(const DaemonConfig& config, const std::vector<std::string>& enrolled, Log& log) {
  if (!config.bootstrap.empty()) return config.bootstrap;
  std::vector<HostPort> bootstrap;
  for (const std::string& text : enrolled) {
    if (const auto host_port = parse_host_port(text)) {
      bootstrap.push_back(*host_port);
    } else {
      log.write(LogLevel::Warn, "bootstrap-skipped", {{"name", text}, {"reason", "not HOST:PORT"}});
    }
  }
  return bootstrap;
}

Underlay::Underlay(const DaemonConfig& config, std::vector<HostPort> bootstrap, std::vector<Prefix> subnets,
                   unsigned tap_ifindex, const Families& families, std::shared_ptr<const WakeSignal> wake)
    : config_(config),
      subnets_(std::move(subnets)),
      tap_ifindex_(tap_ifindex),
      families_(families),
      endpoints_(find_endpoints()),
      bootstrap_(std::move(bootstrap)),
      wake_(std::move(wake)) {
  resolver_.emplace(bootstrap_, wake_);
}

std::vector<Endpoint> Underlay::find_endpoints() const {
  return choose_endpoints(config_, underlay_addresses(subnets_, {tap_ifindex_}), families_);
}

std::vector<Endpoint> Underlay::bootstrap_addresses() const {
  std::vector<Endpoint> addresses;
  for (const HostPort& host_port : bootstrap_) {
    if (const auto ip = parse_ip(host_port.host)) addresses.push_back({*ip, host_port.port});
  }
  return filter_bootstrap(addresses, endpoints_, subnets_);
}

bool Underlay::handle_address_change() {
  return monitor_.poll_changed() && refresh_endpoints();
}

bool Underlay::set_endpoints(std::vector<Endpoint> configured) {
  config_.endpoints = std::move(configured);
  return refresh_endpoints();
}

void Underlay::set_bootstrap(std::vector<HostPort> bootstrap) {
  bootstrap_ = std::move(bootstrap);
  resolver_.emplace(bootstrap_, wake_);
  resolved_.reset();
}

bool Underlay::refresh_endpoints() {
  std::vector<Endpoint> endpoints = find_endpoints();
  if (endpoints == endpoints_) return false;
  endpoints_ = std::move(endpoints);
  return true;
}

void Underlay::handle_timeout(TimePoint now, bool connected) {
  resolver_->handle_timeout(now, connected);
}

std::optional<std::vector<Endpoint>> Underlay::poll_bootstrap(TimePoint now) {
  auto resolved = resolver_->poll_resolved(now);
  if (!resolved) return std::nullopt;
  resolved_ = std::move(resolved);
  std::vector<Endpoint> all;
  for (const ResolvedName& name : *resolved_) all.insert(all.end(), name.endpoints.begin(), name.endpoints.end());
  return filter_bootstrap(all, endpoints_, subnets_);
}

bool Underlay::has_bootstrap() const {
  if (bootstrap_.empty()) return false;
  if (!resolved_) return true;
  return std::any_of(resolved_->begin(), resolved_->end(), [&](const ResolvedName& name) {
    return name.endpoints.empty() || !filter_bootstrap(name.endpoints, endpoints_, subnets_).empty();
  });
}

std::vector<HealthProblem> Underlay::problems() const {
  std::vector<HealthProblem> problems;
  if (endpoints_.empty()) {
    problems.push_back({"this host has no address by which other nodes could reach it",
                        "an address outside the network's subnets, or endpoints in the configuration"});
  }
  if (!resolved_) return problems;
  for (const ResolvedName& name : *resolved_) {
    if (!name.error.empty()) {
      problems.push_back({"bootstrap node " + to_string(name.name) + " does not resolve: " + name.error,
                          "getent hosts " + name.name.host + ", and bootstrap in the configuration"});
    }
  }
  return problems;
}

}  // namespace rove
