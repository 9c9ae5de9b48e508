#include "cli/daemon/name_resolver.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <mutex>
#include <thread>

namespace rove {
namespace {

constexpr std::chrono::seconds kInterval{60};
constexpr std::chrono::seconds kFirstRetry{5};  // doubles up to kInterval
constexpr std::size_t kEndpointsPerName = 16;   // a name with more has its first ones asked

std::optional<IpAddress> to_address(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    return IpAddress::v4(reinterpret_cast<const std::uint8_t*>(&v4.sin_addr));
  }
  if (address.sa_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    return IpAddress::v6(reinterpret_cast<const std::uint8_t*>(&v6.sin6_addr));
  }
  return std::nullopt;
}

}  // namespace

ResolvedName resolve_name(const HostPort& name) {
  if (const auto ip = parse_ip(name.host)) return {name, {Endpoint{*ip, name.port}}, {}};
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(name.host.c_str(), nullptr, &hints, &list);
  if (error != 0) return {name, {}, ::gai_strerror(error)};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{list, &::freeaddrinfo};
  ResolvedName resolved{name, {}, {}};
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const auto ip = to_address(*entry->ai_addr);
    if (!ip || resolved.endpoints.size() == kEndpointsPerName) continue;
    const Endpoint endpoint{*ip, name.port};
    const auto& known = resolved.endpoints;
    if (std::find(known.begin(), known.end(), endpoint) == known.end()) resolved.endpoints.push_back(endpoint);
  }
  if (resolved.endpoints.empty()) resolved.error = "no address";
  return resolved;
}

// Shared by the control thread and the one resolving thread of the round, which may outlive NameResolver.
struct NameResolver::Round {
  std::vector<HostPort> names;

  std::mutex mutex;  // guards what follows
  bool finished = false;
  std::vector<ResolvedName> resolved;
};

NameResolver::NameResolver(std::vector<HostPort> names, std::shared_ptr<const WakeSignal> wake)
    : names_(std::move(names)), wake_(std::move(wake)) {
  all_are_addresses_ =
      std::all_of(names_.begin(), names_.end(), [](const HostPort& name) { return parse_ip(name.host).has_value(); });
}

NameResolver::~NameResolver() = default;

void NameResolver::handle_timeout(TimePoint now, bool connected) {
  if (names_.empty() || round_) return;
  if (!started_) return start(now);
  if (all_are_addresses_ || now < next_) return;
  if (failures_ > 0 || !connected) start(now);
}

void NameResolver::start(TimePoint now) {
  started_ = true;
  round_ = std::make_shared<Round>();
  round_->names = names_;
  next_ = now + kInterval;
  std::thread{[round = round_, wake = wake_] {
    std::vector<ResolvedName> resolved;
    for (const HostPort& name : round->names) resolved.push_back(resolve_name(name));
    {
      const std::lock_guard lock{round->mutex};
      round->resolved = std::move(resolved);
      round->finished = true;
    }
    wake->notify();
  }}.detach();
}

std::optional<std::vector<ResolvedName>> NameResolver::poll_resolved(TimePoint now) {
  if (!round_) return std::nullopt;
  std::vector<ResolvedName> resolved;
  {
    const std::lock_guard lock{round_->mutex};
    if (!round_->finished) return std::nullopt;
    resolved = std::move(round_->resolved);
  }
  round_.reset();
  const bool failed =
      std::any_of(resolved.begin(), resolved.end(), [](const ResolvedName& name) { return name.endpoints.empty(); });
  failures_ = failed ? failures_ + 1 : 0;
  if (failed)
    next_ = now + std::min<std::chrono::seconds>(kInterval, kFirstRetry * (1U << std::min(failures_ - 1, 4U)));
  return resolved;
}

}  // namespace rove
