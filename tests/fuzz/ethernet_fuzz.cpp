#include "core/base/check.h"
#include "core/wire/ethernet.h"
#include "core/wire/neighbor.h"

// A frame that parses lies within its bounds, and an answer made to it parses too and names the answering MAC.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto info = rove::parse_frame({data, size});
  if (!info) return 0;
  ROVE_CHECK(info->payload <= size);
  ROVE_CHECK(!info->source.is_group() && !info->source.is_zero());
  const rove::MacAddress mac{{0x02, 0, 0, 0, 0, 9}};
  const auto answer = rove::make_neighbor_answer(*info, mac);
  if (!answer) return 0;
  const auto parsed = rove::parse_frame(*answer);
  ROVE_CHECK(parsed && parsed->sender_mac == mac);
  return 0;
}
