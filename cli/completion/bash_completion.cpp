#include "cli/completion/value_source.h"

namespace rove {
namespace {

constexpr std::string_view kHead = R"bash(# bash completion for rove, made by `rove completion bash`.
# Load it from ~/.bashrc: source <(rove completion bash)

# Sets what may follow a verb; '' stands for none yet: `options`, the kinds of their values in `values`, and the kinds
# of its arguments in `arguments`, of which the last one may repeat.
_rove_describe() {
)bash";

constexpr std::string_view kTail = R"bash(
# Replies with those words that begin as the current one does.
_rove_offer() {
  local word
  for word in "$@"; do
    if [[ $word == "$current"* ]]; then COMPREPLY+=("$word"); fi
  done
}

_rove_offer_kind() {
  local -a found
  local kind=$1 command
  case $kind in
    files)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      compopt -o filenames 2>/dev/null
      ;;
    directories)
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      compopt -o filenames 2>/dev/null
      ;;
    choices:*)
      read -ra found <<<"${kind#choices:}"
      _rove_offer "${found[@]}"
      ;;
    words:*)
      command=$(type -P "${words[0]/#\~/$HOME}") || command=rove
      mapfile -t found < <("$command" "${general[@]}" complete-words "${kind#words:}" 2>/dev/null)
      _rove_offer "${found[@]}"
      ;;
  esac
}

_rove() {
  local -a words=() general=() verbs=() options=() arguments=()
  local -A values=()
  local line=${COMP_LINE:0:COMP_POINT}
  local current='' verb='' option='' repeats='' word prefix index
  local -i count=0 last
  COMPREPLY=()
  # Not COMP_WORDS: bash cuts it at the colons of MACs and IPv6 addresses.
  read -ra words <<<"$line"
  last=${#words[@]}
  if [[ $line != *[[:space:]] ]]; then
    last=$((last - 1))
    current=${words[last]}
  fi
  _rove_describe ''
  for ((index = 1; index < last; ++index)); do
    word=${words[index]}
    if [[ $option ]]; then
      if [[ ${values[$option]} == general:* ]]; then general+=("$option" "$word"); fi
      option=''
    elif [[ $word == --*=* ]]; then
      if [[ ${values[${word%%=*}]} == general:* ]]; then general+=("$word"); fi
    elif [[ $word == -* ]]; then
      if [[ ${values[$word]} ]]; then option=$word; fi
    elif [[ ! $verb ]]; then
      verb=$word
      _rove_describe "$verb"
    else
      count+=1
    fi
  done
  if [[ ! $option && $current == --*=* ]]; then
    option=${current%%=*}
    current=${current#*=}
  fi
  if [[ $option ]]; then
    word=${values[$option]}
    _rove_offer_kind "${word#general:}"
  elif [[ $current == -* ]]; then
    _rove_offer "${options[@]}"
  elif [[ ! $verb ]]; then
    _rove_offer "${verbs[@]}"
  else
    if ((count >= ${#arguments[@]})) && [[ $repeats ]]; then count=$((${#arguments[@]} - 1)); fi
    if ((count < ${#arguments[@]})); then _rove_offer_kind "${arguments[count]}"; fi
  fi
  # What bash replaces is only what stands behind the last colon.
  if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
    prefix=${current%"${current##*:}"}
    for index in "${!COMPREPLY[@]}"; do COMPREPLY[index]=${COMPREPLY[index]#"$prefix"}; done
  fi
}

complete -F _rove rove
)bash";

std::string kind_of(const ValueSource& source) {
  switch (source.kind) {
    case ValueSource::Kind::Nothing: return "nothing";
    case ValueSource::Kind::Words: return "words:" + source.text;
    case ValueSource::Kind::Files: return "files";
    case ValueSource::Kind::Directories: return "directories";
    case ValueSource::Kind::Choices: return "choices:" + source.text;
  }
  return {};
}

// "general:" marks options that `rove complete-words` has to know, too.
std::string make_lists(std::string_view verb, const std::vector<OptionDescription>& options) {
  std::string names;
  std::string values;
  for (const OptionDescription& option : options) {
    for (const std::string& name : option.names) {
      names += (names.empty() ? "" : " ") + name;
      if (!option.takes_value) continue;
      const std::string kind = (verb.empty() ? "general:" : "") + kind_of(value_source_of(verb, option));
      values += (values.empty() ? "[" : " [") + name + "]=" + quote_for_shell(kind);
    }
  }
  std::string text;
  if (!names.empty()) text += "      options+=(" + names + ")\n";
  if (!values.empty()) text += "      values+=(" + values + ")\n";
  return text;
}

std::string make_case(const VerbDescription& verb) {
  std::string text = "    " + verb.name + ")\n" + make_lists(verb.name, verb.options);
  std::string arguments;
  for (const OptionDescription& argument : verb.arguments) {
    arguments += (arguments.empty() ? "" : " ") + quote_for_shell(kind_of(value_source_of(verb.name, argument)));
  }
  if (!arguments.empty()) text += "      arguments=(" + arguments + ")\n";
  if (!verb.arguments.empty() && verb.arguments.back().repeats) text += "      repeats=yes\n";
  return text + "      ;;\n";
}

}  // namespace

std::string make_bash_completion(const CommandLine& line) {
  std::string script{kHead};
  std::string verbs;
  for (const VerbDescription& verb : line.verbs) verbs += (verbs.empty() ? "" : " ") + verb.name;
  script += "  case $1 in\n    '')\n      verbs=(" + verbs + ")\n" + make_lists("", line.options) + "      ;;\n";
  for (const VerbDescription& verb : line.verbs) script += make_case(verb);
  return script + "  esac\n}\n" + std::string{kTail};
}

}  // namespace rove
