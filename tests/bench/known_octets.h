// What a sender and a receiver that share nothing but a seed both know: a stream of octets. And how a difference is
// told.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/check.h"

namespace rove {

inline constexpr std::size_t kShownOctets = 16;  // of a difference

// splitmix64's output function (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

inline constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15ULL;

// The octets of a seed: word i is mix(seed' + i * golden), so that they can be made from any place on, at several GB a
// second. In the machine's own octet order: both ends are on one.
class KnownOctets {
 public:
  static constexpr std::size_t kViewMax = std::size_t{256} << 10;  // stays in the cache

  explicit KnownOctets(std::uint64_t seed)
      : start_(mix(seed + kGolden)), words_(kViewMax / sizeof(std::uint64_t) + 2) {}

  // At most kViewMax octets from `offset` on; valid until the next call.
  [[nodiscard]] MutableBytes view(std::uint64_t offset, std::size_t size) {
    ROVE_CHECK(size <= kViewMax);
    const std::uint64_t first = offset / sizeof(std::uint64_t);
    const std::size_t skipped = offset % sizeof(std::uint64_t);
    const std::size_t count = (skipped + size + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t);
    std::uint64_t state = start_ + first * kGolden;
    for (std::size_t i = 0; i < count; ++i, state += kGolden) words_[i] = mix(state);
    return {reinterpret_cast<std::uint8_t*>(words_.data()) + skipped, size};
  }

 private:
  std::uint64_t start_;
  std::vector<std::uint64_t> words_;
};

// Where the first octet differs; both of one size.
[[nodiscard]] inline std::optional<std::size_t> find_difference(BytesView got, BytesView wanted) {
  if (std::memcmp(got.data(), wanted.data(), got.size()) == 0) return std::nullopt;
  return static_cast<std::size_t>(std::mismatch(got.begin(), got.end(), wanted.begin()).first - got.begin());
}

// On stderr, with the first octets that were got and wanted from there on.
inline void tell_difference(std::uint64_t offset, BytesView got, BytesView wanted) {
  const auto show = [](const char* what, BytesView octets) {
    std::fprintf(stderr, " %s", what);
    for (const std::uint8_t octet : octets.first(std::min(octets.size(), kShownOctets))) {
      std::fprintf(stderr, " %02x", octet);
    }
  };
  std::fprintf(stderr, "stream_check: differs from octet %llu on:", static_cast<unsigned long long>(offset));
  show("got", got);
  show("instead of", wanted);
  std::fputc('\n', stderr);
}

}  // namespace rove
