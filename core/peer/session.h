// One session with a peer: its keys and age, and lane 0, which carries control datagrams.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/crypto/aead.h"
#include "core/forward/snapshot.h"
#include "core/peer/handshake.h"
#include "core/peer/session_index_table.h"
#include "core/wire/header.h"
#include "core/wire/replay_window.h"

namespace rove {

// Nothing is sealed or opened in a session from this age on (docs/protocol.md §4).
inline constexpr std::chrono::seconds kSessionLifetime{180};

// Seals and opens lane 0. The other lanes belong to the packet path, which gets the keys by view().
// Control thread.
class Session {
 public:
  enum class Role : std::uint8_t { Initiator, Responder };

  // `lease` is for `established.local`. `serial` is never reused.
  Session(TimePoint now, Role role, std::uint64_t serial, SessionIndexLease lease, EstablishedSession established);

  [[nodiscard]] SessionIndex local_index() const { return lease_.index(); }
  [[nodiscard]] Role role() const { return role_; }
  [[nodiscard]] AeadAlgorithm algorithm() const { return algorithm_; }
  [[nodiscard]] TimePoint created() const { return created_; }
  [[nodiscard]] TimePoint expires() const { return created_ + kSessionLifetime; }
  [[nodiscard]] bool is_expired(TimePoint now) const { return now >= expires(); }

  // Whether anything valid came in this session.
  [[nodiscard]] bool is_heard() const { return heard_; }
  void set_heard() { heard_ = true; }

  // A control datagram; nullopt when the session is expired or its lane used up.
  [[nodiscard]] std::optional<Bytes> seal(TimePoint now, BytesView plaintext);
  // Its lane went past kRekeyAfterMessages.
  [[nodiscard]] bool is_worn() const;

  struct Opened {
    Bytes plaintext;
    bool newest = false;  // its counter is the highest so far
  };
  // `header` is that of `datagram`. Errors: Expired, Replayed, Truncated, Undecryptable; the session is unchanged.
  [[nodiscard]] Result<Opened> open(TimePoint now, const Header& header, BytesView datagram);

  [[nodiscard]] SessionView view(const NodeId& peer, const Endpoint& endpoint) const;

 private:
  Role role_;
  std::uint64_t serial_;
  SessionIndexLease lease_;
  SessionIndex remote_;
  AeadAlgorithm algorithm_;
  TimePoint created_;
  bool heard_ = false;
  std::shared_ptr<const AeadKey> seal_key_;
  std::shared_ptr<const AeadKey> open_key_;
  Aead sealer_;
  Aead opener_;
  std::uint64_t sent_ = 0;      // datagrams of lane 0
  std::uint64_t received_ = 0;  // one above the highest counter of lane 0
  ReplayWindow replay_;
};

}  // namespace rove
