#include "core/identity/network_settings.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "core/base/check.h"
#include "core/identity/address_blocks.h"
#include "core/identity/name.h"

namespace rove {
namespace {

constexpr std::string_view kName = "name";
constexpr std::string_view kKey = "key";
constexpr std::string_view kSubnets = "subnets";
constexpr std::string_view kInnerMtu = "inner_mtu";
constexpr std::string_view kBootstrap = "bootstrap";
constexpr std::size_t kKeys = 5;

// A host name or address and a port; nothing that a quoted string would have to escape.
bool is_bootstrap(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (text.size() > kBootstrapSizeMax || colon == std::string_view::npos || colon == 0) return false;
  unsigned port = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc{} || stop != end || port == 0 || port > 65535) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"-._:[]"}.find(c) != std::string_view::npos;
  });
}

bool is_valid(const NetworkSettings& settings) {
  return is_valid_name(settings.name) && settings.subnets.size() <= kPrefixesMax &&
         settings.inner_mtu >= kInnerMtuMin && settings.inner_mtu <= kInnerMtuMax &&
         settings.bootstrap.size() <= kBootstrapsMax &&
         std::all_of(settings.bootstrap.begin(), settings.bootstrap.end(), is_bootstrap);
}

std::string quoted_list(const std::vector<std::string>& values) {
  std::string text = "[";
  for (const std::string& value : values) text.append(text.size() > 1 ? ", \"" : "\"").append(value).append("\"");
  return text + "]";
}

// Takes `"..."` off the front of `text`; nullopt when it does not start with a plain string.
std::optional<std::string> take_string(std::string_view& text) {
  if (!text.starts_with('"')) return std::nullopt;
  const std::size_t end = text.find('"', 1);
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view value = text.substr(1, end - 1);
  const bool plain = std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~' && c != '\\'; });
  if (!plain) return std::nullopt;
  text.remove_prefix(end + 1);
  return std::string{value};
}

std::optional<std::string> parse_string(std::string_view text) {
  auto value = take_string(text);
  return text.empty() ? value : std::nullopt;
}

void skip_spaces(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
}

std::optional<std::vector<std::string>> parse_list(std::string_view text) {
  if (!text.starts_with('[')) return std::nullopt;
  text.remove_prefix(1);
  skip_spaces(text);
  std::vector<std::string> values;
  while (!text.starts_with(']')) {
    auto value = take_string(text);
    if (!value) return std::nullopt;
    values.push_back(std::move(*value));
    skip_spaces(text);
    if (text.starts_with(']')) break;
    if (!text.starts_with(',')) return std::nullopt;
    text.remove_prefix(1);
    skip_spaces(text);
  }
  return text == "]" ? std::optional{std::move(values)} : std::nullopt;
}

Result<std::vector<Prefix>> parse_subnets(std::string_view text) {
  const auto values = parse_list(text);
  if (!values) return fail(Error::Malformed);
  if (values->size() > kPrefixesMax) return fail(Error::TooLarge);
  std::vector<Prefix> subnets;
  for (const std::string& value : *values) {
    const auto subnet = parse_prefix(value);
    if (!subnet) return fail(Error::Malformed);
    subnets.push_back(*subnet);
  }
  return subnets;
}

Result<void> set_value(NetworkSettings& settings, std::string_view key, std::string_view value) {
  if (key == kName) {
    auto name = parse_string(value);
    if (!name || !is_valid_name(*name)) return fail(Error::Malformed);
    settings.name = std::move(*name);
  } else if (key == kKey) {
    const auto hex = parse_string(value);
    const Bytes octets = hex ? from_hex(*hex) : Bytes{};
    if (octets.size() != NetworkKey::kSize) return fail(Error::Malformed);
    std::array<std::uint8_t, NetworkKey::kSize> raw{};
    std::copy(octets.begin(), octets.end(), raw.begin());
    settings.key = NetworkKey{raw};
  } else if (key == kSubnets) {
    auto subnets = parse_subnets(value);
    if (!subnets) return tl::make_unexpected(subnets.error());
    settings.subnets = std::move(*subnets);
  } else if (key == kInnerMtu) {
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, settings.inner_mtu);
    if (error != std::errc{} || stop != end) return fail(Error::Malformed);
    if (settings.inner_mtu < kInnerMtuMin || settings.inner_mtu > kInnerMtuMax) return fail(Error::Malformed);
  } else if (key == kBootstrap) {
    auto values = parse_list(value);
    if (!values || !std::all_of(values->begin(), values->end(), is_bootstrap)) return fail(Error::Malformed);
    if (values->size() > kBootstrapsMax) return fail(Error::TooLarge);
    settings.bootstrap = std::move(*values);
  } else {
    return fail(Error::Unknown);
  }
  return {};
}

}  // namespace

std::string encode_settings(const NetworkSettings& settings) {
  ROVE_CHECK(is_valid(settings));
  std::vector<std::string> subnets;
  for (const Prefix& subnet : settings.subnets) subnets.push_back(to_string(subnet));
  std::string text;
  text.append(kName).append(" = \"").append(settings.name).append("\"\n");
  text.append(kKey).append(" = \"").append(to_hex(settings.key.expose())).append("\"\n");
  text.append(kSubnets).append(" = ").append(quoted_list(subnets)).append("\n");
  text.append(kInnerMtu).append(" = ").append(std::to_string(settings.inner_mtu)).append("\n");
  text.append(kBootstrap).append(" = ").append(quoted_list(settings.bootstrap)).append("\n");
  return text;
}

Result<NetworkSettings> parse_settings(std::string_view text) {
  NetworkSettings settings;
  std::set<std::string_view> seen;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return fail(Error::Malformed);
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t equals = line.find(" = ");
    if (equals == std::string_view::npos) return fail(Error::Malformed);
    const std::string_view key = line.substr(0, equals);
    if (const auto set = set_value(settings, key, line.substr(equals + 3)); !set) {
      return tl::make_unexpected(set.error());
    }
    if (!seen.insert(key).second) return fail(Error::Malformed);
  }
  if (seen.size() != kKeys) return fail(Error::Malformed);
  return settings;
}

}  // namespace rove
