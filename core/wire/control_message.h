// Messages inside `control` datagrams. docs/protocol.md §5 draws each.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"

namespace rove {

inline constexpr std::size_t kControlPlaintextMax = 1200;  // fits every path without fragments
inline constexpr std::size_t kControlRecordMax = 600;      // docs/protocol.md §6

struct PingMessage {
  std::uint64_t id = 0;
  bool operator==(const PingMessage&) const = default;
};
struct PongMessage {
  std::uint64_t id = 0;
  std::optional<Endpoint> observed;
  bool operator==(const PongMessage&) const = default;
};
struct ClaimsMessage {
  std::vector<Bytes> records;
  bool operator==(const ClaimsMessage&) const = default;
};
struct ClaimAckMessage {
  std::vector<RecordId> ids;
  bool operator==(const ClaimAckMessage&) const = default;
};
struct ClaimRequestMessage {
  VmAddress address;
  bool operator==(const ClaimRequestMessage&) const = default;
};
struct ClaimNoneMessage {
  VmAddress address;
  bool operator==(const ClaimNoneMessage&) const = default;
};
struct NodeRecordsMessage {
  std::vector<Bytes> records;
  bool operator==(const NodeRecordsMessage&) const = default;
};
struct CertificateRequestMessage {
  NodeId node;
  bool operator==(const CertificateRequestMessage&) const = default;
};
struct CertificateMessage {
  Bytes der;
  bool operator==(const CertificateMessage&) const = default;
};
enum class CloseReason : std::uint8_t { GoingDown = 0, Replaced = 1, Revoked = 2 };
struct CloseMessage {
  CloseReason reason = CloseReason::GoingDown;
  bool operator==(const CloseMessage&) const = default;
};
// "Is this VM with you?" The receiver asks its own bridge.
struct SearchMessage {
  MacAddress mac;
  std::vector<IpAddress> ips;  // of its last claim
  bool operator==(const SearchMessage&) const = default;
};
enum class ConflictStage : std::uint8_t {
  Question = 0,  // is this VM alive with you, too?
  Verdict = 1,   // it is, and so is mine: there are two
  Gone = 2,      // mine is gone (only unasked, and only in ConflictEvidenceMessage)
};
struct ConflictCheckMessage {
  MacAddress mac;
  std::uint32_t round = 0;
  ConflictStage stage = ConflictStage::Question;  // Question or Verdict
  std::uint64_t first_live = 0;                   // ms since 1970; all ones: mute already
  bool operator==(const ConflictCheckMessage&) const = default;
};
struct ConflictEvidenceMessage {
  MacAddress mac;
  std::uint32_t round = 0;  // of the check that is answered; 0 with Gone
  ConflictStage stage = ConflictStage::Question;
  std::uint64_t first_live = 0;
  bool alive = false;  // it was heard since the check came
  bool operator==(const ConflictEvidenceMessage&) const = default;
};
// "Who talks with this VM of yours? It is about to come to me."
struct PrepareMessage {
  MacAddress mac;
  bool operator==(const PrepareMessage&) const = default;
};
// One less than are pushed to at once (kMeshMax): the old host is the other one.
inline constexpr std::size_t kCorrespondentsMax = 63;
struct CorrespondentsMessage {
  MacAddress mac;
  std::vector<NodeId> nodes;  // that the VMs here lately sent frames to, last used first; then others
  bool operator==(const CorrespondentsMessage&) const = default;
};
// Nothing but its size: makes a datagram larger.
struct PaddingMessage {
  std::size_t size = 0;  // of the zeros; with all that stands beside it at most kControlPlaintextMax
  bool operator==(const PaddingMessage&) const = default;
};

using ControlMessage =
    std::variant<PingMessage, PongMessage, ClaimsMessage, ClaimAckMessage, ClaimRequestMessage, ClaimNoneMessage,
                 NodeRecordsMessage, CertificateRequestMessage, CertificateMessage, CloseMessage, SearchMessage,
                 ConflictCheckMessage, ConflictEvidenceMessage, PrepareMessage, CorrespondentsMessage, PaddingMessage>;

// Appends one message. `out` may already hold messages; the caller keeps to kControlPlaintextMax.
void encode(const ControlMessage& message, Bytes& out);
[[nodiscard]] std::size_t encoded_size(const ControlMessage& message);

struct DecodedControl {
  std::vector<ControlMessage> messages;
  std::size_t unknown = 0;  // messages of a type that this build does not know, skipped
};
// All messages of a control datagram, or an error for the whole of it.
[[nodiscard]] Result<DecodedControl> decode_control(BytesView plaintext);

}  // namespace rove
