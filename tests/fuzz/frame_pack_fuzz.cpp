#include "core/base/check.h"
#include "core/wire/frame_pack.h"

// Iterating what parsed stays inside the plaintext and gives as many frames as were counted.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto frames = rove::PackedFrames::parse({data, size});
  if (!frames) return 0;
  std::size_t count = 0;
  std::size_t octets = 0;
  for (const rove::PackedFrame packed : *frames) {
    ++count;
    octets += packed.frame.size() + rove::kPackedFrameOverhead;
    ROVE_CHECK(packed.frame.data() >= data && packed.frame.data() + packed.frame.size() <= data + size);
  }
  ROVE_CHECK(count == frames->size() && count <= rove::kPackedFramesMax);
  ROVE_CHECK(octets == size);
  return 0;
}
