// What a frame says of itself: addresses, and the claims about addresses inside ARP and Neighbor Discovery.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/base/result.h"

namespace rove {

inline constexpr std::size_t kEthernetHeaderSize = 14;
inline constexpr std::size_t kFrameSizeMin = kEthernetHeaderSize;
inline constexpr std::size_t kFrameSizeMax = 9018;  // jumbo, without FCS

inline constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherTypeArp = 0x0806;
inline constexpr std::uint16_t kEtherTypeRarp = 0x8035;
inline constexpr std::uint16_t kEtherTypeVlan = 0x8100;         // 802.1Q
inline constexpr std::uint16_t kEtherTypeServiceVlan = 0x88a8;  // 802.1ad
inline constexpr std::uint16_t kEtherTypeIpv6 = 0x86dd;

enum class FrameKind : std::uint8_t {
  Other,                  // neither IP nor ARP nor RARP: no source IP to speak of
  Ipv4,                   //
  Ipv6,                   // but none of the following
  ArpRequest,             // RFC 826
  ArpReply,               //
  RarpRequest,            // RFC 903; what QEMU announces a migrated guest with
  RarpReply,              //
  RouterSolicitation,     // RFC 4861 §4.1
  RouterAdvertisement,    // §4.2
  NeighborSolicitation,   // §4.3
  NeighborAdvertisement,  // §4.4
  Redirect,               // §4.5
};

struct FrameInfo {
  MacAddress destination;
  MacAddress source;                  // neither group nor zero
  std::optional<std::uint16_t> vlan;  // the tag control information, when tagged
  std::uint16_t ethertype = 0;        // behind the tag; below 0x0600 it is an 802.3 length
  std::size_t payload = 0;            // offset of what the ethertype announces
  FrameKind kind = FrameKind::Other;

  // IP header, or ARP/RARP sender and target protocol address. Absent for Other.
  std::optional<IpAddress> source_ip;
  std::optional<IpAddress> destination_ip;

  // ARP, RARP: sender hardware address. Neighbor Discovery: the source link-layer address option (of an
  // advertisement or redirect the target's), when present. Whoever believes the frame maps an IP to this.
  std::optional<MacAddress> sender_mac;
  // ARP, RARP: target hardware address.
  std::optional<MacAddress> target_mac;
  // Neighbor solicitation, advertisement, redirect: the target address.
  std::optional<IpAddress> nd_target;
  // Neighbor advertisement: its flags.
  bool na_router = false;
  bool na_solicited = false;
  bool na_override = false;

  [[nodiscard]] bool is_arp() const { return kind == FrameKind::ArpRequest || kind == FrameKind::ArpReply; }
  [[nodiscard]] bool is_rarp() const { return kind == FrameKind::RarpRequest || kind == FrameKind::RarpReply; }
  [[nodiscard]] bool is_nd() const { return kind >= FrameKind::RouterSolicitation; }
};

// Reads a frame without FCS, allocates nothing. Refuses whatever could hide a source address from whoever checks it:
// a second VLAN tag, IP or ARP in LLC/SNAP, an IP header that is short or longer than the frame, an extension header
// chain that is cut or longer than 8 headers, Neighbor Discovery in fragments (RFC 6980), with a hop limit other than
// 255 or with a link-layer option twice, ARP for anything but IPv4 on Ethernet. Checksums are not looked at.
// Errors: Truncated, TooLarge (more than `size_max` octets), Malformed.
[[nodiscard]] Result<FrameInfo> parse_frame(BytesView frame, std::size_t size_max = kFrameSizeMax);

}  // namespace rove
