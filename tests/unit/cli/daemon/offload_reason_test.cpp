#include "cli/daemon/offload_reason.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

OffloadState all_in_use() {
  return {.tap_wanted = true,
          .udp_wanted = true,
          .canary = {.offloads = {true, true}, .problem = {}},
          .bound = {true, true},
          .tap = {true, true, true},
          .udp = {true, true}};
}

OffloadUse find(const OffloadState& state, const std::string& name) {
  for (const OffloadUse& use : describe_offloads(state)) {
    if (use.name == name) return use;
  }
  FAIL("no offload " << name);
  return {};
}

}  // namespace

TEST_CASE("describe_offloads: what is in use needs no reason, what is not wanted neither") {
  for (const OffloadUse& use : describe_offloads(all_in_use())) {
    CAPTURE(use.name);
    CHECK(use.wanted);
    CHECK(use.used);
    CHECK(use.reason.empty());
  }
  OffloadState off{};
  off.canary.offloads = {false, false};
  for (const OffloadUse& use : describe_offloads(off)) {
    CAPTURE(use.name);
    CHECK_FALSE(use.wanted);
    CHECK(use.reason.empty());
  }
}

TEST_CASE("describe_offloads: who left it out: the trial, the kernel, or a network card") {
  OffloadState tried = all_in_use();
  tried.canary = {.offloads = {true, false}, .problem = "this kernel changes datagrams"};
  tried.bound = tried.udp = {true, false};
  CHECK(find(tried, "udp_coalescing").reason == "this kernel changes datagrams");
  CHECK(find(tried, "udp_segmentation").reason.empty());

  OffloadState old = all_in_use();
  old.bound = old.udp = {false, true};
  old.tap.udp = false;
  CHECK(find(old, "udp_segmentation").reason == "this kernel has none");
  CHECK(find(old, "tap_udp").reason == "this kernel has none, it came with Linux 6.2");

  OffloadState card = all_in_use();
  card.udp.segmentation = false;
  CHECK(find(card, "udp_segmentation").reason ==
        "this kernel or network card cannot, or does it wrongly: it was found out at work");
}

}  // namespace rove
