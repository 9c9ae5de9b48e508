#include "cli/doctor/gather_routes.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include "cli/daemon/name_resolver.h"
#include "tap/file_descriptor.h"
#include "tap/underlay_address.h"

namespace rove {
namespace {

// Shared with threads that may outlive the question: getaddrinfo cannot be interrupted.
struct Resolving {
  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  std::vector<std::optional<ResolvedName>> answers;
  std::size_t open = 0;
};

bool is_own(const IpAddress& ip, const std::vector<UnderlayLink>& underlay) {
  if (ip.is_loopback()) return true;
  return std::any_of(underlay.begin(), underlay.end(), [&ip](const UnderlayLink& link) {
    return std::find(link.addresses.begin(), link.addresses.end(), ip) != link.addresses.end();
  });
}

}  // namespace

std::vector<NameFacts> resolve_names(const std::vector<HostPort>& names, std::chrono::milliseconds patience) {
  const auto resolving = std::make_shared<Resolving>();
  resolving->answers.resize(names.size());
  resolving->open = names.size();
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::thread{[resolving, i, name = names[i]] {
      ResolvedName answer = resolve_name(name);
      const std::lock_guard lock{resolving->mutex};
      resolving->answers[i] = std::move(answer);
      --resolving->open;
      resolving->changed.notify_one();
    }}.detach();
  }
  std::unique_lock lock{resolving->mutex};
  resolving->changed.wait_for(lock, patience, [&] { return resolving->open == 0; });
  std::vector<NameFacts> facts;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& answer = resolving->answers[i];
    facts.push_back({.name = names[i],
                     .endpoints = answer ? answer->endpoints : std::vector<Endpoint>{},
                     .error = answer ? answer->error : "the resolver does not answer"});
  }
  return facts;
}

RouteFacts find_route(const std::string& who, const Endpoint& to, const std::vector<UnderlayLink>& underlay) {
  RouteFacts route{.who = who, .to = to, .error = {}, .source = {}, .link = {}};
  const bool v4 = to.address.is_v4();
  const FileDescriptor fd{::socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const SocketAddress address = to_socket_address(to);
  // A datagram socket that is connected sends nothing, but has its route.
  if (!fd || ::connect(fd.get(), address.data(), address.size) < 0) {
    route.error = std::generic_category().message(errno);
    return route;
  }
  sockaddr_in6 local{};
  socklen_t size = sizeof local;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &size) == 0) {
    if (const auto endpoint = to_endpoint(local)) route.source = endpoint->address;
  }
  int mtu = 0;
  size = sizeof mtu;
  if (::getsockopt(fd.get(), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu, &size) == 0) {
    route.path_mtu = static_cast<std::size_t>(mtu);
  }
  for (const UnderlayLink& link : underlay) {
    if (std::find(link.addresses.begin(), link.addresses.end(), route.source) == link.addresses.end()) continue;
    route.link = link.name;
    route.link_mtu = link.mtu;
  }
  return route;
}

std::vector<RouteFacts> gather_routes(const Facts& facts) {
  std::vector<RouteFacts> routes;
  const auto add = [&](const std::string& who, const Endpoint& to) {
    if (!is_own(to.address, facts.underlay)) routes.push_back(find_route(who, to, facts.underlay));
  };
  if (facts.daemon) {
    for (const PeerFacts& peer : facts.daemon->peers) {
      if (const auto endpoint = parse_endpoint(peer.endpoint, 0)) add(peer.name, *endpoint);
    }
  }
  for (const NameFacts& name : facts.bootstrap) {
    for (const Endpoint& endpoint : name.endpoints) add(to_string(name.name), endpoint);
  }
  return routes;
}

}  // namespace rove
