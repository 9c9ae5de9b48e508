// Counters that are a struct of nothing but 64-bit numbers, as the array that they are.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>

namespace rove {

template <typename Counters>
using CounterNumbers = std::array<std::uint64_t, sizeof(Counters) / sizeof(std::uint64_t)>;

template <typename Counters>
[[nodiscard]] CounterNumbers<Counters> numbers_of(const Counters& counters) {
  static_assert(std::is_trivially_copyable_v<Counters> && sizeof(Counters) % sizeof(std::uint64_t) == 0);
  return std::bit_cast<CounterNumbers<Counters>>(counters);
}

template <typename Counters>
[[nodiscard]] Counters counters_of(const CounterNumbers<Counters>& numbers) {
  return std::bit_cast<Counters>(numbers);
}

// Each number of `more` added to that of `sum`.
template <typename Counters>
void add_counters(Counters& sum, const Counters& more) {
  CounterNumbers<Counters> numbers = numbers_of(sum);
  const CounterNumbers<Counters> others = numbers_of(more);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] += others[i];
  sum = counters_of<Counters>(numbers);
}

}  // namespace rove
