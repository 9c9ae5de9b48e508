// Runs a program of the host and takes what it prints.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace rove {

inline constexpr std::size_t kProgramOutputMax = std::size_t{4} << 20;  // the rest is read and left out

struct ProgramOutput {
  int status = 0;      // its exit status; 128 + signal when one ended it
  std::string output;  // standard output
  std::string errors;  // standard error
};

// `words[0]` is an absolute path: no PATH, no shell. Its environment is LC_ALL=C alone, its input empty. It is killed
// after `patience`. nullopt: there is no such program, it may not be run, or it did not end in time.
[[nodiscard]] std::optional<ProgramOutput> run_program(const std::vector<std::string>& words,
                                                       std::chrono::milliseconds patience);

}  // namespace rove
