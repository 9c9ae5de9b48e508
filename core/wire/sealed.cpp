#include "core/wire/sealed.h"

#include <algorithm>
#include <chrono>
#include <tuple>
#include <utility>

#include "core/base/check.h"
#include "core/crypto/hash.h"
#include "core/wire/header.h"

namespace rove {
namespace {

//  0       1       2            26                42        50     51
// +-------+-------+------------+-----------------+---------+------+------+-----+
// | 0x03  | ring  | nonce      | sender node id  | stamp   | kind | body | tag |
// +-------+-------+------------+-----------------+---------+------+------+-----+
//  associated data               encrypted
constexpr std::size_t kAssociatedSize = 2;
constexpr std::size_t kNonceOffset = kAssociatedSize;
constexpr std::size_t kSealedOffset = kNonceOffset + std::tuple_size_v<ExtendedNonce>;
constexpr std::size_t kInnerHeaderSize = NodeId::kSize + sizeof(std::uint64_t) + 1;
static_assert(kSealedOffset + kInnerHeaderSize + kAeadTagSize == kSealedOverhead);

constexpr std::size_t kRingsMax = 2;

// Both in µs, like stamps. Past it a sender without a full window is refused, which bounds how long an envelope that
// was recorded can be replayed to a receiver that restarted.
constexpr std::uint64_t kStampAgeMax = std::chrono::microseconds{std::chrono::hours{24}}.count();
// Bounds how far a sender whose clock is wrong can push its own window.
constexpr std::uint64_t kStampLeadMax = kStampAgeMax;

std::uint64_t to_stamp(WallTime wall) {
  return to_unix_ms(wall) * 1000;
}

bool is_known(std::uint8_t kind) {
  return kind >= static_cast<std::uint8_t>(SealedKind::HandshakeInit) &&
         kind <= static_cast<std::uint8_t>(SealedKind::Dht);
}

}  // namespace

SealedChannel::SealedChannel(const NodeId& self, std::uint8_t ring, const RingSecret& current,
                             std::uint64_t first_stamp)
    : self_(self), last_stamp_(first_stamp) {
  add_ring(ring, current);
}

// ---- rings ------------------------------------------------------------------------------------

void SealedChannel::add_ring(std::uint8_t ring, const RingSecret& secret) {
  ROVE_CHECK(rings_.empty() || ring != current_ring());
  if (rings_.size() == kRingsMax) rings_.pop_back();
  rings_.push_back({ring, XChaCha20Poly1305Cipher{derive_sealing_key(secret)}, derive_psk(secret)});
}

bool SealedChannel::use_ring(std::uint8_t ring) {
  const auto found = std::find_if(rings_.begin(), rings_.end(), [&](const Ring& r) { return r.number == ring; });
  if (found == rings_.end()) return false;
  std::rotate(rings_.begin(), found, rings_.end());
  return true;
}

void SealedChannel::drop_ring(std::uint8_t ring) {
  ROVE_CHECK(ring != current_ring());
  if (rings_.back().number == ring) rings_.pop_back();
}

const SealedChannel::Ring* SealedChannel::find_ring(std::uint8_t number) const {
  for (const Ring& ring : rings_) {
    if (ring.number == number) return &ring;
  }
  return nullptr;
}

std::uint8_t SealedChannel::current_ring() const {
  return rings_.front().number;
}

const PskKey* SealedChannel::find_psk(std::uint8_t ring) const {
  const Ring* found = find_ring(ring);
  return found == nullptr ? nullptr : &found->psk;
}

std::uint64_t SealedChannel::last_stamp() const {
  return last_stamp_;
}

// ---- envelopes --------------------------------------------------------------------------------

Bytes SealedChannel::seal(Now now, Random& random, SealedKind kind, BytesView body) {
  last_stamp_ = std::max(to_stamp(now.wall), last_stamp_ + 1);
  const Ring& ring = rings_.front();
  const auto nonce = random.bytes<std::tuple_size_v<ExtendedNonce>>();

  Bytes out;
  out.reserve(kSealedOverhead + body.size());
  Writer writer{out};
  writer.write(static_cast<std::uint8_t>(DatagramType::Sealed));
  writer.write(ring.number);
  writer.write_bytes(nonce);
  writer.write_bytes(self_.octets);
  writer.write(last_stamp_);
  writer.write(static_cast<std::uint8_t>(kind));
  writer.write_bytes(body);

  out.resize(kSealedOverhead + body.size());
  const BytesView plaintext = BytesView{out}.subspan(kSealedOffset, kInnerHeaderSize + body.size());
  ring.cipher.seal(nonce, BytesView{out}.first(kAssociatedSize), plaintext, out.data() + kSealedOffset);
  return out;
}

Result<OpenedEnvelope> SealedChannel::open(Now now, BytesView datagram) {
  if (datagram.size() < kSealedOverhead) return fail(Error::Truncated);
  if (datagram[0] != static_cast<std::uint8_t>(DatagramType::Sealed)) return fail(Error::Malformed);
  const Ring* ring = find_ring(datagram[1]);
  if (ring == nullptr) return fail(Error::Unknown);

  ExtendedNonce nonce{};
  std::copy_n(datagram.data() + kNonceOffset, nonce.size(), nonce.data());
  const BytesView ciphertext = datagram.subspan(kSealedOffset);
  Bytes plaintext(ciphertext.size() - kAeadTagSize);
  if (!ring->cipher.open(nonce, datagram.first(kAssociatedSize), ciphertext, plaintext.data())) {
    return fail(Error::Undecryptable);
  }

  Reader reader{plaintext};
  const NodeId sender{reader.read_array<NodeId::kSize>()};
  const auto stamp = reader.read<std::uint64_t>();
  const auto kind = reader.read<std::uint8_t>();
  if (!is_known(kind)) return fail(Error::Malformed);
  if (const auto accepted = accept_stamp(now, sender, stamp); !accepted) return tl::make_unexpected(accepted.error());
  return OpenedEnvelope{sender, ring->number, static_cast<SealedKind>(kind),
                        Bytes(reader.rest().begin(), reader.rest().end())};
}

Result<void> SealedChannel::accept_stamp(Now now, const NodeId& sender, std::uint64_t stamp) {
  // Nobody else seals under our name: a recorded envelope of our own came back.
  if (sender == self_) return fail(Error::Replayed);
  const std::uint64_t clock = to_stamp(now.wall);
  if (stamp > clock && stamp - clock > kStampLeadMax) return fail(Error::FromTheFuture);
  const bool too_old = stamp < clock && clock - stamp > kStampAgeMax;

  const auto known = sender_of_.find(sender);
  if (known != sender_of_.end()) {
    StampWindow& window = known->second->window;
    if (!window.may_accept(stamp)) return fail(Error::Replayed);
    if (too_old && !window.full()) return fail(Error::Stale);
    window.accept(stamp);
    senders_.splice(senders_.end(), senders_, known->second);
    return {};
  }

  if (too_old) return fail(Error::Stale);
  if (senders_.size() == kSealedSendersMax) {
    sender_of_.erase(senders_.front().id);
    senders_.pop_front();
  }
  const auto added = senders_.insert(senders_.end(), Sender{sender, {}});
  added->window.accept(stamp);
  sender_of_.emplace(sender, added);
  return {};
}

}  // namespace rove
