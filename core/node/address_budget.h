// Keeps this node from being a reflector: bytes to an underlay address that has not proven itself are limited by the
// bytes that came from there (docs/protocol.md §3; FIELD class V7).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include "core/base/address.h"
#include "core/base/time.h"

namespace rove {

// What may be sent unasked to an address, per kUnaskedInterval: a bootstrap ping and its repetitions.
inline constexpr std::size_t kUnaskedBytes = 2048;
inline constexpr std::chrono::seconds kUnaskedInterval{5};
// An address that has been silent this long must prove itself again.
inline constexpr std::chrono::minutes kProofTime{10};
// Addresses remembered. When full the longest silent goes first, which then is as unproven as a new one.
inline constexpr std::size_t kBudgetAddressesMax = 16384;

// Control thread. Asked for envelopes that are not part of a session or a handshake: OpenDHT's.
class AddressBudget {
 public:
  // An envelope that opened came from there. It proves the address if something was sent there before.
  void handle_received(TimePoint now, const Endpoint& from, std::size_t size);
  // A handshake was completed with this address.
  void set_proven(TimePoint now, const Endpoint& address);
  // Whether `size` octets may go there now; if so they are counted.
  [[nodiscard]] bool take(TimePoint now, const Endpoint& to, std::size_t size);

 private:
  struct Entry {
    std::size_t allowance = 0;  // octets that may still be sent in answer
    std::size_t unasked = 0;    // octets sent without allowance in this interval
    TimePoint interval_start{};
    TimePoint heard{};
    bool sent = false;
    bool proven = false;
  };
  Entry& entry(TimePoint now, const Endpoint& address);

  std::map<Endpoint, Entry> entries_;
};

}  // namespace rove
