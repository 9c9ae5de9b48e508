#include <algorithm>

#include "core/base/check.h"
#include "core/wire/superframe.h"

// Two octets of segment size, then a frame. What can be cut becomes frames within bounds that carry all of its payload,
// and joining these never gives more than they had.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t segment_size = rove::load_be<std::uint16_t>(data);
  rove::Bytes frame(data + 2, data + size);
  const auto info = rove::parse_frame(frame, rove::kSuperframeSizeMax);
  if (!info) return 0;
  const auto place = rove::find_transport(frame, *info);
  auto segmenter = rove::Segmenter::make(frame, *info, segment_size);
  if (!segmenter) return 0;
  ROVE_CHECK(place && segmenter->count() <= rove::kSegmentsMax);

  std::size_t payload = 0;
  std::size_t count = 0;
  rove::Bytes first;
  std::optional<rove::SegmentJoin> join;
  while (!segmenter->done()) {
    const rove::MutableBytes segment = segmenter->next();
    ROVE_CHECK(segment.size() > place->payload && segment.size() <= rove::kFrameSizeMax);
    payload += segment.size() - place->payload;
    ++count;
    if (join) {
      const rove::BytesView rest = join->append(segment);
      ROVE_CHECK(rest.empty() || rest.size() == segment.size() - place->payload);
    } else if (count == 1) {
      first.assign(segment.begin(), segment.end());
      if (const auto parsed = rove::parse_frame(first)) join = rove::SegmentJoin::begin(first, *parsed);
    }
  }
  ROVE_CHECK(count == segmenter->count());
  ROVE_CHECK(payload == frame.size() - place->payload);
  return 0;
}
