// Ethernet frames for tests, built the plain way, apart from the builders of core/wire.
#pragma once

#include <string_view>

#include "core/base/address.h"
#include "core/base/bytes.h"

namespace rove {

[[nodiscard]] inline MacAddress mac_of(std::string_view text) {
  return *parse_mac(text);
}
[[nodiscard]] inline IpAddress ip_of(std::string_view text) {
  return *parse_ip(text);
}

[[nodiscard]] inline Bytes ethernet_frame(const MacAddress& destination, const MacAddress& source,
                                          std::uint16_t ethertype, BytesView payload) {
  Bytes frame;
  Writer to{frame};
  to.write_bytes(destination.octets);
  to.write_bytes(source.octets);
  to.write(ethertype);
  to.write_bytes(payload);
  return frame;
}

// Header checksum zero: nobody here looks at it.
[[nodiscard]] inline Bytes ipv4_frame(const MacAddress& destination, const MacAddress& source, const IpAddress& from,
                                      const IpAddress& target, BytesView payload, std::uint8_t protocol = 17) {
  Bytes packet;
  Writer to{packet};
  to.write(std::uint16_t{0x4500});
  to.write(static_cast<std::uint16_t>(20 + payload.size()));
  to.write(std::uint32_t{0});
  to.write(std::uint8_t{64});
  to.write(protocol);
  to.write(std::uint16_t{0});
  to.write_bytes(from.bytes());
  to.write_bytes(target.bytes());
  to.write_bytes(payload);
  return ethernet_frame(destination, source, 0x0800, packet);
}

[[nodiscard]] inline Bytes ipv6_frame(const MacAddress& destination, const MacAddress& source, const IpAddress& from,
                                      const IpAddress& target, std::uint8_t next_header, BytesView payload,
                                      std::uint8_t hop_limit = 64) {
  Bytes packet;
  Writer to{packet};
  to.write(std::uint32_t{0x60000000});
  to.write(static_cast<std::uint16_t>(payload.size()));
  to.write(next_header);
  to.write(hop_limit);
  to.write_bytes(from.bytes());
  to.write_bytes(target.bytes());
  to.write_bytes(payload);
  return ethernet_frame(destination, source, 0x86dd, packet);
}

[[nodiscard]] inline Bytes with_vlan_tag(Bytes frame, std::uint16_t control, std::uint16_t type = 0x8100) {
  Bytes tag;
  Writer to{tag};
  to.write(type);
  to.write(control);
  frame.insert(frame.begin() + 12, tag.begin(), tag.end());
  return frame;
}

}  // namespace rove
