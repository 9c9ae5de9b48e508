// ARP, RARP and Neighbor Discovery frames: builders, and the questions that the control thread asks about them.
#pragma once

#include <optional>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/wire/ethernet.h"

namespace rove {

struct Neighbor {
  MacAddress mac;
  IpAddress ip;
};

// ---- what a frame means -----------------------------------------------------------------------

// "I am here now", from a hypervisor that knows no IP: RARP request with sender = target = source MAC.
[[nodiscard]] bool is_rarp_announce(const FrameInfo& info);
// An ARP request or reply whose sender and target IP are the same (RFC 5227 §3).
[[nodiscard]] bool is_gratuitous_arp(const FrameInfo& info);
// A neighbor advertisement that answers nobody (RFC 4861 §7.2.6).
[[nodiscard]] bool is_unsolicited_advertisement(const FrameInfo& info);
// "Does somebody have this address?" before using it: an ARP request from 0.0.0.0 (RFC 5227 §1.1) or a neighbor
// solicitation from :: (RFC 4862 §5.4.2).
[[nodiscard]] bool is_address_probe(const FrameInfo& info);
// The IP that a frame announces as its source's: gratuitous ARP, unsolicited advertisement.
[[nodiscard]] std::optional<IpAddress> find_announced(const FrameInfo& info);
// The IP that an ARP request or a neighbor solicitation asks for. Also of a probe; not of gratuitous ARP.
[[nodiscard]] std::optional<IpAddress> find_asked(const FrameInfo& info);

// ---- builders; frames of at least 60 octets, padded with zeros ------------------------------------

// `sender.ip` unspecified makes a probe. To the broadcast address unless `to` is given.
[[nodiscard]] Bytes make_arp_request(const Neighbor& sender, const IpAddress& target,
                                     const MacAddress& to = MacAddress::broadcast());
[[nodiscard]] Bytes make_arp_reply(const Neighbor& sender, const Neighbor& to);
// An ARP request for the sender's own address: what most systems update their caches from (RFC 5227 §3).
[[nodiscard]] Bytes make_gratuitous_arp(const Neighbor& sender);
// As QEMU sends it after a migration.
[[nodiscard]] Bytes make_rarp_announce(const MacAddress& mac);
// To the solicited-node group unless `to` is given. With an unspecified `sender.ip` it is a DAD probe, without option.
[[nodiscard]] Bytes make_neighbor_solicitation(const Neighbor& sender, const IpAddress& target,
                                               const std::optional<MacAddress>& to = std::nullopt);
// The answer to a solicitation of `to`: flags solicited and override, target link-layer option.
[[nodiscard]] Bytes make_neighbor_advertisement(const Neighbor& sender, const Neighbor& to);
// To all nodes, override set: moves every cache to `sender.mac`.
[[nodiscard]] Bytes make_unsolicited_advertisement(const Neighbor& sender);

// The answer "`answer` has what you asked for" to a frame with find_asked(), in the same VLAN; nullopt for a probe
// and for frames that ask for nothing: whoever checks an address before using it must hear only its true owner.
[[nodiscard]] std::optional<Bytes> make_neighbor_answer(const FrameInfo& question, const MacAddress& answer);

// The solicited-node group of an IPv6 address (RFC 4291 §2.7.1) and the Ethernet group of an IPv6 group (RFC 2464 §7).
[[nodiscard]] IpAddress solicited_node_group(const IpAddress& ip);
[[nodiscard]] MacAddress ethernet_group(const IpAddress& group);

}  // namespace rove
