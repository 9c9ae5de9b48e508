#include "cli/completion/completion.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <ostream>

#include "cli/command/arguments.h"
#include "cli/completion/value_source.h"

namespace rove {
namespace {

constexpr std::array kShells{Shell::Bash, Shell::Zsh, Shell::Fish};

const VerbDescription& verb_of(const CommandLine& line, std::string_view name) {
  const auto found = std::find_if(line.verbs.begin(), line.verbs.end(),
                                  [&](const VerbDescription& verb) { return verb.name == name; });
  REQUIRE(found != line.verbs.end());
  return *found;
}

const OptionDescription& option_of(const std::vector<OptionDescription>& options, std::string_view name) {
  const auto found = std::find_if(options.begin(), options.end(), [&](const OptionDescription& option) {
    return std::find(option.names.begin(), option.names.end(), name) != option.names.end();
  });
  REQUIRE(found != options.end());
  return *found;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// One verb with everything that makes a script difficult.
CommandLine difficult_line() {
  const OptionDescription quoted{
      .names = {"-q", "--quoted"}, .description = "it's [so]: 100%", .takes_value = true, .repeats = false};
  const OptionDescription general{
      .names = {"-n", "--network"}, .description = "The network", .takes_value = true, .repeats = false};
  const OptionDescription argument{.names = {"IP"}, .description = "Addresses", .takes_value = true, .repeats = true};
  return {.options = {general},
          .verbs = {{.name = "do", .description = "Do: it's done", .options = {quoted}, .arguments = {argument}}}};
}

}  // namespace

TEST_CASE("describe_command_line: is what the parser takes") {
  const CommandLine line = describe_command_line();

  CHECK(option_of(line.options, "--network").names == std::vector<std::string>{"-n", "--network"});
  CHECK(option_of(line.options, "-n").takes_value);
  CHECK_FALSE(option_of(line.options, "--help").takes_value);
  const VerbDescription& claim = verb_of(line, "claim");
  REQUIRE(claim.arguments.size() == 2);
  CHECK(claim.arguments[0].names == std::vector<std::string>{"MAC"});
  CHECK_FALSE(claim.arguments[0].repeats);
  CHECK(claim.arguments[1].names == std::vector<std::string>{"IP"});
  CHECK(claim.arguments[1].repeats);
  CHECK_FALSE(option_of(claim.options, "--json").takes_value);
  CHECK(option_of(verb_of(line, "enroll").options, "-o").takes_value);
}

TEST_CASE("describe_command_line: hidden verbs are not in it") {
  for (const VerbDescription& verb : describe_command_line().verbs) CHECK(verb.name != "complete-words");
}

TEST_CASE("make_completion: every verb and option of the parser is in every script") {
  const CommandLine line = describe_command_line();
  for (const Shell shell : kShells) {
    const std::string script = make_completion(shell, line);
    for (const VerbDescription& verb : line.verbs) {
      CAPTURE(verb.name);
      CHECK(contains(script, verb.name));
      for (const OptionDescription& option : verb.options) {
        for (const std::string& name : option.names) {
          CAPTURE(name);
          // fish has them without their dashes.
          CHECK(contains(script, shell == Shell::Fish ? name.substr(name.rfind("--") == 0 ? 2 : 1) : name));
        }
      }
    }
  }
}

TEST_CASE("make_completion: texts are quoted as each shell wants them") {
  const CommandLine line = difficult_line();

  const std::string zsh = make_completion(Shell::Zsh, line);
  CHECK(contains(zsh, R"('do:Do\: it'\''s done')"));
  CHECK(contains(zsh, R"('(-q --quoted)--quoted=[it'\''s \[so\]\: 100%]:quoted: ')"));
  CHECK(contains(zsh, "'*:IP:_rove_words ips'"));
  const std::string fish = make_completion(Shell::Fish, line);
  CHECK(contains(fish, R"(complete -c rove -n '__rove_at do' -s q -l quoted -x -d 'it\'s [so]: 100%')"));
  CHECK(contains(fish, R"(complete -c rove -n '__rove_at do 1 later' -a '(__rove_words ips)')"));
  const std::string bash = make_completion(Shell::Bash, line);
  CHECK(contains(bash, "values+=([-n]='general:words:networks' [--network]='general:words:networks')"));
  CHECK(contains(bash, "values+=([-q]='nothing' [--quoted]='nothing')"));
  CHECK(contains(bash, "arguments=('words:ips')\n      repeats=yes"));
}

TEST_CASE("value_source_of: what exists is offered, what is new is not") {
  const CommandLine line = describe_command_line();
  const auto source_of = [&line](std::string_view verb) {
    return value_source_of(verb, verb_of(line, verb).arguments.front());
  };

  CHECK(source_of("up").text == "networks");
  CHECK(source_of("init").kind == ValueSource::Kind::Nothing);
  CHECK(source_of("enroll").kind == ValueSource::Kind::Nothing);
  CHECK(source_of("lookup").text == "addresses");
  CHECK(source_of("release").text == "macs");
  CHECK(source_of("join").kind == ValueSource::Kind::Files);
  CHECK(source_of("completion").text == "bash zsh fish");
  CHECK(source_of("log-level").text == "error warn info debug");
  CHECK(value_source_of("up", option_of(verb_of(line, "up").options, "--log-level")).text == "error warn info debug");
}

TEST_CASE("find_shell: knows three") {
  CHECK(find_shell("bash") == Shell::Bash);
  CHECK(find_shell("zsh") == Shell::Zsh);
  CHECK(find_shell("fish") == Shell::Fish);
  CHECK_FALSE(find_shell("tcsh").has_value());
  CHECK_FALSE(find_shell("").has_value());
}

}  // namespace rove
