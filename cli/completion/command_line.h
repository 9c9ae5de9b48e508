// What a command line of `rove` can hold, for those that describe it to others: shells' completion.
#pragma once

#include <string>
#include <vector>

namespace rove {

struct OptionDescription {
  std::vector<std::string> names;  // as they are typed ("-n", "--network"); of an argument its one name ("NETWORK")
  std::string description;
  bool takes_value = false;  // else it is a flag
  bool repeats = false;      // takes several values
};

struct VerbDescription {
  std::string name;
  std::string description;
  std::vector<OptionDescription> options;
  std::vector<OptionDescription> arguments;  // in their order; only the last may repeat
};

struct CommandLine {
  std::vector<OptionDescription> options;  // for every verb
  std::vector<VerbDescription> verbs;      // without hidden ones
};

}  // namespace rove
