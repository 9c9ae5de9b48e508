#include "cli/daemon/operator_desk.h"

#include <algorithm>
#include <utility>

#include "cli/daemon/member_names.h"
#include "cli/report/info_report.h"

namespace rove {
namespace {

ControlResponse data_of(std::string data) {
  return {.status = ExitStatus::Ok, .data = std::move(data), .what = {}, .why = {}, .next = {}};
}

ControlResponse error_of(ExitStatus status, std::string what, std::string why, std::string next = {}) {
  return {.status = status, .data = {}, .what = std::move(what), .why = std::move(why), .next = std::move(next)};
}

// Found or not, the data says all that is known.
ControlResponse response_to(const LookupResult& result, bool trace) {
  ControlResponse response = data_of(report_lookup(result, trace));
  if (!result.error) return response;
  response.status = ExitStatus::NotFound;
  response.what = "lookup " + to_string(result.address);
  const bool is_unavailable = result.error == make_error_code(Error::Unavailable);
  response.why = is_unavailable ? "no other node answers, and nothing is cached" : "nobody claims it";
  response.next = is_unavailable ? "rove status" : "rove vms on the host where it should be";
  return response;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// There is no member of which `found` could speak.
ControlResponse no_member(const std::string& what, const FoundMember& found) {
  if (!found.several.empty()) {
    return error_of(ExitStatus::Conflict, what, "several members are meant: " + join(found.several),
                    "more of the id of one of them");
  }
  const std::string why = found.nearest.empty() ? "no member that is known here is called so"
                                                : "no member is called so; near are: " + join(found.nearest);
  return error_of(ExitStatus::NotFound, what, why, "rove peers");
}

}  // namespace

OperatorDesk::OperatorDesk(Node& node, std::function<StatusReport(Now)> make_status, NoteStop note_stop,
                           FindPort find_port, ChangeSettings change_settings)
    : node_(node),
      make_status_(std::move(make_status)),
      note_stop_(std::move(note_stop)),
      find_port_(std::move(find_port)),
      change_settings_(std::move(change_settings)) {}

void OperatorDesk::handle_request(Now now, const ControlRequest& request, ControlServer::Reply reply) {
  switch (request.verb) {
    case ControlVerb::Status: return reply(data_of(report_status(make_status_(now))));
    case ControlVerb::Peers: return reply(data_of(report_peers(node_.peers(), now.steady)));
    case ControlVerb::Vms: return reply(data_of(report_vms(node_.vms(now), names_of_peers())));
    case ControlVerb::Info: return reply(info(now, request));
    case ControlVerb::Ping: return ping(now, request, std::move(reply));
    case ControlVerb::Lookup: return start_lookup(now, request, std::move(reply));
    case ControlVerb::Timeline: return reply(timeline(now, request));
    case ControlVerb::Watch: return reply(data_of(report_watching(now.wall)));
    case ControlVerb::Claim: return reply(claim(now, request));
    case ControlVerb::Prepare:
      if (request.address.is_mac()) return reply(prepare(now, request.address.mac(), request.port));
      return start_lookup(now, request, std::move(reply));  // whose address is it?
    case ControlVerb::Release: return reply(release(now, request));
    case ControlVerb::Stopped:
      note_stop_(request.mac, request.delivered);
      node_.handle_stopped(now, request.mac, request.delivered.has_value());
      return reply(data_of(report_stopped(request.mac)));
    case ControlVerb::LogLevel:
    case ControlVerb::Reload: return reply(change_settings_(request));
    case ControlVerb::Down: stop_requested_ = true; return reply(data_of(report_down()));
  }
}

void OperatorDesk::start_lookup(Now now, const ControlRequest& request, ControlServer::Reply reply) {
  if (lookups_.size() >= kLookupsMax) {
    return reply(error_of(ExitStatus::NotFound, std::string{to_string(request.verb)} + " " + to_string(request.address),
                          "too many lookups at a time", "the same again"));
  }
  const LookupTicket ticket = node_.start_lookup(now, request.address, request.refresh);
  lookups_.insert_or_assign(ticket, PendingLookup{request, now.steady + kLookupTimeout, std::move(reply)});
}

void OperatorDesk::handle_lookup_result(Now now, const LookupResult& result) {
  const auto found = lookups_.find(result.ticket);
  if (found == lookups_.end()) return;  // given up already
  PendingLookup pending = std::move(found->second);
  lookups_.erase(found);
  finish_lookup(now, std::move(pending), result);
}

void OperatorDesk::finish_lookup(Now now, PendingLookup pending, const LookupResult& result) {
  const ControlRequest& request = pending.request;
  if (request.verb == ControlVerb::Lookup) return pending.reply(response_to(result, request.trace));
  if (result.error) {
    const bool is_ping = request.verb == ControlVerb::Ping;
    const std::string address = to_string(request.address);
    return pending.reply(error_of(ExitStatus::NotFound, std::string{to_string(request.verb)} + " " + address,
                                  "nobody is known to have it",
                                  is_ping ? "rove lookup --trace " + address : "rove prepare with its MAC"));
  }
  const LookupAnswer& winner = result.answers.front();
  if (request.verb == ControlVerb::Prepare) return pending.reply(prepare(now, winner.claim.mac, request.port));
  start_ping(now, request,
             {.target = request.target, .vm = winner.claim.mac, .node = winner.owner, .name = winner.owner_name},
             std::move(pending.reply));
}

void OperatorDesk::handle_timeout(Now now) {
  for (auto pending = lookups_.begin(); pending != lookups_.end();) {
    if (pending->second.deadline > now.steady) {
      ++pending;
      continue;
    }
    const LookupResult result{.ticket = pending->first,
                              .address = pending->second.request.address,
                              .error = make_error_code(Error::Unavailable),
                              .answers = {}};
    finish_lookup(now, std::move(pending->second), result);
    pending = lookups_.erase(pending);
  }
}

std::optional<TimePoint> OperatorDesk::poll_timeout() const {
  std::optional<TimePoint> first;
  for (const auto& [ticket, pending] : lookups_) {
    if (!first || pending.deadline < *first) first = pending.deadline;
  }
  return first;
}

ControlResponse OperatorDesk::info(Now now, const ControlRequest& request) const {
  const FoundMember found = find_member(node_.members(), request.target);
  const auto member = found.member ? node_.member(found.member->id) : std::nullopt;
  return member ? data_of(report_info(*member, now)) : no_member("info " + request.target, found);
}

// What can be an address is one: no member's name has a colon or a dot.
void OperatorDesk::ping(Now now, ControlRequest request, ControlServer::Reply reply) {
  if (request.timeout_ms.value_or(0) > static_cast<std::uint64_t>(kPingTimeoutMax.count())) {
    return reply(error_of(ExitStatus::Usage, "ping " + request.target,
                          "timeout_ms is above " + std::to_string(kPingTimeoutMax.count())));
  }
  if (const auto address = parse_vm_address(request.target)) {
    request.address = *address;
    return start_lookup(now, request, std::move(reply));
  }
  const FoundMember found = find_member(node_.members(), request.target);
  if (!found.member) return reply(no_member("ping " + request.target, found));
  start_ping(now, request, {.target = request.target, .vm = {}, .node = found.member->id, .name = found.member->name},
             std::move(reply));
}

void OperatorDesk::start_ping(Now now, const ControlRequest& request, PingReport report, ControlServer::Reply reply) {
  report.local = report.node == node_.id();
  if (report.local) return reply(data_of(report_ping(report)));
  const std::chrono::milliseconds patience{
      request.timeout_ms.value_or(static_cast<std::uint64_t>(kPingTimeout.count()))};
  const PingTicket ticket = node_.start_ping(now, report.node, patience);
  pings_.insert_or_assign(ticket, PendingPing{std::move(report), std::move(reply)});
}

void OperatorDesk::handle_ping_result(const PingResult& result) {
  const auto found = pings_.find(result.ticket);
  if (found == pings_.end()) return;  // of nobody here
  PendingPing pending = std::move(found->second);
  pings_.erase(found);
  pending.report.result = result;
  ControlResponse response = data_of(report_ping(pending.report));
  if (result.error) {
    response.status = ExitStatus::NotFound;
    response.what = "ping " + pending.report.target;
    response.why = "no reply";
    response.next = "rove info " + (pending.report.name.empty() ? to_string(result.node) : pending.report.name);
  }
  pending.reply(std::move(response));
}

ControlResponse OperatorDesk::timeline(Now now, const ControlRequest& request) const {
  const auto moves = node_.moves(request.address);
  ControlResponse response = data_of(report_timeline(request.address, moves, now.steady));
  if (moves) return response;
  response.status = ExitStatus::NotFound;
  response.what = "timeline " + to_string(request.address);
  response.why = "this node had no part in a move of it";
  response.next = "rove lookup " + to_string(request.address) + ", and this on the hosts where it was";
  return response;
}

ControlResponse OperatorDesk::claim(Now now, const ControlRequest& request) {
  const auto sequence = node_.claim(now, request.mac, request.ips);
  if (sequence) return data_of(report_claim(request.mac, *sequence));
  const std::string what = "claim " + to_string(request.mac);
  if (sequence.error() == make_error_code(Error::NotAllowed)) {
    return error_of(ExitStatus::Conflict, what, "this node's certificate does not allow one of its addresses",
                    "rove enroll --allow on the CA's machine");
  }
  if (sequence.error() == make_error_code(Error::Malformed)) {
    return error_of(ExitStatus::Usage, what, "no VM can have this MAC or one of these addresses");
  }
  if (sequence.error() == make_error_code(Error::WrongState)) {
    std::string other = "another host";
    for (const VmConflict& conflict : node_.status().conflicts) {
      if (conflict.mac == request.mac) other = conflict.other;
    }
    return error_of(ExitStatus::Conflict, what, "a VM with this MAC is alive at " + other + " and was there first",
                    "switch one of them off, or give it a MAC of its own");
  }
  return error_of(ExitStatus::Failure, what, sequence.error().message());
}

ControlResponse OperatorDesk::prepare(Now now, const MacAddress& mac, const std::string& port) {
  const std::string what = "prepare " + to_string(mac);
  const auto prepared = node_.prepare(now, mac, port.empty() ? 0 : find_port_(mac, port));
  if (prepared) return data_of(report_prepare(mac, *prepared));
  if (prepared.error() == make_error_code(Error::NotAllowed)) {
    return error_of(ExitStatus::Conflict, what, "this node's certificate does not allow one of its addresses",
                    "rove enroll --allow on the CA's machine");
  }
  if (prepared.error() == make_error_code(Error::Malformed)) {
    return error_of(ExitStatus::Usage, what, "no VM can have this MAC");
  }
  if (prepared.error() == make_error_code(Error::WrongState)) {
    return error_of(ExitStatus::Conflict, what, "a VM with this MAC is here, and muted", "rove status");
  }
  return error_of(ExitStatus::Failure, what, "too many VMs are expected, or here", "rove vms");
}

ControlResponse OperatorDesk::release(Now now, const ControlRequest& request) {
  const auto released = node_.release(now, request.mac);
  if (released) return data_of(report_release(request.mac, true));
  // A hook may run twice, or after the VM has moved on: then there is nothing to do, and nothing wrong.
  const bool is_elsewhere =
      released.error() == make_error_code(Error::Unknown) || released.error() == make_error_code(Error::WrongState);
  if (is_elsewhere) return data_of(report_release(request.mac, false));
  return error_of(ExitStatus::Failure, "release " + to_string(request.mac), released.error().message());
}

std::map<NodeId, std::string> OperatorDesk::names_of_peers() const {
  std::map<NodeId, std::string> names;
  for (const PeerInfo& peer : node_.peers()) {
    if (!peer.name.empty()) names.emplace(peer.id, peer.name);
  }
  return names;
}

}  // namespace rove
