// The sealed envelope: everything that is not part of an established session. docs/protocol.md §3.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/random.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/crypto/keys.h"

namespace rove {

enum class SealedKind : std::uint8_t { HandshakeInit = 1, HandshakeResponse = 2, Cookie = 3, Dht = 4 };

inline constexpr std::size_t kSealedOverhead = 2 + 24 + 16 + 8 + 1 + 16;
inline constexpr std::size_t kSealedSendersMax = 16384;  // senders with replay state; the longest unheard goes first

struct OpenedEnvelope {
  NodeId sender;  // as claimed under the shared key: proves membership, not identity
  std::uint8_t ring = 0;
  SealedKind kind = SealedKind::Dht;
  Bytes body;
};

// Seals and opens envelopes, keeps the sender's stamp and one replay window per sender. Control thread.
class SealedChannel {
 public:
  // Two ring secrets at most: `current` seals, both open. `first_stamp`: not lower than any stamp used
  // before a restart (the wall clock in µs serves when it did not go back).
  SealedChannel(const NodeId& self, std::uint8_t ring, const RingSecret& current, std::uint64_t first_stamp);
  void add_ring(std::uint8_t ring, const RingSecret& secret);

  [[nodiscard]] Bytes seal(Now now, Random& random, SealedKind kind, BytesView body);
  // Errors: Truncated, Unknown (ring), Undecryptable, Malformed (kind), Replayed, Stale, FromTheFuture.
  [[nodiscard]] Result<OpenedEnvelope> open(Now now, BytesView datagram);

  [[nodiscard]] std::uint8_t current_ring() const;
  [[nodiscard]] const PskKey* find_psk(std::uint8_t ring) const;
  // The highest stamp used so far; the shell saves it now and then.
  [[nodiscard]] std::uint64_t last_stamp() const;

 private:
  // (the implementer's)
};

}  // namespace rove
