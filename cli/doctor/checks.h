// The checks of `rove doctor`: facts in, findings out. Pure, so that each case can be made up and tested.
#pragma once

#include "cli/doctor/facts.h"
#include "cli/doctor/finding.h"

namespace rove {

// A certificate with less left is worth a warning: time for a renewal that nobody has to hurry with.
inline constexpr std::chrono::hours kCertificateWarning{30 * 24};
// Clocks that differ by more make logs and timelines of two hosts hard to compare; a peer's is known to a few seconds.
inline constexpr std::chrono::seconds kClockWarning{5};
// From a day on envelopes and claims are refused (kSequenceLeadMax): so much is on the way there.
inline constexpr std::chrono::hours kClockFailure{1};
// A bridge that forgets sooner floods what it could have switched.
inline constexpr std::chrono::seconds kAgeingMin{10};

// The largest UDP datagram's IP packet that carries an inner packet of `inner_mtu` octets, over IPv4 or IPv6.
[[nodiscard]] std::size_t outer_packet_size(std::size_t inner_mtu, IpAddress::Family family);
// From the daemon, or else from the credential; nullopt: neither could be read.
[[nodiscard]] std::optional<std::size_t> find_inner_mtu(const Facts& facts);

// That the daemon listens at, or would.
[[nodiscard]] std::uint16_t find_port(const Facts& facts);

// All of the following, in this order.
[[nodiscard]] Findings check_all(const Facts& facts);

// Configuration, credential, certificate, modes of files.
[[nodiscard]] Findings check_files(const Facts& facts);
// The daemon, what it may do, and the clock.
[[nodiscard]] Findings check_process(const Facts& facts);
// The TAP device and the bridge.
[[nodiscard]] Findings check_tap(const Facts& facts);
[[nodiscard]] Findings check_bridge(const Facts& facts);
// Port, buffers, sizes, filters, names and routes of the underlay.
[[nodiscard]] Findings check_underlay(const Facts& facts);
// Other nodes, and what the kernel does for the packet path.
[[nodiscard]] Findings check_network(const Facts& facts);

}  // namespace rove
