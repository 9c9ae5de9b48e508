#include "cli/completion/complete_words.h"

#include <doctest/doctest.h>

#include <ostream>

#include "cli/base/file_io.h"
#include "tests/unit/cli/temporary_directory.h"

namespace rove {
namespace {

using Texts = std::vector<std::string>;

constexpr std::string_view kVms = R"({"schema":1,"vms":[
  {"mac":"02:00:00:00:00:02","ips":["10.0.0.2","fd00::2"]},{"mac":"02:00:00:00:00:01","ips":[]}]})";

}  // namespace

TEST_CASE("words_in: VMs have addresses of two kinds") {
  CHECK(words_in(WordKind::Macs, kVms) == Texts{"02:00:00:00:00:01", "02:00:00:00:00:02"});
  CHECK(words_in(WordKind::Ips, kVms) == Texts{"10.0.0.2", "fd00::2"});
  CHECK(words_in(WordKind::Addresses, kVms).size() == 4);
  CHECK(words_in(WordKind::Nodes, kVms).empty());
}

TEST_CASE("words_in: nodes are this one and the peers that have told their names") {
  CHECK(words_in(WordKind::Nodes, R"({"node":"alpha","peers":{"up":1,"known":2}})") == Texts{"alpha"});
  CHECK(words_in(WordKind::Nodes, R"({"peers":[{"name":"gamma"},{"name":""},{"name":"beta"}]})") ==
        Texts{"beta", "gamma"});
}

TEST_CASE("words_in: an answer that makes no sense has no words") {
  for (const char* answer : {"", "{", "[]", "7", R"({"vms":7})", R"({"vms":[7,{"mac":7,"ips":"x"}]})"}) {
    CAPTURE(answer);
    const Texts words = words_in(WordKind::Macs, answer);
    CHECK(words.empty());
  }
}

TEST_CASE("find_words: without a daemon there are the networks, and no errors") {
  const TemporaryDirectory directory;
  Paths paths;
  paths.config_dir = directory.path();
  paths.run_dir = directory.path();
  replace_file(paths.config_file("demo"), "", 0644);
  replace_file(paths.config_file("lab"), "", 0644);

  CHECK(find_words(WordKind::Networks, paths, {}, {}) == Texts{"demo", "lab"});
  CHECK(find_words(WordKind::Nodes, paths, {}, {}).empty());  // of which?
  CHECK(find_words(WordKind::Nodes, paths, {}, "demo").empty());
}

TEST_CASE("find_word_kind: every kind is known by its name") {
  for (const WordKind kind :
       {WordKind::Networks, WordKind::Nodes, WordKind::Addresses, WordKind::Ips, WordKind::Macs}) {
    CHECK(find_word_kind(to_string(kind)) == kind);
  }
  CHECK_FALSE(find_word_kind("colours").has_value());
}

}  // namespace rove
