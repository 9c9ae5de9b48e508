// Randomness as an argument: the shell passes the system's, the simulator a seeded generator.
#pragma once

#include <array>
#include <cstdint>

#include "core/base/bytes.h"

namespace rove {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(MutableBytes out) = 0;

  [[nodiscard]] std::uint32_t u32() { return load_be<std::uint32_t>(bytes<4>().data()); }
  [[nodiscard]] std::uint64_t u64() { return load_be<std::uint64_t>(bytes<8>().data()); }
  // Uniform in [0, bound); bound > 0. The modulo bias is below 2^-32 for 32-bit bounds.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return u64() % bound; }
  template <std::size_t N>
  [[nodiscard]] std::array<std::uint8_t, N> bytes() {
    std::array<std::uint8_t, N> out{};
    fill(out);
    return out;
  }

 protected:
  Random() = default;
  Random(const Random&) = default;
  Random& operator=(const Random&) = default;
};

}  // namespace rove
