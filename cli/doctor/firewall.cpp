#include "cli/doctor/firewall.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>

namespace rove {
namespace {

using Json = nlohmann::json;

constexpr int kJumpsMax = 16;  // as deep as nftables itself goes (NFT_JUMP_STACK_SIZE)

enum class Match : std::uint8_t { No, Maybe, Yes };
enum class Outcome : std::uint8_t { GoesOn, Returns, Accepted, Dropped, Unclear };

struct ChainName {
  std::string family;
  std::string table;
  std::string name;
  auto operator<=>(const ChainName&) const = default;
  [[nodiscard]] std::string text() const { return family + " " + table + " " + name; }
};

struct Chain {
  std::vector<Json> rules;  // their expressions, in order
  std::string policy;
  bool is_input = false;  // a base chain that filters what comes for this host
};
using Ruleset = std::map<ChainName, Chain>;

ChainName name_of(const Json& object, const char* chain) {
  return {object.value("family", ""), object.value("table", ""), object.value(chain, "")};
}

Ruleset parse_ruleset(const Json& document) {
  Ruleset rules;
  for (const Json& entry : document.at("nftables")) {
    if (entry.contains("chain")) {
      const Json& chain = entry["chain"];
      const std::string family = chain.value("family", "");
      Chain& made = rules[name_of(chain, "name")];
      made.policy = chain.value("policy", "accept");
      made.is_input = chain.value("type", "") == "filter" && chain.value("hook", "") == "input" &&
                      (family == "inet" || family == "ip" || family == "ip6");
    } else if (entry.contains("rule")) {
      rules[name_of(entry["rule"], "chain")].rules.push_back(entry["rule"].value("expr", Json::array()));
    }
  }
  return rules;
}

// Whether the value of a match has it: a number or a word, a range, or a set of these.
std::optional<bool> holds(const Json& right, const Json& value) {
  if (right == value) return true;
  if (right.is_number() || (right.is_string() && !right.get_ref<const std::string&>().starts_with('@'))) return false;
  if (right.is_object() && right.contains("range") && value.is_number()) {
    const Json& range = right["range"];
    if (!range.is_array() || range.size() != 2 || !range[0].is_number() || !range[1].is_number()) return std::nullopt;
    return range[0].get<long>() <= value.get<long>() && value.get<long>() <= range[1].get<long>();
  }
  const Json* list = nullptr;
  if (right.is_array()) list = &right;
  if (right.is_object() && right.contains("set") && right["set"].is_array()) list = &right["set"];
  if (list == nullptr) return std::nullopt;
  bool known = true;
  for (const Json& each : *list) {
    const auto one = holds(each, value);
    if (one.value_or(false)) return true;
    known = known && one.has_value();
  }
  return known ? std::optional{false} : std::nullopt;
}

Match to_match(std::optional<bool> matches, bool negated) {
  if (!matches) return Match::Maybe;
  return *matches != negated ? Match::Yes : Match::No;
}

// Whether a datagram from outside that belongs to nothing known passes it.
Match judge_match(const Json& match, std::uint16_t port) {
  const Json left = match.value("left", Json::object());
  const Json right = match.value("right", Json());
  const bool negated = match.value("op", "==") == "!=";
  if (left.contains("payload")) {
    const std::string protocol = left["payload"].value("protocol", "");
    const std::string field = left["payload"].value("field", "");
    const bool names_protocol = field == "protocol" || field == "nexthdr";
    if (names_protocol && (protocol == "ip" || protocol == "ip6")) return to_match(holds(right, "udp"), negated);
    if (protocol == "tcp" || protocol == "icmp" || protocol == "icmpv6" || protocol == "sctp") return Match::No;
    if ((protocol == "udp" || protocol == "th") && field == "dport") return to_match(holds(right, port), negated);
    return Match::Maybe;
  }
  if (left.contains("meta")) {
    const std::string key = left["meta"].value("key", "");
    if (key == "l4proto") return to_match(holds(right, "udp"), negated);
    const bool names_link = key == "iifname" || key == "iif";
    if (names_link && right == "lo") return negated ? Match::Yes : Match::No;
    return Match::Maybe;
  }
  if (left.contains("ct") && left["ct"].value("key", "") == "state") return to_match(holds(right, "new"), negated);
  return Match::Maybe;
}

class Walk {
 public:
  Walk(const Ruleset& rules, std::uint16_t port) : rules_(rules), port_(port) {}

  [[nodiscard]] Outcome follow(const ChainName& name, int depth) const {
    const auto chain = rules_.find(name);
    if (chain == rules_.end() || depth > kJumpsMax) return Outcome::Unclear;
    for (const Json& rule : chain->second.rules) {
      const Outcome outcome = judge_rule(name, rule, depth);
      if (outcome == Outcome::GoesOn) continue;
      return outcome == Outcome::Returns ? Outcome::GoesOn : outcome;
    }
    return Outcome::GoesOn;
  }

 private:
  [[nodiscard]] Outcome judge_rule(const ChainName& chain, const Json& rule, int depth) const {
    Match match = Match::Yes;
    for (const Json& statement : rule) {
      if (!statement.is_object() || statement.empty()) return Outcome::Unclear;
      const std::string kind = statement.begin().key();
      if (kind == "match") {
        match = std::min(match, judge_match(statement["match"], port_));
        if (match == Match::No) return Outcome::GoesOn;
      } else if (kind == "accept" || kind == "drop" || kind == "reject" || kind == "return") {
        if (match == Match::Maybe) return Outcome::Unclear;
        if (kind == "return") return Outcome::Returns;
        return kind == "accept" ? Outcome::Accepted : Outcome::Dropped;
      } else if (kind == "jump" || kind == "goto") {
        return judge_jump(chain, statement[kind].value("target", ""), kind == "goto", match, depth);
      } else if (kind != "counter" && kind != "log" && kind != "comment") {
        match = std::min(match, Match::Maybe);  // a limit, a map, an iptables extension, …
        if (kind == "vmap" || kind == "xt" || kind == "queue") return Outcome::Unclear;
      }
    }
    return Outcome::GoesOn;
  }

  [[nodiscard]] Outcome judge_jump(const ChainName& from, const std::string& target, bool is_goto, Match match,
                                   int depth) const {
    const Outcome outcome = follow({from.family, from.table, target}, depth + 1);
    // A chain that decides nothing does not matter, whether it is gone through or not.
    if (outcome == Outcome::GoesOn && !is_goto) return Outcome::GoesOn;
    if (match == Match::Maybe) return Outcome::Unclear;
    return outcome == Outcome::GoesOn ? Outcome::Returns : outcome;
  }

  const Ruleset& rules_;
  std::uint16_t port_;
};

}  // namespace

FirewallFacts judge_ruleset(std::string_view ruleset_json, std::uint16_t udp_port) {
  using State = FirewallFacts::State;
  FirewallFacts facts{.state = State::Open, .why_not = {}, .chain = {}};
  try {
    const Json document = Json::parse(ruleset_json);
    if (!document.at("nftables").is_array()) return {.state = State::NotSeen, .why_not = "no ruleset", .chain = {}};
    const Ruleset rules = parse_ruleset(document);
    const Walk walk{rules, udp_port};
    for (const auto& [name, chain] : rules) {
      if (!chain.is_input) continue;
      Outcome outcome = walk.follow(name, 0);
      if (outcome == Outcome::GoesOn) outcome = chain.policy == "drop" ? Outcome::Dropped : Outcome::Accepted;
      // All base chains must accept: one that drops decides.
      if (outcome == Outcome::Dropped) return {.state = State::Closed, .why_not = {}, .chain = name.text()};
      if (outcome == Outcome::Unclear) facts.state = State::Unclear;
    }
  } catch (const Json::exception&) {
    return {.state = State::NotSeen, .why_not = "nft's answer is not understood", .chain = {}};
  }
  return facts;
}

}  // namespace rove
