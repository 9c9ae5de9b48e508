#include "cli/daemon/state_store.h"

#include <algorithm>
#include <charconv>
#include <exception>

#include "cli/base/file_io.h"
#include "core/crypto/hash.h"

namespace rove {
namespace {

constexpr std::string_view kVersionLine = "rove-state 1";

std::string digest_of(std::string_view text) {
  return to_hex(blake2b<16>({as_bytes(text)}));
}

// Takes the next line off `text`, without its end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

// Takes the next word off `line`.
std::string_view take_word(std::string_view& line) {
  const std::size_t end = line.find(' ');
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return word;
}

bool parse_number(std::string_view text, std::uint64_t& to) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  return error == std::errc{} && stop == text.data() + text.size();
}

bool parse_known_node(std::string_view line, std::vector<KnownDhtNode>& to) {
  const Bytes id = from_hex(take_word(line));
  const auto endpoint = parse_endpoint(line, 0);
  if (id.size() != LocationKey::kSize || !endpoint || endpoint->port == 0 || to.size() >= kKnownNodesMax) return false;
  to.push_back({LocationKey::from_bytes(id), *endpoint});
  return true;
}

}  // namespace

std::string encode_state(const NodeState& state) {
  std::string text{kVersionLine};
  text += "\nfirst_stamp " + std::to_string(state.first_stamp);
  text += "\nhighest_sequence " + std::to_string(state.highest_sequence) + '\n';
  const std::size_t nodes = std::min(state.known_nodes.size(), kKnownNodesMax);
  for (std::size_t i = 0; i < nodes; ++i) {
    text += "dht_node " + to_string(state.known_nodes[i].id) + ' ' + to_string(state.known_nodes[i].endpoint) + '\n';
  }
  return text + "digest " + digest_of(text) + '\n';
}

std::optional<NodeState> decode_state(std::string_view text) {
  constexpr std::string_view kDigestWord = "digest ";
  const std::size_t digest_at = text.rfind(kDigestWord);
  if (digest_at == std::string_view::npos) return std::nullopt;
  std::string_view body = text.substr(0, digest_at);
  if (text.substr(digest_at + kDigestWord.size()) != digest_of(body) + '\n') return std::nullopt;
  if (take_line(body) != kVersionLine) return std::nullopt;

  NodeState state;
  while (!body.empty()) {
    std::string_view line = take_line(body);
    const std::string_view name = take_word(line);
    bool fits = false;
    if (name == "first_stamp") fits = parse_number(line, state.first_stamp);
    if (name == "highest_sequence") fits = parse_number(line, state.highest_sequence);
    if (name == "dht_node") fits = parse_known_node(line, state.known_nodes);
    if (!fits) return std::nullopt;
  }
  return state;
}

std::uint64_t reserve_stamps(std::uint64_t last_stamp, WallTime now) {
  // Stamps are microseconds, and at least one apart: two save intervals of clock, or a million datagrams
  // (30,000 a second, of a kind that a node sends a few of) on top of a stamp that is ahead of the clock.
  constexpr std::uint64_t kClockMargin = 2 * std::chrono::microseconds{StateStore::kSaveInterval}.count();
  constexpr std::uint64_t kCountMargin = 1'000'000;
  return std::max(to_unix_ms(now) * 1000 + kClockMargin, last_stamp + kCountMargin);
}

std::vector<KnownDhtNode> merge_known_nodes(std::vector<KnownDhtNode> current,
                                            const std::vector<KnownDhtNode>& earlier) {
  for (const KnownDhtNode& node : earlier) {
    const bool is_current =
        std::any_of(current.begin(), current.end(), [&](const KnownDhtNode& each) { return each.id == node.id; });
    if (!is_current) current.push_back(node);
  }
  if (current.size() > kKnownNodesMax) current.resize(kKnownNodesMax);
  return current;
}

StateStore::Loaded StateStore::load() const {
  try {
    const auto text = read_file(file_);
    if (!text) return {};
    if (auto state = decode_state(*text)) return {std::move(*state), {}};
    std::error_code ignored;  // only the copy for a later look is lost
    std::filesystem::rename(file_, file_.string() + ".damaged", ignored);
    return {{}, "damaged or of another version"};
  } catch (const std::exception& error) {
    return {{}, error.what()};
  }
}

void StateStore::save(const NodeState& state) const {
  make_directory(file_.parent_path(), 0700);
  replace_file(file_, encode_state(state), 0600);
}

}  // namespace rove
