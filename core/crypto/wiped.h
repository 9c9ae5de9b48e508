// Memory for intermediate secrets that must not outlive their use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"

namespace rove {

// Zeroes `bytes` in a way that the compiler cannot leave out.
void wipe(MutableBytes bytes) noexcept;

// N secret octets on the stack, zeroed at the end of their scope. For values that have no type of their own;
// keys are SecretBytes.
template <std::size_t N>
struct Wiped {
  std::array<std::uint8_t, N> octets{};

  Wiped() = default;
  explicit Wiped(const std::array<std::uint8_t, N>& value) : octets(value) {}
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { wipe(octets); }

  [[nodiscard]] std::uint8_t* data() { return octets.data(); }
  [[nodiscard]] const std::uint8_t* data() const { return octets.data(); }
};

}  // namespace rove
