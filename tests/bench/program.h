// What the small programs beside the measurements share: their arguments, their clock, and how they fail.
#pragma once

#include <time.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "core/base/time.h"

namespace rove {

inline constexpr double kSecondsMax = 600;

// Wrong arguments: exit status 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline int check(const std::string& attempt, int result) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), attempt);
  return result;
}

[[nodiscard]] inline TimePoint read_clock() {
  timespec now{};
  check("clock_gettime", clock_gettime(CLOCK_MONOTONIC, &now));
  return TimePoint{std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec}};
}

template <typename T>
[[nodiscard]] T parse_number(std::string_view what, const std::string& text, T min, T max) {
  T value{};
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size() || value < min || value > max) {
    throw UsageError(std::string{what} + ": not a number in its range: " + text);
  }
  return value;
}

[[nodiscard]] inline Duration parse_seconds(std::string_view what, const std::string& text) {
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>{parse_number<double>(what, text, 0.001, kSecondsMax)});
}

// What to do with arguments that are no call of the program: says how it is called. Its exit status: 0 if that was
// asked for.
[[nodiscard]] inline int print_usage(std::string_view usage, const std::vector<std::string>& arguments) {
  const bool asked = arguments.size() == 1 && (arguments[0] == "--help" || arguments[0] == "-h");
  std::fwrite(usage.data(), 1, usage.size(), asked ? stdout : stderr);
  return asked ? 0 : 2;
}

// main() of the program `name`: calls `run` with its arguments, and says on stderr what it threw.
template <typename Run>
[[nodiscard]] int run_program(const char* name, Run run, int argc, char** argv) {
  try {
    return run(std::vector<std::string>(argv + 1, argv + argc));
  } catch (const UsageError& error) {
    std::fprintf(stderr, "%s: %s\ntype: %s --help\n", name, error.what(), name);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    return 1;
  }
}

}  // namespace rove
