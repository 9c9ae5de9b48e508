// Keeps handshakes from eating the CPU: lets some in each second, asks the rest for proof of their address.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "core/base/address.h"
#include "core/base/ids.h"
#include "core/base/random.h"
#include "core/base/time.h"
#include "core/peer/handshake_message.h"

namespace rove {

// Handshakes in a second that need no cookie: 64 nodes may start at once (docs/protocol.md §4).
inline constexpr unsigned kFreeHandshakesPerSecond = 64;
// And with cookies: each costs some 0.5 ms (four X25519, three signatures), so this is a quarter of a core. Further
// ones are dropped; their initiators try again.
inline constexpr unsigned kHandshakesPerSecond = 512;
inline constexpr std::chrono::seconds kCookieSecretTime{120};

// Cookies prove that who asks can receive at the address it sends from: BLAKE2b-128(secret; endpoint ‖ node id).
// docs/protocol.md §4. Keeps no state per initiator.
class HandshakeGate {
 public:
  explicit HandshakeGate(Random& random) : random_(random) {}

  enum class Verdict : std::uint8_t { Admit, Challenge, Drop };
  // `must_prove`: the answer would be larger than an unproven address may get.
  [[nodiscard]] Verdict judge(TimePoint now, const Endpoint& from, const NodeId& sender,
                              const std::optional<HandshakeCookie>& cookie, bool must_prove);
  [[nodiscard]] HandshakeCookie make_cookie(TimePoint now, const Endpoint& from, const NodeId& sender);

 private:
  using Secret = std::array<std::uint8_t, 32>;
  void rotate(TimePoint now);

  Random& random_;
  std::optional<Secret> secret_;
  std::optional<Secret> previous_;
  TimePoint secret_since_{};
  TimePoint window_start_{};
  unsigned free_ = 0;   // admitted without a cookie in this second
  unsigned total_ = 0;  // admitted in this second
};

}  // namespace rove
