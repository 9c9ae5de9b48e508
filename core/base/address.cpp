#include "core/base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace rove {
namespace {

// The whole of `text` as a decimal number of at most `max`.
std::optional<unsigned> parse_number(std::string_view text, unsigned max) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end || value > max) return std::nullopt;
  return value;
}

}  // namespace

bool MacAddress::is_broadcast() const {
  return *this == broadcast();
}

MacAddress MacAddress::broadcast() {
  return {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
}

bool IpAddress::is_unspecified() const {
  const BytesView view = bytes();
  return std::all_of(view.begin(), view.end(), [](std::uint8_t octet) { return octet == 0; });
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return octets_[0] == 127;
  return octets_[15] == 1 &&
         std::all_of(octets_.begin(), octets_.end() - 1, [](std::uint8_t octet) { return octet == 0; });
}

bool IpAddress::is_multicast() const {
  if (!is_v4()) return octets_[0] == 0xff;
  return (octets_[0] & 0xf0) == 0xe0 || load_be<std::uint32_t>(octets_.data()) == 0xffffffffU;
}

bool IpAddress::is_link_local() const {
  if (is_v4()) return octets_[0] == 169 && octets_[1] == 254;
  return octets_[0] == 0xfe && (octets_[1] & 0xc0) == 0x80;
}

bool Prefix::contains(const IpAddress& ip) const {
  if (ip.family() != address.family()) return false;
  const std::size_t whole = length / 8;
  const BytesView ours = address.bytes();
  const BytesView theirs = ip.bytes();
  if (std::memcmp(ours.data(), theirs.data(), whole) != 0) return false;
  const unsigned rest = length % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff00U >> rest);
  return (ours[whole] & mask) == (theirs[whole] & mask);
}

bool Prefix::contains(const Prefix& other) const {
  return other.length >= length && contains(other.address);
}

std::string to_string(const MacAddress& mac) {
  std::string text;
  for (const std::uint8_t octet : mac.octets) {
    if (!text.empty()) text += ':';
    text += to_hex(BytesView{&octet, 1});
  }
  return text;
}

std::string to_string(const IpAddress& ip) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(ip.is_v4() ? AF_INET : AF_INET6, ip.bytes().data(), text.data(), text.size());
  return text.data();
}

std::string to_string(const Prefix& prefix) {
  return to_string(prefix.address) + "/" + std::to_string(prefix.length);
}

std::string to_string(const Endpoint& endpoint) {
  const std::string address = to_string(endpoint.address);
  return (endpoint.address.is_v4() ? address : "[" + address + "]") + ":" + std::to_string(endpoint.port);
}

std::string to_string(const VmAddress& address) {
  return address.is_mac() ? to_string(address.mac()) : to_string(address.ip());
}

std::optional<MacAddress> parse_mac(std::string_view text) {
  if (text.size() != 17) return std::nullopt;
  MacAddress mac;
  for (std::size_t i = 0; i < 6; ++i) {
    if (i > 0 && text[i * 3 - 1] != ':' && text[i * 3 - 1] != '-') return std::nullopt;
    const Bytes octet = from_hex(text.substr(i * 3, 2));
    if (octet.size() != 1) return std::nullopt;
    mac.octets[i] = octet[0];
  }
  return mac;
}

std::optional<IpAddress> parse_ip(std::string_view text) {
  const std::string copy{text};
  std::array<std::uint8_t, 16> octets{};
  if (inet_pton(AF_INET, copy.c_str(), octets.data()) == 1) return IpAddress::v4(octets.data());
  if (inet_pton(AF_INET6, copy.c_str(), octets.data()) == 1) return IpAddress::v6(octets.data());
  return std::nullopt;
}

std::optional<Prefix> parse_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto ip = parse_ip(text.substr(0, slash));
  if (!ip) return std::nullopt;
  const auto bits = static_cast<unsigned>(ip->size() * 8);
  unsigned length = bits;
  if (slash != std::string_view::npos) {
    const auto number = parse_number(text.substr(slash + 1), bits);
    if (!number) return std::nullopt;
    length = *number;
  }
  for (unsigned bit = length; bit < bits; ++bit) {
    if ((ip->bytes()[bit / 8] >> (7 - bit % 8) & 1) != 0) return std::nullopt;
  }
  return Prefix{*ip, static_cast<std::uint8_t>(length)};
}

std::optional<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port) {
  std::string_view host = text;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    if (host.find(':') == std::string_view::npos) return std::nullopt;
    if (close + 1 < text.size()) {
      if (text[close + 1] != ':') return std::nullopt;
      port = text.substr(close + 2);
      if (port.empty()) return std::nullopt;
    }
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos && text.rfind(':') == colon) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (port.empty()) return std::nullopt;
  }
  const auto ip = parse_ip(host);
  if (!ip) return std::nullopt;
  if (port.empty()) return Endpoint{*ip, default_port};
  const auto number = parse_number(port, 65535);
  if (!number || *number == 0) return std::nullopt;
  return Endpoint{*ip, static_cast<std::uint16_t>(*number)};
}

std::optional<VmAddress> parse_vm_address(std::string_view text) {
  if (const auto mac = parse_mac(text)) return VmAddress{*mac};
  if (const auto ip = parse_ip(text)) return VmAddress{*ip};
  return std::nullopt;
}

std::size_t hash_bytes(BytesView bytes, std::size_t seed) {
  std::size_t hash = 0xcbf29ce484222325ULL ^ seed;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3ULL;
  return hash;
}

}  // namespace rove
