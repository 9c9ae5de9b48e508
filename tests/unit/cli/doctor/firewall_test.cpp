#include "cli/doctor/firewall.h"

#include <doctest/doctest.h>

#include <string>

namespace rove {
namespace {

using State = FirewallFacts::State;
constexpr std::uint16_t kPort = 7683;

const std::string kUdp = R"({"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":"udp"}})";

std::string dport(const std::string& right, const std::string& op = "==") {
  return R"({"match":{"op":")" + op + R"(","left":{"payload":{"protocol":"udp","field":"dport"}},"right":)" + right +
         "}}";
}

std::string chain(const std::string& policy, const std::string& name = "input") {
  return R"({"chain":{"family":"inet","table":"filter","name":")" + name +
         R"(","handle":1,"type":"filter","hook":"input","prio":0,"policy":")" + policy + R"("}},)";
}

std::string plain_chain(const std::string& name) {
  return R"({"chain":{"family":"inet","table":"filter","name":")" + name + R"(","handle":2}},)";
}

std::string rule(const std::string& statements, const std::string& in = "input") {
  return R"({"rule":{"family":"inet","table":"filter","chain":")" + in + R"(","handle":3,"expr":[)" + statements +
         "]}},";
}

State judge(const std::string& entries) {
  const std::string all = R"({"nftables":[)" + entries + R"({"metainfo":{"json_schema_version":1}}]})";
  return judge_ruleset(all, kPort).state;
}

const std::string kAccept = R"({"accept":null})";
const std::string kDrop = R"({"drop":null})";

}  // namespace

TEST_CASE("judge_ruleset: without an input chain nothing is dropped") {
  CHECK(judge("") == State::Open);
  CHECK(judge(plain_chain("other") + rule(kDrop, "other")) == State::Open);
}

TEST_CASE("judge_ruleset: a policy of drop closes the port, and its chain is named") {
  CHECK(judge(chain("drop")) == State::Closed);
  CHECK(judge(chain("accept")) == State::Open);
  const FirewallFacts facts = judge_ruleset(R"({"nftables":[)" + chain("drop") + R"({"metainfo":{}}]})", kPort);
  CHECK(facts.chain == "inet filter input");
}

TEST_CASE("judge_ruleset: a rule for the port opens it: as a number, in a range, in a set") {
  CHECK(judge(chain("drop") + rule(dport("7683") + "," + kAccept)) == State::Open);
  CHECK(judge(chain("drop") + rule(kUdp + "," + dport(R"({"range":[7000,8000]})") + "," + kAccept)) == State::Open);
  CHECK(judge(chain("drop") + rule(dport(R"({"set":[22,{"range":[7600,7700]}]})") + "," + kAccept)) == State::Open);
  CHECK(judge(chain("drop") + rule(R"({"counter":{"packets":0,"bytes":0}},)" + kAccept)) == State::Open);
}

TEST_CASE("judge_ruleset: rules for others do not: other ports, other protocols, what is known, loopback") {
  const std::string ssh =
      R"({"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":7683}},)" + kAccept;
  const std::string known =
      R"({"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}},)" + kAccept;
  const std::string loopback = R"({"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"lo"}},)" + kAccept;

  CHECK(judge(chain("drop") + rule(dport("51820") + "," + kAccept) + rule(ssh) + rule(known) + rule(loopback)) ==
        State::Closed);
  CHECK(judge(chain("drop") + rule(dport("7683", "!=") + "," + kAccept)) == State::Closed);
}

TEST_CASE("judge_ruleset: the first rule that decides counts") {
  CHECK(judge(chain("accept") + rule(dport("7683") + "," + kDrop)) == State::Closed);
  CHECK(judge(chain("accept") + rule(dport("7683") + "," + kAccept) + rule(kDrop)) == State::Open);
  CHECK(judge(chain("accept") + rule(R"({"reject":{"type":"icmpx","expr":"port-unreachable"}})")) == State::Closed);
}

TEST_CASE("judge_ruleset: chains are followed, and a return comes back") {
  const std::string jump = R"({"jump":{"target":"services"}})";
  const std::string go = R"({"goto":{"target":"services"}})";
  const std::string services = plain_chain("services");

  CHECK(judge(chain("drop") + services + rule(jump) + rule(dport("7683") + "," + kAccept, "services")) == State::Open);
  CHECK(judge(chain("drop") + services + rule(jump) + rule(R"({"return":null})", "services") + rule(kAccept)) ==
        State::Open);
  CHECK(judge(chain("drop") + services + rule(go) + rule(kAccept)) == State::Closed);
  CHECK(judge(chain("accept") + rule(R"({"jump":{"target":"input"}})")) == State::Unclear);
}

TEST_CASE("judge_ruleset: where a rule asks for something else, nothing is said") {
  const std::string source =
      R"({"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"10.0.0.1"}},)";

  CHECK(judge(chain("drop") + rule(source + kAccept)) == State::Unclear);
  CHECK(judge(chain("drop") + rule(dport(R"("@ports")") + "," + kAccept)) == State::Unclear);
  CHECK(judge(chain("drop") + rule(R"({"vmap":{"key":{},"data":{}}})")) == State::Unclear);
  CHECK(judge(chain("drop") + rule(R"({"xt":{"type":"match","name":"multiport"}},)" + kAccept)) == State::Unclear);
  // It may let some pass, but for the rest the policy is plain only if nothing unclear went before.
  CHECK(judge(chain("drop") + rule(R"({"limit":{"rate":5}},)" + kAccept)) == State::Unclear);
}

TEST_CASE("judge_ruleset: every base chain must let it pass") {
  CHECK(judge(chain("accept", "first") + chain("drop", "second")) == State::Closed);
}

TEST_CASE("judge_ruleset: what is no ruleset was not seen") {
  for (const char* text : {"", "{}", "[]", R"({"nftables":[{"rule":7}]})", R"({"nftables":3})"}) {
    CAPTURE(text);
    CHECK(judge_ruleset(text, kPort).state == State::NotSeen);
  }
}

}  // namespace rove
