#include "core/wire/control_message.h"

#include <algorithm>
#include <limits>

#include "core/base/check.h"
#include "core/base/endpoint_codec.h"

namespace rove {
namespace {

enum class MessageType : std::uint8_t {
  Ping = 1,
  Pong = 2,
  Claims = 3,
  ClaimAck = 4,
  ClaimRequest = 5,
  ClaimNone = 6,
  NodeRecords = 7,
  CertificateRequest = 8,
  Certificate = 9,
  Close = 10,
  Search = 11,
  ConflictCheck = 12,
  ConflictEvidence = 13,
  Prepare = 14,
  Correspondents = 15,
  Padding = 16,
};

constexpr MessageType kLastType = MessageType::Padding;

enum class AddressKind : std::uint8_t { Mac = 1, Ipv4 = 2, Ipv6 = 3 };

constexpr std::size_t kPrefixSize = 1 + 2;  // type ‖ length

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

// ---- encoding ---------------------------------------------------------------------------------

std::size_t records_size(const std::vector<Bytes>& records) {
  std::size_t size = 1;
  for (const Bytes& record : records) size += 2 + record.size();
  return size;
}

std::size_t address_size(const VmAddress& address) {
  return 1 + (address.is_mac() ? address.mac().octets.size() : address.ip().size());
}

std::size_t search_size(const SearchMessage& search) {
  std::size_t size = search.mac.octets.size() + 1;
  for (const IpAddress& ip : search.ips) size += address_size(VmAddress{ip});
  return size;
}

std::size_t body_size(const ControlMessage& message) {
  return std::visit(
      Overloaded{
          [](const PingMessage&) { return std::size_t{8}; },
          [](const PongMessage& pong) { return 8 + encoded_size(pong.observed); },
          [](const ClaimsMessage& claims) { return records_size(claims.records); },
          [](const ClaimAckMessage& ack) { return 1 + ack.ids.size() * RecordId::kSize; },
          [](const ClaimRequestMessage& request) { return address_size(request.address); },
          [](const ClaimNoneMessage& none) { return address_size(none.address); },
          [](const NodeRecordsMessage& records) { return records_size(records.records); },
          [](const CertificateRequestMessage&) { return NodeId::kSize; },
          [](const CertificateMessage& certificate) { return 2 + certificate.der.size(); },
          [](const CloseMessage&) { return std::size_t{1}; },
          [](const SearchMessage& search) { return search_size(search); },
          [](const ConflictCheckMessage& check) { return check.mac.octets.size() + 4 + 1 + 8; },
          [](const ConflictEvidenceMessage& evidence) { return evidence.mac.octets.size() + 4 + 1 + 8 + 1; },
          [](const PrepareMessage& prepare) { return prepare.mac.octets.size(); },
          [](const CorrespondentsMessage& known) {
            return known.mac.octets.size() + 1 + known.nodes.size() * NodeId::kSize;
          },
          [](const PaddingMessage& padding) { return 2 + padding.size; },
      },
      message);
}

void write_count(Writer& to, std::size_t count) {
  ROVE_CHECK(count <= std::numeric_limits<std::uint8_t>::max());
  to.write(static_cast<std::uint8_t>(count));
}

void write_records(Writer& to, const std::vector<Bytes>& records) {
  write_count(to, records.size());
  for (const Bytes& record : records) {
    ROVE_CHECK(record.size() <= kControlRecordMax);
    to.write(static_cast<std::uint16_t>(record.size()));
    to.write_bytes(record);
  }
}

void write_address(Writer& to, const VmAddress& address) {
  if (address.is_mac()) {
    to.write(static_cast<std::uint8_t>(AddressKind::Mac));
    to.write_bytes(address.mac().octets);
    return;
  }
  to.write(static_cast<std::uint8_t>(address.ip().is_v4() ? AddressKind::Ipv4 : AddressKind::Ipv6));
  to.write_bytes(address.ip().bytes());
}

MessageType type_of(const ControlMessage& message) {
  // The variant stands in the order of the types, which begin at 1.
  static_assert(std::variant_size_v<ControlMessage> == static_cast<std::size_t>(kLastType));
  return static_cast<MessageType>(message.index() + 1);
}

// ---- decoding ---------------------------------------------------------------------------------
// Each reads one body and may leave octets behind or run short: decode_body() checks both.

Result<ControlMessage> read_pong(Reader& from) {
  PongMessage pong;
  pong.id = from.read<std::uint64_t>();
  const Result<std::optional<Endpoint>> observed = read_endpoint(from);
  if (!observed) return tl::make_unexpected(observed.error());
  pong.observed = *observed;
  return ControlMessage{pong};
}

Result<std::vector<Bytes>> read_records(Reader& from) {
  const std::size_t count = from.read<std::uint8_t>();
  std::vector<Bytes> records;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t size = from.read<std::uint16_t>();
    if (size > kControlRecordMax) return fail(Error::TooLarge);
    const BytesView record = from.read_bytes(size);
    if (!from.ok()) return fail(Error::Truncated);
    if (record.empty()) return fail(Error::Malformed);
    records.emplace_back(record.begin(), record.end());
  }
  return records;
}

Result<ControlMessage> read_claim_ack(Reader& from) {
  ClaimAckMessage ack;
  const std::size_t count = from.read<std::uint8_t>();
  for (std::size_t i = 0; i < count; ++i) {
    RecordId id;
    id.octets = from.read_array<RecordId::kSize>();
    if (!from.ok()) return fail(Error::Truncated);
    if (id.is_zero()) return fail(Error::Malformed);
    ack.ids.push_back(id);
  }
  return ControlMessage{std::move(ack)};
}

Result<VmAddress> read_address(Reader& from) {
  const auto kind = static_cast<AddressKind>(from.read<std::uint8_t>());
  if (!from.ok()) return fail(Error::Truncated);
  switch (kind) {
    case AddressKind::Mac: return VmAddress{MacAddress{from.read_array<6>()}};
    case AddressKind::Ipv4: return VmAddress{IpAddress::v4(from.read_array<4>().data())};
    case AddressKind::Ipv6: return VmAddress{IpAddress::v6(from.read_array<16>().data())};
  }
  return fail(Error::Malformed);
}

Result<ControlMessage> read_certificate(Reader& from) {
  const BytesView der = from.read_bytes(from.read<std::uint16_t>());
  return ControlMessage{CertificateMessage{Bytes{der.begin(), der.end()}}};
}

Result<ControlMessage> read_close(Reader& from) {
  const std::uint8_t reason = from.read<std::uint8_t>();
  if (reason > static_cast<std::uint8_t>(CloseReason::Revoked)) return fail(Error::Malformed);
  return ControlMessage{CloseMessage{static_cast<CloseReason>(reason)}};
}

Result<ControlMessage> read_search(Reader& from) {
  SearchMessage search;
  search.mac = MacAddress{from.read_array<6>()};
  const std::size_t count = from.read<std::uint8_t>();
  if (!from.ok()) return fail(Error::Truncated);
  for (std::size_t i = 0; i < count; ++i) {
    const Result<VmAddress> address = read_address(from);
    if (!address) return tl::make_unexpected(address.error());
    if (!from.ok()) return fail(Error::Truncated);
    if (address->is_mac()) return fail(Error::Malformed);
    search.ips.push_back(address->ip());
  }
  return ControlMessage{std::move(search)};
}

Result<ControlMessage> read_conflict_check(Reader& from) {
  ConflictCheckMessage check;
  check.mac = MacAddress{from.read_array<6>()};
  check.round = from.read<std::uint32_t>();
  check.stage = static_cast<ConflictStage>(from.read<std::uint8_t>());
  check.first_live = from.read<std::uint64_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (check.stage > ConflictStage::Verdict) return fail(Error::Malformed);
  return ControlMessage{check};
}

Result<ControlMessage> read_conflict_evidence(Reader& from) {
  ConflictEvidenceMessage evidence;
  evidence.mac = MacAddress{from.read_array<6>()};
  evidence.round = from.read<std::uint32_t>();
  evidence.stage = static_cast<ConflictStage>(from.read<std::uint8_t>());
  evidence.first_live = from.read<std::uint64_t>();
  const std::uint8_t alive = from.read<std::uint8_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (alive > 1 || evidence.stage > ConflictStage::Gone) return fail(Error::Malformed);
  evidence.alive = alive == 1;
  return ControlMessage{evidence};
}

Result<ControlMessage> read_correspondents(Reader& from) {
  CorrespondentsMessage known;
  known.mac = MacAddress{from.read_array<6>()};
  const std::size_t count = from.read<std::uint8_t>();
  if (!from.ok()) return fail(Error::Truncated);
  if (count > kCorrespondentsMax) return fail(Error::TooLarge);
  for (std::size_t i = 0; i < count; ++i) {
    const NodeId node{from.read_array<NodeId::kSize>()};
    if (!from.ok()) return fail(Error::Truncated);
    if (node.is_zero()) return fail(Error::Malformed);
    known.nodes.push_back(node);
  }
  return ControlMessage{std::move(known)};
}

Result<ControlMessage> read_padding(Reader& from) {
  const BytesView zeros = from.read_bytes(from.read<std::uint16_t>());
  if (!std::all_of(zeros.begin(), zeros.end(), [](std::uint8_t octet) { return octet == 0; })) {
    return fail(Error::Malformed);
  }
  return ControlMessage{PaddingMessage{zeros.size()}};
}

template <typename Message, typename Value>
Result<ControlMessage> wrap(Result<Value> value) {
  if (!value) return tl::make_unexpected(value.error());
  return ControlMessage{Message{*std::move(value)}};
}

Result<ControlMessage> read_body(MessageType type, Reader& from) {
  switch (type) {
    case MessageType::Ping: return ControlMessage{PingMessage{from.read<std::uint64_t>()}};
    case MessageType::Pong: return read_pong(from);
    case MessageType::Claims: return wrap<ClaimsMessage>(read_records(from));
    case MessageType::ClaimAck: return read_claim_ack(from);
    case MessageType::ClaimRequest: return wrap<ClaimRequestMessage>(read_address(from));
    case MessageType::ClaimNone: return wrap<ClaimNoneMessage>(read_address(from));
    case MessageType::NodeRecords: return wrap<NodeRecordsMessage>(read_records(from));
    case MessageType::CertificateRequest:
      return ControlMessage{CertificateRequestMessage{NodeId{from.read_array<NodeId::kSize>()}}};
    case MessageType::Certificate: return read_certificate(from);
    case MessageType::Close: return read_close(from);
    case MessageType::Search: return read_search(from);
    case MessageType::ConflictCheck: return read_conflict_check(from);
    case MessageType::ConflictEvidence: return read_conflict_evidence(from);
    case MessageType::Prepare: return ControlMessage{PrepareMessage{MacAddress{from.read_array<6>()}}};
    case MessageType::Correspondents: return read_correspondents(from);
    case MessageType::Padding: return read_padding(from);
  }
  return fail(Error::Unknown);
}

Result<ControlMessage> decode_body(MessageType type, BytesView body) {
  Reader from{body};
  Result<ControlMessage> message = read_body(type, from);
  if (message && !from.ok()) return fail(Error::Truncated);
  if (message && !from.done()) return fail(Error::Malformed);
  return message;
}

}  // namespace

std::size_t encoded_size(const ControlMessage& message) {
  return kPrefixSize + body_size(message);
}

void encode(const ControlMessage& message, Bytes& out) {
  const std::size_t size = body_size(message);
  ROVE_CHECK(size <= kControlPlaintextMax - kPrefixSize);
  Writer to{out};
  to.write(static_cast<std::uint8_t>(type_of(message)));
  to.write(static_cast<std::uint16_t>(size));
  std::visit(Overloaded{
                 [&](const PingMessage& ping) { to.write(ping.id); },
                 [&](const PongMessage& pong) {
                   to.write(pong.id);
                   write_endpoint(to, pong.observed);
                 },
                 [&](const ClaimsMessage& claims) { write_records(to, claims.records); },
                 [&](const ClaimAckMessage& ack) {
                   write_count(to, ack.ids.size());
                   for (const RecordId& id : ack.ids) to.write_bytes(id.bytes());
                 },
                 [&](const ClaimRequestMessage& request) { write_address(to, request.address); },
                 [&](const ClaimNoneMessage& none) { write_address(to, none.address); },
                 [&](const NodeRecordsMessage& records) { write_records(to, records.records); },
                 [&](const CertificateRequestMessage& request) { to.write_bytes(request.node.bytes()); },
                 [&](const CertificateMessage& certificate) {
                   to.write(static_cast<std::uint16_t>(certificate.der.size()));
                   to.write_bytes(certificate.der);
                 },
                 [&](const CloseMessage& close) { to.write(static_cast<std::uint8_t>(close.reason)); },
                 [&](const SearchMessage& search) {
                   to.write_bytes(search.mac.octets);
                   write_count(to, search.ips.size());
                   for (const IpAddress& ip : search.ips) write_address(to, VmAddress{ip});
                 },
                 [&](const ConflictCheckMessage& check) {
                   to.write_bytes(check.mac.octets);
                   to.write(check.round);
                   to.write(static_cast<std::uint8_t>(check.stage));
                   to.write(check.first_live);
                 },
                 [&](const ConflictEvidenceMessage& evidence) {
                   to.write_bytes(evidence.mac.octets);
                   to.write(evidence.round);
                   to.write(static_cast<std::uint8_t>(evidence.stage));
                   to.write(evidence.first_live);
                   to.write(static_cast<std::uint8_t>(evidence.alive ? 1 : 0));
                 },
                 [&](const PrepareMessage& prepare) { to.write_bytes(prepare.mac.octets); },
                 [&](const CorrespondentsMessage& known) {
                   ROVE_CHECK(known.nodes.size() <= kCorrespondentsMax);
                   to.write_bytes(known.mac.octets);
                   write_count(to, known.nodes.size());
                   for (const NodeId& node : known.nodes) to.write_bytes(node.bytes());
                 },
                 [&](const PaddingMessage& padding) {
                   to.write(static_cast<std::uint16_t>(padding.size));
                   to.write_bytes(Bytes(padding.size));
                 },
             },
             message);
}

Result<DecodedControl> decode_control(BytesView plaintext) {
  if (plaintext.size() > kControlPlaintextMax) return fail(Error::TooLarge);
  DecodedControl decoded;
  Reader from{plaintext};
  while (!from.rest().empty()) {
    const std::uint8_t type = from.read<std::uint8_t>();
    const BytesView body = from.read_bytes(from.read<std::uint16_t>());
    if (!from.ok()) return fail(Error::Truncated);
    if (type == 0) return fail(Error::Malformed);
    if (type > static_cast<std::uint8_t>(kLastType)) {
      ++decoded.unknown;
      continue;
    }
    Result<ControlMessage> message = decode_body(static_cast<MessageType>(type), body);
    if (!message) return tl::make_unexpected(message.error());
    decoded.messages.push_back(*std::move(message));
  }
  return decoded;
}

}  // namespace rove
