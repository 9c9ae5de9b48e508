// What an operator should look at, and what to do about it.
#pragma once

#include <string>

namespace rove {

struct HealthProblem {
  std::string what{};    // a sentence
  std::string remedy{};  // the next thing to type or to do

  bool operator==(const HealthProblem&) const = default;
};

}  // namespace rove
