#include "cli/completion/complete_words.h"

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "cli/base/failure.h"
#include "cli/control/control_client.h"

namespace rove {
namespace {

using Json = nlohmann::json;

constexpr std::chrono::milliseconds kAnswerTime{1'000};
constexpr std::array kKinds{WordKind::Networks, WordKind::Nodes, WordKind::Addresses, WordKind::Ips, WordKind::Macs};

std::vector<std::string> ask(WordKind kind, const std::filesystem::path& socket, const std::string& network) {
  ControlClient client{socket, network, kAnswerTime};
  std::set<std::string> words;
  const auto add_words = [&](ControlVerb verb) {
    ControlRequest request;
    request.verb = verb;
    for (std::string& word : words_in(kind, client.call(request, kAnswerTime).data)) words.insert(std::move(word));
  };
  if (kind == WordKind::Nodes) {
    add_words(ControlVerb::Status);
    add_words(ControlVerb::Peers);
  } else {
    add_words(ControlVerb::Vms);
  }
  return {words.begin(), words.end()};
}

}  // namespace

std::string_view to_string(WordKind kind) {
  switch (kind) {
    case WordKind::Networks: return "networks";
    case WordKind::Nodes: return "nodes";
    case WordKind::Addresses: return "addresses";
    case WordKind::Ips: return "ips";
    case WordKind::Macs: return "macs";
  }
  return "";
}

std::optional<WordKind> find_word_kind(std::string_view text) {
  for (const WordKind kind : kKinds) {
    if (to_string(kind) == text) return kind;
  }
  return std::nullopt;
}

std::vector<std::string> words_in(WordKind kind, std::string_view answer) {
  const Json json = Json::parse(answer, nullptr, false);
  std::set<std::string> words;
  const auto add = [&words](const Json& word) {
    if (word.is_string() && !word.get_ref<const std::string&>().empty()) words.insert(word.get<std::string>());
  };
  const auto member = [](const Json& object, const char* name) {
    return object.is_object() && object.contains(name) ? object.at(name) : Json();
  };
  if (kind == WordKind::Nodes) {
    add(member(json, "node"));
    for (const Json& peer : member(json, "peers")) add(member(peer, "name"));
  }
  for (const Json& vm : member(json, "vms")) {
    if (kind == WordKind::Addresses || kind == WordKind::Macs) add(member(vm, "mac"));
    if (kind != WordKind::Addresses && kind != WordKind::Ips) continue;
    for (const Json& ip : member(vm, "ips")) add(ip);
  }
  return {words.begin(), words.end()};
}

std::vector<std::string> find_words(WordKind kind, const Paths& paths, const Environment& environment,
                                    const std::optional<std::string>& network) {
  try {
    const std::vector<std::string> networks = find_networks(paths);
    if (kind == WordKind::Networks) return networks;
    const std::string chosen = choose_network(network, environment, networks, paths);
    return ask(kind, paths.socket_file(chosen), chosen);
  } catch (const Failure&) {
    return {};
  } catch (const std::system_error&) {
    return {};
  }
}

}  // namespace rove
