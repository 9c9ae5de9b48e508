// Operator's pings: a question inside the session, and who of the operators waits for which answer.
#include <algorithm>
#include <utility>

#include "core/node/node_impl.h"

namespace rove {

PingTicket Node::Impl::start_ping(Now now, const NodeId& node, Duration patience) {
  const PingTicket ticket{++last_ping};
  if (operator_pings.size() >= kOperatorPingsMax || !ping_bucket.take(now.steady)) {
    ping_results.push_back({ticket, node, make_error_code(Error::LimitReached), {}, {}, {}});
    return ticket;
  }
  operator_pings.push_back({ticket, node, now.steady + patience, peers.probe(now, node)});
  if (!operator_pings.back().probe) reach(now, node);
  return ticket;
}

void Node::Impl::probe_waiting(Now now, const NodeId& peer) {
  for (OperatorPing& ping : operator_pings) {
    if (ping.node == peer && !ping.probe) ping.probe = peers.probe(now, peer);
  }
}

void Node::Impl::handle_pong(const PeerPong& pong) {
  for (const OperatorPing& ping : operator_pings) {
    if (ping.node != pong.peer || ping.probe != pong.probe) continue;
    ping_results.push_back({ping.ticket, ping.node, {}, pong.rtt, pong.from, pong.observed});
  }
  std::erase_if(operator_pings,
                [&pong](const OperatorPing& ping) { return ping.node == pong.peer && ping.probe == pong.probe; });
}

void Node::Impl::restart_pings(Now now, const NodeId& peer) {
  bool waits = false;
  for (OperatorPing& ping : operator_pings) {
    if (ping.node != peer) continue;
    ping.probe.reset();
    waits = true;
  }
  if (waits) reach(now, peer);
}

void Node::Impl::expire_pings(Now now) {
  for (const OperatorPing& ping : operator_pings) {
    if (ping.deadline > now.steady) continue;
    const Error error = ping.probe ? Error::Unknown : Error::Unavailable;
    ping_results.push_back({ping.ticket, ping.node, make_error_code(error), {}, {}, {}});
  }
  std::erase_if(operator_pings, [&now](const OperatorPing& ping) { return ping.deadline <= now.steady; });
}

PingTicket Node::start_ping(Now now, const NodeId& node, Duration patience) {
  const PingTicket ticket = impl_->start_ping(now, node, patience);
  impl_->pump(now);
  return ticket;
}

std::optional<PingResult> Node::poll_ping() {
  return take_front(impl_->ping_results);
}

}  // namespace rove
