#include "cli/daemon/offload_reason.h"

#include <string>
#include <utility>

namespace rove {
namespace {

constexpr const char* kNotInKernel = "this kernel has none";

OffloadUse make_use(std::string name, bool wanted, bool used, std::string reason) {
  if (!wanted || used) reason.clear();
  return {.name = std::move(name), .wanted = wanted, .used = used, .reason = std::move(reason)};
}

// The first step at which it was left out.
std::string udp_reason(const OffloadState& state, bool UdpOffloads::* which) {
  if (!(state.canary.offloads.*which)) return state.canary.problem;
  if (!(state.bound.*which)) return kNotInKernel;
  return "this kernel or network card cannot, or does it wrongly: it was found out at work";
}

}  // namespace

std::vector<OffloadUse> describe_offloads(const OffloadState& state) {
  const bool segments = state.udp.segmentation;
  const bool coalesces = state.udp.coalescing;
  return {make_use("tap_checksum", state.tap_wanted, state.tap.checksum, kNotInKernel),
          make_use("tap_tcp", state.tap_wanted, state.tap.tcp, kNotInKernel),
          make_use("tap_udp", state.tap_wanted, state.tap.udp, "this kernel has none, it came with Linux 6.2"),
          make_use("udp_segmentation", state.udp_wanted, segments, udp_reason(state, &UdpOffloads::segmentation)),
          make_use("udp_coalescing", state.udp_wanted, coalesces, udp_reason(state, &UdpOffloads::coalescing))};
}

}  // namespace rove
