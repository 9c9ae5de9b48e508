#include "tests/sim/sim_vm.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/wire/ethernet.h"
#include "core/wire/neighbor.h"

namespace rove::sim {
namespace {

constexpr std::size_t kIpHeader = 20;
constexpr std::uint8_t kProtocolExperimental = 253;  // RFC 3692
constexpr std::chrono::seconds kArpLifetime{60};
// QEMU's announce: SELF_ANNOUNCE_ROUNDS and their spacing, as measured.
constexpr std::array<std::chrono::milliseconds, 5> kAnnounceTimes{
    std::chrono::milliseconds{0}, std::chrono::milliseconds{50}, std::chrono::milliseconds{200},
    std::chrono::milliseconds{450}, std::chrono::milliseconds{800}};

}  // namespace

Bytes make_numbered_frame(const MacAddress& from_mac, const IpAddress& from, const MacAddress& to_mac,
                          const IpAddress& to, std::uint32_t number) {
  Bytes frame;
  Writer out{frame};
  out.write_bytes(to_mac.octets);
  out.write_bytes(from_mac.octets);
  out.write<std::uint16_t>(kEtherTypeIpv4);
  out.write<std::uint8_t>(0x45);
  out.write<std::uint8_t>(0);
  out.write<std::uint16_t>(kIpHeader + 4);
  out.write<std::uint32_t>(0);
  out.write<std::uint8_t>(64);
  out.write<std::uint8_t>(kProtocolExperimental);
  out.write<std::uint16_t>(0);  // checksum: nobody between two VMs looks at it
  out.write_bytes(from.bytes());
  out.write_bytes(to.bytes());
  out.write<std::uint32_t>(number);
  return frame;
}

Bridge::Port SimVm::expect_at(Bridge& bridge) {
  const auto [expected, is_new] = expected_.try_emplace(&bridge);
  if (is_new) {
    expected->second = bridge.add_port([](const Bytes&) {});
    bridge.pause_port(expected->second);
  }
  return expected->second;
}

void SimVm::plug(Bridge& bridge) {
  if (const auto expected = expected_.extract(&bridge); !expected.empty()) {
    return resume({&bridge, expected.mapped()});
  }
  bridge_ = &bridge;
  ++generation_;
  port_ = bridge.add_port([this](const Bytes& frame) { receive(frame); });
}

void SimVm::unplug() {
  if (bridge_ == nullptr) return;
  bridge_->remove_port(port_);
  bridge_ = nullptr;
  ++generation_;
}

SimVm::Left SimVm::pause() {
  if (bridge_ == nullptr) return {};
  const Left left{std::exchange(bridge_, nullptr), port_};
  left.bridge->pause_port(port_);
  ++generation_;
  return left;
}

void SimVm::resume(const Left& left) {
  bridge_ = left.bridge;
  port_ = left.port;
  ++generation_;
  bridge_->resume_port(port_, [this](const Bytes& frame) { receive(frame); });
}

void SimVm::take_address(const IpAddress& ip) {
  more_ips_.insert(ip);
  transmit(make_gratuitous_arp({mac_, ip}));
}

void SimVm::announce_arrival() {
  for (const auto delay : kAnnounceTimes) {
    time_.after(delay, [this, generation = generation_] {
      if (generation == generation_) transmit(make_rarp_announce(mac_));
    });
  }
}

void SimVm::announce_address() {
  transmit(make_gratuitous_arp({mac_, ip_}));
}

void SimVm::send(const IpAddress& to) {
  const std::uint32_t number = ++sent_[to];
  const auto known = arp_.find(to);
  if (known != arp_.end() && time_.steady() < known->second.until) {
    transmit(make_numbered_frame(mac_, ip_, known->second.mac, to, number));
    return;
  }
  waiting_[to] = make_numbered_frame(mac_, ip_, MacAddress{}, to, number);
  transmit(make_arp_request({mac_, ip_}, to));
}

std::uint32_t SimVm::sent_to(const IpAddress& ip) const {
  const auto it = sent_.find(ip);
  return it == sent_.end() ? 0 : it->second;
}

void SimVm::transmit(const Bytes& frame) {
  if (bridge_ != nullptr) bridge_->input(port_, frame);
}

void SimVm::receive(const Bytes& frame) {
  const auto info = parse_frame(frame);
  if (!info || (info->destination != mac_ && !info->destination.is_group())) return;
  if (info->kind == FrameKind::ArpRequest && owns(find_asked(*info)) && info->source_ip) {
    // A probe (RFC 5227) is answered too, as Linux does, and teaches nothing.
    if (!is_address_probe(*info)) arp_[*info->source_ip] = {info->source, time_.steady() + kArpLifetime};
    transmit(make_arp_reply({mac_, *find_asked(*info)}, {info->source, *info->source_ip}));
    return;
  }
  if (info->kind == FrameKind::ArpReply && info->source_ip && info->sender_mac) {
    arp_[*info->source_ip] = {*info->sender_mac, time_.steady() + kArpLifetime};
    if (auto held = waiting_.extract(*info->source_ip); !held.empty()) {
      Bytes datagram = std::move(held.mapped());
      std::copy(info->sender_mac->octets.begin(), info->sender_mac->octets.end(), datagram.begin());
      transmit(datagram);
    }
    return;
  }
  if (info->kind != FrameKind::Ipv4 || info->destination_ip != ip_) return;
  Reader payload{BytesView{frame}.subspan(info->payload + kIpHeader)};
  const auto number = payload.read<std::uint32_t>();
  if (!payload.ok()) return;
  Received& from = received_[*info->source_ip];
  if (!from.numbers.empty() && number < *from.numbers.rbegin()) ++from.overtaken;
  if (!from.numbers.insert(number).second) ++from.duplicates;
  if (from.last != TimePoint{}) from.longest_gap = std::max(from.longest_gap, time_.steady() - from.last);
  from.last = time_.steady();
}

}  // namespace rove::sim
