#include "tests/support/wan_network.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>

namespace rove {
namespace {

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t start = text.find_first_not_of(separators);
    if (start == std::string_view::npos) return words;
    text.remove_prefix(start);
    const std::size_t end = std::min(text.find_first_of(separators), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kTimes[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
constexpr Unit kRates[] = {{"", 1}, {"bit", 1}, {"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}};
constexpr Unit kFractions[] = {{"%", 0.01}, {"", 1}};

// A number of at least 0 with one of `units` behind it, in the unit whose factor is 1.
template <std::size_t N>
std::optional<double> parse_quantity(std::string_view text, const Unit (&units)[N]) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || !(value >= 0) || value > 1e15) return std::nullopt;
  const std::string_view suffix{stop, static_cast<std::size_t>(end - stop)};
  if (value == 0 && suffix.empty()) return 0.0;
  for (const Unit& unit : units) {
    if (suffix == unit.name) return value * unit.factor;
  }
  return std::nullopt;
}

// The longest time that makes sense here; also keeps sums of them far from overflow.
constexpr double kTimeMax = 3600e9;

bool set_duration(Duration& out, std::string_view value) {
  const auto ns = parse_quantity(value, kTimes);
  if (!ns || *ns > kTimeMax) return false;
  out = Duration{std::llround(*ns)};
  return true;
}

bool set_fraction(double& out, std::string_view value) {
  const auto fraction = parse_quantity(value, kFractions);
  if (!fraction || *fraction > 1) return false;
  out = *fraction;
  return true;
}

constexpr std::string_view kConditions[] = {"delay", "jitter", "buffer", "loss", "duplicate", "reorder", "rate"};

bool is_condition(std::string_view name) {
  return std::find(std::begin(kConditions), std::end(kConditions), name) != std::end(kConditions);
}

// False when there is no such condition or the value is none for it.
bool set_condition(PathConditions& conditions, std::string_view name, std::string_view value) {
  if (name == "delay") return set_duration(conditions.delay, value);
  if (name == "jitter") return set_duration(conditions.jitter, value);
  if (name == "buffer") return set_duration(conditions.buffer, value);
  if (name == "loss") return set_fraction(conditions.loss, value);
  if (name == "duplicate") return set_fraction(conditions.duplicate, value);
  if (name == "reorder") return set_fraction(conditions.reorder, value);
  if (name != "rate") return false;
  const auto bits = parse_quantity(value, kRates);
  if (!bits) return false;
  conditions.rate = static_cast<std::uint64_t>(*bits);
  return true;
}

struct Addresses {
  IpAddress from;
  IpAddress to;
};

std::optional<Addresses> addresses_of(BytesView packet) {
  if (packet.size() >= 20 && packet[0] >> 4 == 4)
    return Addresses{IpAddress::v4(&packet[12]), IpAddress::v4(&packet[16])};
  if (packet.size() >= 40 && packet[0] >> 4 == 6)
    return Addresses{IpAddress::v6(&packet[8]), IpAddress::v6(&packet[24])};
  return std::nullopt;
}

}  // namespace

std::optional<WanSite> parse_site(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return std::nullopt;
  WanSite site{std::string{text.substr(0, equals)}, {}};
  if (site.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) return std::nullopt;
  for (const std::string_view word : split(text.substr(equals + 1), ",")) {
    const auto prefix = parse_prefix(word);
    if (!prefix) return std::nullopt;
    site.prefixes.push_back(*prefix);
  }
  if (site.prefixes.empty()) return std::nullopt;
  return site;
}

WanNetwork::WanNetwork(std::vector<WanSite> sites, std::uint64_t seed)
    : sites_(std::move(sites)), line_(sites_.size() * sites_.size(), seed) {}

std::optional<std::size_t> WanNetwork::find_site(const IpAddress& ip) const {
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    for (const Prefix& prefix : sites_[i].prefixes) {
      if (prefix.contains(ip)) return i;
    }
  }
  return std::nullopt;
}

void WanNetwork::handle_packet(TimePoint now, BytesView packet) {
  const auto addresses = addresses_of(packet);
  const auto from = addresses ? find_site(addresses->from) : std::nullopt;
  const auto to = addresses ? find_site(addresses->to) : std::nullopt;
  if (!from || !to) {
    ++unrouted_;
    return;
  }
  line_.push(now, path(*from, *to), packet);
}

std::vector<std::size_t> WanNetwork::find_sites(std::string_view name) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < sites_.size(); ++i) {
    if (name == "*" || name == sites_[i].name) found.push_back(i);
  }
  return found;
}

std::string WanNetwork::handle_command(std::string_view line) {
  Words words = split(line, " \t\r\n");
  if (words.empty()) return "error: empty command";
  const std::string_view verb = words.front();
  words.erase(words.begin());
  if (verb == "set") return set(words);
  if (verb == "cut" && !words.empty()) return cut(words, true);
  if (verb == "heal") return cut(words, false);
  if (verb == "show" && words.empty()) return show();
  return "error: expected set, cut, heal or show";
}

std::string WanNetwork::set(const Words& words) {
  std::string_view from_name = "*";
  std::string_view to_name = "*";
  std::size_t first = 0;
  if (words.size() >= 2 && !is_condition(words[0])) {
    from_name = words[0];
    to_name = words[1];
    first = 2;
  }
  const auto from = find_sites(from_name);
  const auto to = find_sites(to_name);
  if (from.empty() || to.empty()) return "error: no such site: " + std::string{from.empty() ? from_name : to_name};
  if (words.size() < first + 2 || (words.size() - first) % 2 != 0) return "error: set [FROM TO] NAME VALUE…";
  PathConditions probe;
  for (std::size_t i = first; i < words.size(); i += 2) {
    if (!set_condition(probe, words[i], words[i + 1])) {
      return "error: not a condition: " + std::string{words[i]} + " " + std::string{words[i + 1]};
    }
  }
  // Everything is valid: apply it. The way within a site stays as it is.
  for (const std::size_t a : from) {
    for (const std::size_t b : to) {
      if (a == b) continue;
      for (std::size_t i = first; i < words.size(); i += 2) {
        set_condition(line_.conditions(path(a, b)), words[i], words[i + 1]);
      }
    }
  }
  return "ok";
}

std::string WanNetwork::cut(const Words& words, bool cut) {
  if (words.size() > 2) return "error: at most two sites";
  const auto one = find_sites(words.empty() ? "*" : words[0]);
  const auto other = find_sites(words.size() < 2 ? "*" : words[1]);
  if (one.empty() || other.empty()) return "error: no such site: " + std::string{one.empty() ? words[0] : words[1]};
  for (const std::size_t a : one) {
    for (const std::size_t b : other) {
      if (a == b) continue;
      line_.conditions(path(a, b)).cut = cut;
      line_.conditions(path(b, a)).cut = cut;
    }
  }
  return "ok";
}

std::string WanNetwork::show() const {
  std::string out = "{\"unrouted\":" + std::to_string(unrouted_) + ",\"paths\":[";
  bool first = true;
  for (std::size_t a = 0; a < sites_.size(); ++a) {
    for (std::size_t b = 0; b < sites_.size(); ++b) {
      if (a == b) continue;
      const PathConditions& conditions = line_.conditions(path(a, b));
      const PathCounters& counters = line_.counters(path(a, b));
      const auto number = [&out](std::string_view name, auto value) {
        out += ",\"" + std::string{name} + "\":" + std::to_string(value);
      };
      out += std::string{first ? "" : ","} + "{\"from\":\"" + sites_[a].name + "\",\"to\":\"" + sites_[b].name + "\"";
      first = false;
      number("delay_us", std::chrono::duration_cast<std::chrono::microseconds>(conditions.delay).count());
      number("jitter_us", std::chrono::duration_cast<std::chrono::microseconds>(conditions.jitter).count());
      number("loss", conditions.loss);
      number("duplicate", conditions.duplicate);
      number("reorder", conditions.reorder);
      number("rate_bits", conditions.rate);
      out += std::string{",\"cut\":"} + (conditions.cut ? "true" : "false");
      number("packets", counters.packets);
      number("bytes", counters.bytes);
      number("lost", counters.lost);
      number("dropped_cut", counters.cut);
      number("overflowed", counters.overflowed);
      number("duplicated", counters.duplicated);
      number("reordered", counters.reordered);
      out += "}";
    }
  }
  return out + "]}";
}

}  // namespace rove
