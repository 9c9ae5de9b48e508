#include "core/wire/header.h"

#include "core/wire/shard.h"

namespace rove {
namespace {

static_assert(kLaneAt + sizeof(std::uint64_t) == kHeaderSize);

constexpr std::uint8_t kKnownDataFlags =
    kFlagNeedsChecksum | kFlagSuperframe | kFlagLast | kFlagPacked | kFlagHopsMask | kFlagForwarded;
constexpr unsigned kLaneShift = 56;
constexpr std::uint64_t kCountMask = (std::uint64_t{1} << kLaneShift) - 1;

bool flags_fit_data(std::uint8_t flags, std::uint8_t index) {
  const bool superframe = (flags & kFlagSuperframe) != 0;
  const bool packed = (flags & kFlagPacked) != 0;
  if (flags == kFlagMarker) return index == 0;
  if ((flags & ~kKnownDataFlags) != 0) return false;
  if (!superframe && ((flags & kFlagLast) != 0 || index != 0)) return false;
  // Packed frames have flags of their own and are never segments.
  return !packed || (!superframe && (flags & kFlagNeedsChecksum) == 0);
}

}  // namespace

std::optional<unsigned> shard_of_datagram(BytesView datagram) {
  const bool has_lane = datagram.size() > kLaneAt && datagram[0] == static_cast<std::uint8_t>(DatagramType::Data);
  return has_lane ? std::optional{shard_of_lane(datagram[kLaneAt])} : std::nullopt;
}

Result<Header> parse_header(BytesView datagram) {
  if (datagram.empty()) return fail(Error::Truncated);
  Header header;
  header.type = static_cast<DatagramType>(datagram[0]);
  if (header.type != DatagramType::Data && header.type != DatagramType::Control) return fail(Error::Unknown);
  if (datagram.size() < kHeaderSize) return fail(Error::Truncated);

  header.flags = datagram[kFlagsAt];
  header.index = datagram[kIndexAt];
  if (datagram[kZeroAt] != 0) return fail(Error::Malformed);
  header.receiver.value = load_be<std::uint32_t>(datagram.data() + kReceiverAt);
  const std::uint64_t counter = load_be<std::uint64_t>(datagram.data() + kLaneAt);
  header.counter.lane = static_cast<std::uint8_t>(counter >> kLaneShift);
  header.counter.count = counter & kCountMask;

  const bool flags_fit = header.type == DatagramType::Data ? flags_fit_data(header.flags, header.index)
                                                           : header.flags == 0 && header.index == 0;
  if (!flags_fit || !lane_fits(header.type, header.counter.lane)) return fail(Error::Malformed);
  return header;
}

}  // namespace rove
