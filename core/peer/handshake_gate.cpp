#include "core/peer/handshake_gate.h"

#include "core/base/endpoint_codec.h"
#include "core/crypto/hash.h"

namespace rove {
namespace {

HandshakeCookie cookie_of(const std::array<std::uint8_t, 32>& secret, const Endpoint& from, const NodeId& sender) {
  Bytes endpoint;
  Writer to{endpoint};
  write_endpoint(to, from);
  return blake2b<std::tuple_size_v<HandshakeCookie>>({endpoint, sender.bytes()}, secret);
}

}  // namespace

HandshakeGate::Verdict HandshakeGate::judge(TimePoint now, const Endpoint& from, const NodeId& sender,
                                            const std::optional<HandshakeCookie>& cookie, bool must_prove) {
  if (now - window_start_ >= std::chrono::seconds{1}) {
    window_start_ = now;
    free_ = 0;
    total_ = 0;
  }
  rotate(now);
  const auto is_valid = [&](const std::optional<Secret>& secret) {
    return secret && cookie && equal_constant_time(cookie_of(*secret, from, sender), *cookie);
  };
  const bool proven = is_valid(secret_) || is_valid(previous_);
  if (!proven && (must_prove || free_ >= kFreeHandshakesPerSecond)) return Verdict::Challenge;
  if (total_ >= kHandshakesPerSecond) return Verdict::Drop;
  if (!proven) ++free_;
  ++total_;
  return Verdict::Admit;
}

HandshakeCookie HandshakeGate::make_cookie(TimePoint now, const Endpoint& from, const NodeId& sender) {
  rotate(now);
  return cookie_of(*secret_, from, sender);
}

void HandshakeGate::rotate(TimePoint now) {
  const Duration age = now - secret_since_;
  if (secret_ && age < kCookieSecretTime) return;
  previous_ = age < 2 * kCookieSecretTime ? secret_ : std::nullopt;
  secret_ = random_.bytes<std::tuple_size_v<Secret>>();
  secret_since_ = now;
}

}  // namespace rove
