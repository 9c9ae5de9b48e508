// The sealed envelope: everything that is not part of an established session. docs/protocol.md §3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/random.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/crypto/aead_cipher.h"
#include "core/crypto/keys.h"
#include "core/wire/stamp_window.h"

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
//
// Rotation: add_ring() everywhere, then use_ring() everywhere, then drop_ring() the old one; during the first two every
// node opens what any node seals.
class SealedChannel {
 public:
  // Two ring secrets at most: `current` seals, both open. `first_stamp`: not lower than any stamp used
  // before a restart (the wall clock in µs serves when it did not go back).
  SealedChannel(const NodeId& self, std::uint8_t ring, const RingSecret& current, std::uint64_t first_stamp);

  // Opens with `secret` from now on, too. Forgets the ring that does not seal, if there was one.
  // `ring` is not the current one (ROVE_CHECKed).
  void add_ring(std::uint8_t ring, const RingSecret& secret);
  // Seals with `ring` from now on; the one used before still opens. False, and nothing changed, when it is not here.
  [[nodiscard]] bool use_ring(std::uint8_t ring);
  // Forgets `ring`, if it is here. It is not the current one (ROVE_CHECKed).
  void drop_ring(std::uint8_t ring);

  [[nodiscard]] Bytes seal(Now now, Random& random, SealedKind kind, BytesView body);
  // Errors: Truncated, Unknown (ring), Undecryptable, Malformed (first octet, kind), Replayed (also: our own, thrown
  // back at us), Stale, FromTheFuture. An envelope that was refused changes nothing.
  [[nodiscard]] Result<OpenedEnvelope> open(Now now, BytesView datagram);

  [[nodiscard]] std::uint8_t current_ring() const;
  [[nodiscard]] const PskKey* find_psk(std::uint8_t ring) const;
  // The highest stamp used so far; the shell saves it now and then.
  [[nodiscard]] std::uint64_t last_stamp() const;

 private:
  struct Ring {
    std::uint8_t number;
    XChaCha20Poly1305Cipher cipher;
    PskKey psk;
  };
  struct Sender {
    NodeId id;
    StampWindow window;
  };
  using Senders = std::list<Sender>;

  [[nodiscard]] const Ring* find_ring(std::uint8_t number) const;
  // Whether the stamp is new; if so, it is so no longer.
  [[nodiscard]] Result<void> accept_stamp(Now now, const NodeId& sender, std::uint64_t stamp);

  NodeId self_;
  std::vector<Ring> rings_;  // one or two, the current one first
  std::uint64_t last_stamp_;
  Senders senders_;  // at most kSealedSendersMax, the longest unheard first
  std::map<NodeId, Senders::iterator> sender_of_;
};

}  // namespace rove
