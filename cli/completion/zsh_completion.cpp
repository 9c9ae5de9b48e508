#include "cli/completion/value_source.h"

namespace rove {
namespace {

constexpr std::string_view kHead = R"zsh(#compdef rove
# zsh completion for rove, made by `rove completion zsh`.
# Put it as _rove into a directory of $fpath, or load it from ~/.zshrc behind compinit: source <(rove completion zsh)

# The kind comes last: _arguments puts options of compadd before it.
_rove_words() {
  local -a found
  local kind=$argv[-1]
  found=(${(f)"$(_call_program $kind rove ${(q)rove_general} complete-words $kind 2>/dev/null)"})
  compadd "${(@)argv[1,-2]}" -a found
}

_rove() {
  local -a rove_general rove_options rove_verbs
  local -a state line
  local context curcontext=$curcontext state_descr word option
  typeset -A opt_args
)zsh";

constexpr std::string_view kTail = R"zsh(
  # What `rove complete-words` has to know, too.
  for word in "${(@)words[2,CURRENT-1]}"; do
    if [[ -n $option ]]; then
      rove_general+=($option $word)
      option=
    elif [[ -n ${(M)rove_general_names:#$word} ]]; then
      option=$word
    elif [[ $word == --*=* && -n ${(M)rove_general_names:#${word%%=*}} ]]; then
      rove_general+=($word)
    fi
  done

  _arguments -C "${rove_options[@]}" '1:verb:->verb' '*::argument:->argument' && return
  case $state[1] in
    verb) _describe -t verbs verb rove_verbs ;;
    argument) _rove_of_verb ;;
  esac
}

if [[ $funcstack[1] == _rove ]]; then
  _rove "$@"
else
  compdef _rove rove
fi
)zsh";

// In the brackets of _arguments.
std::string escape_brackets(std::string text) {
  for (const std::string_view special : {"\\", "[", "]", ":"}) {
    text = replace_all(std::move(text), special, "\\" + std::string{special});
  }
  return text;
}

std::string action_of(const ValueSource& source) {
  switch (source.kind) {
    case ValueSource::Kind::Nothing: return " ";  // a value that nothing is offered for
    case ValueSource::Kind::Words: return "_rove_words " + source.text;
    case ValueSource::Kind::Files: return "_files";
    case ValueSource::Kind::Directories: return "_directories";
    case ValueSource::Kind::Choices: return "(" + source.text + ")";
  }
  return {};
}

std::string value_name(const OptionDescription& option) {
  return replace_all(option.names.back(), "--", "");
}

// One name of an option, excluding its other ones.
std::string make_option(std::string_view verb, const OptionDescription& option, const std::string& name) {
  std::string spec;
  if (option.repeats) {
    spec = "*";
  } else {
    for (const std::string& each : option.names) spec += (spec.empty() ? "(" : " ") + each;
    spec += ")";
  }
  spec += name;
  if (option.takes_value && name.starts_with("--")) spec += "=";
  spec += "[" + escape_brackets(option.description) + "]";
  if (option.takes_value) spec += ":" + value_name(option) + ":" + action_of(value_source_of(verb, option));
  return quote_for_shell(spec);
}

std::string make_options(std::string_view verb, const std::vector<OptionDescription>& options,
                         const std::string& indent) {
  std::string text;
  for (const OptionDescription& option : options) {
    for (const std::string& name : option.names) text += indent + make_option(verb, option, name) + "\n";
  }
  return text;
}

std::string make_case(const VerbDescription& verb) {
  std::string text = "    " + verb.name + ")\n      rove_specs=(\n";
  text += make_options(verb.name, verb.options, "        ");
  int place = 1;
  for (const OptionDescription& argument : verb.arguments) {
    const std::string where = argument.repeats ? "*" : std::to_string(place++);
    text +=
        "        " +
        quote_for_shell(where + ":" + value_name(argument) + ":" + action_of(value_source_of(verb.name, argument))) +
        "\n";
  }
  return text + "      )\n      ;;\n";
}

}  // namespace

std::string make_zsh_completion(const CommandLine& line) {
  std::string script{kHead};
  script += "  rove_verbs=(\n";
  for (const VerbDescription& verb : line.verbs) {
    script += "    " + quote_for_shell(verb.name + ":" + replace_all(verb.description, ":", "\\:")) + "\n";
  }
  script += "  )\n  rove_options=(\n" + make_options("", line.options, "    ") + "  )\n  local -a rove_general_names=(";
  for (const OptionDescription& option : line.options) {
    if (!option.takes_value) continue;
    for (const std::string& name : option.names) script += name + " ";
  }
  script += ")\n" + std::string{kTail};

  std::string of_verb = "\n_rove_of_verb() {\n  local -a rove_specs\n  case $words[1] in\n";
  for (const VerbDescription& verb : line.verbs) of_verb += make_case(verb);
  of_verb += "  esac\n  _arguments \"${rove_options[@]}\" \"${rove_specs[@]}\"\n}\n";
  const std::string_view begin = "\n_rove() {";
  return script.insert(script.find(begin), of_verb);
}

}  // namespace rove
