// Addresses: MAC, IP, prefix, and underlay endpoint. Plain values, comparable and hashable.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/bytes.h"

namespace rove {

struct MacAddress {
  std::array<std::uint8_t, 6> octets{};

  // 48 bits, the first octet highest.
  [[nodiscard]] constexpr std::uint64_t value() const {
    return std::uint64_t{load_be<std::uint32_t>(octets.data())} << 16 | load_be<std::uint16_t>(octets.data() + 4);
  }
  constexpr auto operator<=>(const MacAddress& other) const { return value() <=> other.value(); }
  constexpr bool operator==(const MacAddress& other) const { return value() == other.value(); }
  [[nodiscard]] bool is_zero() const { return *this == MacAddress{}; }
  // Group bit (IEEE 802 I/G): multicast or broadcast.
  [[nodiscard]] bool is_group() const { return (octets[0] & 1) != 0; }
  [[nodiscard]] bool is_broadcast() const;
  [[nodiscard]] static MacAddress broadcast();
  [[nodiscard]] static MacAddress from_bytes(const std::uint8_t* six) {
    MacAddress mac;
    std::memcpy(mac.octets.data(), six, mac.octets.size());
    return mac;
  }
};

// IPv4 or IPv6 address. IPv4 stands in the first four octets. Default: the unspecified IPv4.
class IpAddress {
 public:
  enum class Family : std::uint8_t { V4 = 4, V6 = 6 };

  IpAddress() = default;
  [[nodiscard]] static IpAddress v4(const std::uint8_t* four) {
    IpAddress ip;
    std::memcpy(ip.octets_.data(), four, 4);
    return ip;
  }
  [[nodiscard]] static IpAddress v6(const std::uint8_t* sixteen) {
    IpAddress ip;
    ip.family_ = Family::V6;
    std::memcpy(ip.octets_.data(), sixteen, 16);
    return ip;
  }

  auto operator<=>(const IpAddress&) const = default;
  bool operator==(const IpAddress& other) const {
    return family_ == other.family_ && std::memcmp(octets_.data(), other.octets_.data(), sizeof octets_) == 0;
  }
  [[nodiscard]] Family family() const { return family_; }
  [[nodiscard]] bool is_v4() const { return family_ == Family::V4; }
  [[nodiscard]] std::size_t size() const { return is_v4() ? 4 : 16; }
  [[nodiscard]] BytesView bytes() const { return BytesView{octets_}.first(size()); }
  [[nodiscard]] bool is_unspecified() const;
  [[nodiscard]] bool is_loopback() const;
  // 224.0.0.0/4, 255.255.255.255, ff00::/8.
  [[nodiscard]] bool is_multicast() const;
  // 169.254.0.0/16, fe80::/10.
  [[nodiscard]] bool is_link_local() const;

 private:
  Family family_ = Family::V4;
  std::array<std::uint8_t, 16> octets_{};
};

struct Prefix {
  IpAddress address;  // host bits are zero
  std::uint8_t length = 0;

  auto operator<=>(const Prefix&) const = default;
  [[nodiscard]] bool contains(const IpAddress& ip) const;
  [[nodiscard]] bool contains(const Prefix& other) const;
};

// Where a datagram goes to or came from: an underlay address and a UDP port.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;
};

// A virtual address that can be looked up.
class VmAddress {
 public:
  VmAddress() = default;
  VmAddress(const MacAddress& mac) : mac_(mac), is_mac_(true) {}  // NOLINT(*-explicit-*): a VmAddress is either
  VmAddress(const IpAddress& ip) : ip_(ip) {}                     // NOLINT(*-explicit-*): a VmAddress is either

  auto operator<=>(const VmAddress&) const = default;
  [[nodiscard]] bool is_mac() const { return is_mac_; }
  [[nodiscard]] const MacAddress& mac() const { return mac_; }
  [[nodiscard]] const IpAddress& ip() const { return ip_; }

 private:
  MacAddress mac_;
  IpAddress ip_;
  bool is_mac_ = false;
};

// Text forms: 02:00:5e:10:00:01, 10.77.0.5, fd00::5, 10.77.0.0/24, 203.0.113.7:7683, [2001:db8::1]:7683.
[[nodiscard]] std::string to_string(const MacAddress& mac);
[[nodiscard]] std::string to_string(const IpAddress& ip);
[[nodiscard]] std::string to_string(const Prefix& prefix);
[[nodiscard]] std::string to_string(const Endpoint& endpoint);
[[nodiscard]] std::string to_string(const VmAddress& address);
[[nodiscard]] std::optional<MacAddress> parse_mac(std::string_view text);
[[nodiscard]] std::optional<IpAddress> parse_ip(std::string_view text);
// "10.77.0.0/24"; a bare address is a host prefix. Host bits must be zero.
[[nodiscard]] std::optional<Prefix> parse_prefix(std::string_view text);
// An address without a port gets `default_port`; names are not resolved.
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text, std::uint16_t default_port);
[[nodiscard]] std::optional<VmAddress> parse_vm_address(std::string_view text);

// FNV-1a; tables that a peer can fill are bounded, so a keyed hash is not needed for safety.
[[nodiscard]] std::size_t hash_bytes(BytesView bytes, std::size_t seed = 0);

// For what is looked up for every frame: Fibonacci hashing (Knuth, TAOCP 3, §6.4). Every bit of the number reaches the
// highest ones; these are folded onto the lowest, which tables of the standard library go by.
[[nodiscard]] constexpr std::size_t hash_number(std::uint64_t number) {
  const std::uint64_t product = number * 0x9e3779b97f4a7c15ULL;
  return product ^ product >> 32;
}

}  // namespace rove

template <>
struct std::hash<rove::MacAddress> {
  std::size_t operator()(const rove::MacAddress& mac) const { return rove::hash_number(mac.value()); }
};
template <>
struct std::hash<rove::IpAddress> {
  std::size_t operator()(const rove::IpAddress& ip) const { return rove::hash_bytes(ip.bytes(), ip.size()); }
};
template <>
struct std::hash<rove::Endpoint> {
  std::size_t operator()(const rove::Endpoint& ep) const { return rove::hash_bytes(ep.address.bytes(), ep.port); }
};
template <>
struct std::hash<rove::VmAddress> {
  std::size_t operator()(const rove::VmAddress& vm) const {
    return vm.is_mac() ? rove::hash_number(vm.mac().value()) : rove::hash_bytes(vm.ip().bytes(), vm.ip().size());
  }
};
