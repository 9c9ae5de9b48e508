// What may be offered where a command line wants a value.
#pragma once

#include <string>
#include <string_view>

#include "cli/completion/command_line.h"

namespace rove {

struct ValueSource {
  enum class Kind { Nothing, Words, Files, Directories, Choices };
  Kind kind = Kind::Nothing;
  std::string text;  // of Words: the argument of `rove complete-words`; of Choices: the words, with spaces between
};

// By the verb (empty: an option of all verbs) and the names of the option or argument.
[[nodiscard]] ValueSource value_source_of(std::string_view verb, const OptionDescription& option);

// `text` in single quotes, as bash and zsh read it.
[[nodiscard]] std::string quote_for_shell(std::string_view text);
[[nodiscard]] std::string replace_all(std::string text, std::string_view from, std::string_view to);

// The scripts.
[[nodiscard]] std::string make_bash_completion(const CommandLine& line);
[[nodiscard]] std::string make_zsh_completion(const CommandLine& line);
[[nodiscard]] std::string make_fish_completion(const CommandLine& line);

}  // namespace rove
