#include "cli/completion/value_source.h"

namespace rove {
namespace {

constexpr std::string_view kHead = R"fish(# fish completion for rove, made by `rove completion fish`.
# Put it into ~/.config/fish/completions/rove.fish, or load it: rove completion fish | source

# The command line up to the cursor, in lines: the general options with their values, "=", the verb, its arguments.
function __rove_parse
    set -l option
    set -l verb
    for word in (commandline -opc)[2..]
        if test -n "$option"
            contains -- $option $__rove_general; and printf '%s\n' $option $word
            set option
        else if string match -q -- '--*=*' $word
            contains -- (string split -m1 -- = $word)[1] $__rove_general; and printf '%s\n' $word
        else if string match -q -- '-*' $word
            contains -- $word $__rove_general $__rove_values; and set option $word
        else if test -z "$verb"
            set verb $word
        else
            set -a verb $word
        end
    end
    printf '%s\n' = $verb
end

# Whether the verb is this one (none yet: ''), and, if so given, its next argument is number COUNT, or a later one.
function __rove_at -a verb count later
    set -l parsed (__rove_parse)
    set -l at (contains -i -- = $parsed)
    set -l typed $parsed[(math $at + 1)..]
    test "$typed[1]" = "$verb"; or return 1
    test -n "$count"; or return 0
    set -l next (count $typed)
    test $next -eq $count; and return 0
    test -n "$later" -a $next -gt $count
end

function __rove_words -a kind
    set -l parsed (__rove_parse)
    set -l at (contains -i -- = $parsed)
    set -l general
    test $at -gt 1; and set general $parsed[1..(math $at - 1)]
    command rove $general complete-words $kind 2>/dev/null
end

)fish";

std::string quote_for_fish(std::string_view text) {
  return "'" + replace_all(replace_all(std::string{text}, "\\", "\\\\"), "'", "\\'") + "'";
}

std::string offer_of(const ValueSource& source) {
  switch (source.kind) {
    case ValueSource::Kind::Nothing: return "";
    case ValueSource::Kind::Words: return " -a " + quote_for_fish("(__rove_words " + source.text + ")");
    case ValueSource::Kind::Files: return " -F";
    case ValueSource::Kind::Directories: return " -a " + quote_for_fish("(__fish_complete_directories)");
    case ValueSource::Kind::Choices: return " -a " + quote_for_fish(source.text);
  }
  return {};
}

std::string make_option(std::string_view verb, const OptionDescription& option) {
  std::string text = "complete -c rove";
  if (!verb.empty()) text += " -n " + quote_for_fish("__rove_at " + std::string{verb});
  for (const std::string& name : option.names) {
    const bool is_long = name.starts_with("--");
    text += (is_long ? " -l " : " -s ") + name.substr(is_long ? 2 : 1);
  }
  if (option.takes_value) {
    const ValueSource source = value_source_of(verb, option);
    text += (source.kind == ValueSource::Kind::Files ? " -r" : " -x") + offer_of(source);
  }
  return text + " -d " + quote_for_fish(option.description) + "\n";
}

// The names of all options that take a value.
std::string list_values(const std::vector<OptionDescription>& options) {
  std::string text;
  for (const OptionDescription& option : options) {
    if (!option.takes_value) continue;
    for (const std::string& name : option.names) text += " " + name;
  }
  return text;
}

}  // namespace

std::string make_fish_completion(const CommandLine& line) {
  std::string script{kHead};
  std::string values;
  for (const VerbDescription& verb : line.verbs) values += list_values(verb.options);
  script += "set -g __rove_general" + list_values(line.options) + "\nset -g __rove_values" + values + "\n\n";
  script += "complete -c rove -e\ncomplete -c rove -f\n";
  for (const OptionDescription& option : line.options) script += make_option("", option);
  for (const VerbDescription& verb : line.verbs) {
    script += "complete -c rove -n \"__rove_at ''\" -a " + verb.name + " -d " + quote_for_fish(verb.description) + "\n";
  }
  for (const VerbDescription& verb : line.verbs) {
    script += "\n";
    for (const OptionDescription& option : verb.options) script += make_option(verb.name, option);
    int place = 1;
    for (const OptionDescription& argument : verb.arguments) {
      const std::string offer = offer_of(value_source_of(verb.name, argument));
      const std::string where =
          "__rove_at " + verb.name + " " + std::to_string(place++) + (argument.repeats ? " later" : "");
      if (!offer.empty()) script += "complete -c rove -n " + quote_for_fish(where) + offer + "\n";
    }
  }
  return script;
}

}  // namespace rove
