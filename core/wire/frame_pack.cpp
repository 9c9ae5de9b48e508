#include "core/wire/frame_pack.h"

#include <cstring>

#include "core/wire/ethernet.h"

namespace rove {

PackedFrame PackedFrames::Iterator::operator*() const {
  const std::size_t size = load_be<std::uint16_t>(at_);
  return {BytesView{at_ + kPackedFrameOverhead, size}, (at_[2] & kPackedNeedsChecksum) != 0};
}

PackedFrames::Iterator& PackedFrames::Iterator::operator++() {
  at_ += kPackedFrameOverhead + load_be<std::uint16_t>(at_);
  return *this;
}

Result<PackedFrames> PackedFrames::parse(BytesView plaintext) {
  if (plaintext.empty()) return fail(Error::Malformed);
  std::size_t count = 0;
  Reader reader{plaintext};
  while (!reader.rest().empty()) {
    const std::size_t size = reader.read<std::uint16_t>();
    const std::uint8_t flags = reader.read<std::uint8_t>();
    if (!reader.ok()) return fail(Error::Truncated);
    if (size < kFrameSizeMin || size > kFrameSizeMax) return fail(Error::Malformed);
    if ((flags & ~kPackedNeedsChecksum) != 0) return fail(Error::Malformed);
    if (reader.read_bytes(size).empty()) return fail(Error::Truncated);
    if (++count > kPackedFramesMax) return fail(Error::TooLarge);
  }
  return PackedFrames{plaintext, count};
}

bool FramePacker::append(BytesView frame, bool needs_checksum) {
  if (frame.size() < kFrameSizeMin || frame.size() > kFrameSizeMax) return false;
  if (count_ == kPackedFramesMax || buffer_.size() - used_ < kPackedFrameOverhead + frame.size()) return false;
  std::uint8_t* to = buffer_.data() + used_;
  store_be(to, static_cast<std::uint16_t>(frame.size()));
  to[2] = needs_checksum ? kPackedNeedsChecksum : std::uint8_t{0};
  std::memcpy(to + kPackedFrameOverhead, frame.data(), frame.size());
  used_ += kPackedFrameOverhead + frame.size();
  ++count_;
  return true;
}

}  // namespace rove
