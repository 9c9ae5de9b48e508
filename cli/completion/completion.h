// Scripts by which shells complete rove's command lines. All is made from the parser's own description, so that a new
// verb or option is completed as soon as it exists; names and addresses are asked for by `rove complete-words`.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/completion/command_line.h"

namespace rove {

enum class Shell { Bash, Zsh, Fish };
[[nodiscard]] std::optional<Shell> find_shell(std::string_view name);

[[nodiscard]] std::string make_completion(Shell shell, const CommandLine& line);

}  // namespace rove
