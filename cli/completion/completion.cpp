#include "cli/completion/completion.h"

#include <array>

#include "cli/base/log.h"
#include "cli/completion/complete_words.h"
#include "cli/completion/value_source.h"

namespace rove {
namespace {

using Kind = ValueSource::Kind;

struct Rule {
  std::string_view name;  // of an option or an argument
  Kind kind;
  std::string_view text;
};

// What is not here is for the operator alone to know: a subnet, a number, a filter.
constexpr std::array kRules{
    Rule{"--network", Kind::Words, "networks"},
    Rule{"--config-dir", Kind::Directories, ""},
    Rule{"--state-dir", Kind::Directories, ""},
    Rule{"--run-dir", Kind::Directories, ""},
    Rule{"--config", Kind::Files, ""},
    Rule{"--output", Kind::Files, ""},
    Rule{"NETWORK", Kind::Words, "networks"},
    Rule{"NODE", Kind::Words, "nodes"},
    Rule{"TARGET", Kind::Words, "nodes"},
    Rule{"ADDRESS", Kind::Words, "addresses"},
    Rule{"VM", Kind::Words, "addresses"},
    Rule{"IP", Kind::Words, "ips"},
    Rule{"MAC", Kind::Words, "macs"},
    Rule{"FILE", Kind::Files, ""},
    Rule{"SOCKET", Kind::Files, ""},
    Rule{"SHELL", Kind::Choices, "bash zsh fish"},
};

// Verbs whose argument names something new.
constexpr std::array kCreators{std::string_view{"init"}, std::string_view{"enroll"}};

bool names_something_new(std::string_view verb, std::string_view name) {
  if (name != "NETWORK" && name != "NODE") return false;
  for (const std::string_view creator : kCreators) {
    if (verb == creator) return true;
  }
  return false;
}

}  // namespace

std::optional<Shell> find_shell(std::string_view name) {
  if (name == "bash") return Shell::Bash;
  if (name == "zsh") return Shell::Zsh;
  if (name == "fish") return Shell::Fish;
  return std::nullopt;
}

std::string make_completion(Shell shell, const CommandLine& line) {
  switch (shell) {
    case Shell::Bash: return make_bash_completion(line);
    case Shell::Zsh: return make_zsh_completion(line);
    case Shell::Fish: return make_fish_completion(line);
  }
  return {};
}

ValueSource value_source_of(std::string_view verb, const OptionDescription& option) {
  for (const std::string& name : option.names) {
    if (names_something_new(verb, name)) return {};
    if (name == "--log-level" || name == "LEVEL")
      return {Kind::Choices, replace_all(std::string{kLogLevels}, ", ", " ")};
    for (const Rule& rule : kRules) {
      if (rule.name == name) return {rule.kind, std::string{rule.text}};
    }
  }
  return {};
}

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string quote_for_shell(std::string_view text) {
  return "'" + replace_all(std::string{text}, "'", R"('\'')") + "'";
}

}  // namespace rove
