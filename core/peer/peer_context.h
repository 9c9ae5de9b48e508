// What all peers of a PeerSet share: who we are, the means to send, and the outputs under way.
#pragma once

#include <cstdint>
#include <deque>
#include <set>

#include "core/base/random.h"
#include "core/peer/handshake.h"
#include "core/peer/handshake_timestamp.h"
#include "core/peer/peer_set.h"
#include "core/peer/session_index_table.h"
#include "core/wire/sealed.h"

namespace rove {

struct PeerContext {
  HandshakeIdentity& identity;
  SealedChannel& sealed;
  Random& random;

  TimestampClock clock{};
  TimestampTable timestamps{};
  SessionIndexTable indexes{};
  std::uint64_t last_serial = 0;
  // Both are emptied by the caller in the turn that filled them, so they need no limit of their own: one input
  // gives a few datagrams, and at most as many events as a control datagram holds messages.
  std::deque<OutgoingDatagram> transmits{};
  std::deque<PeerEvent> events{};
  std::set<NodeId> unsent{};  // peers with queued messages
  bool sessions_changed = false;
  PeerSetCounters counters{};
};

}  // namespace rove
