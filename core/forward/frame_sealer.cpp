#include "core/forward/frame_sealer.h"

#include <cstring>

#include "core/wire/mss_clamp.h"
#include "core/wire/shard.h"

namespace rove {
namespace {

// Larger frames are not copied into a pack: two of them hardly fit one.
constexpr std::size_t kSmallFrameMax = 600;

}  // namespace

bool FrameSealer::seal_plaintext(WorkerSession& session, unsigned shard, std::uint8_t flags, std::uint8_t index,
                                 BytesView plaintext, std::size_t frames, DatagramBatch& out) {
  DatagramBatch::Slot& slot = out.next();
  const bool sealed = session.seal(shard, flags, index, plaintext, slot.data);
  if (session.is_worn(shard) && events_.has_room(EventQueue::Kind::Notice)) {
    events_.push(EventQueue::Kind::Notice, SessionWorn{session.local_index()});
    session.set_worn_reported(shard);
  }
  if (!sealed) return false;
  slot.to = session.endpoint();
  slot.alone = !session.takes_segments();
  slot.lane = lane_of(shard);
  slot.size = plaintext.size() + kDataOverhead;
  out.commit();
  ++counters_.datagrams_sealed;
  session.traffic().count_sent(frames, slot.size);
  return true;
}

bool FrameSealer::seal(WorkerSession& session, std::uint8_t flags, BytesView frame, const FrameInfo& info,
                       DatagramBatch& out) {
  flush(out);
  const auto clamp = find_mss_clamp(frame, info, inner_mtu_);
  const unsigned shard = shard_of_frame(frame);
  if (!clamp) return seal_plaintext(session, shard, flags, 0, frame, 1, out);
  // Patched where it is sealed: the frame is borrowed and not ours to change.
  const MutableBytes copy{out.next().data + kHeaderSize, frame.size()};
  std::memcpy(copy.data(), frame.data(), frame.size());
  apply_mss_clamp(copy, *clamp, (flags & kFlagNeedsChecksum) != 0);
  return seal_plaintext(session, shard, flags, 0, copy, 1, out);
}

bool FrameSealer::seal_marker(WorkerSession& session, const Marker& marker, DatagramBatch& out) {
  flush(out);
  return seal_plaintext(session, shard_of(marker.vm), kFlagMarker, 0, encode_marker(marker), 0, out);
}

bool FrameSealer::seal_or_pack(WorkerSession& session, bool needs_checksum, BytesView frame, const FrameInfo& info,
                               DatagramBatch& out) {
  const std::uint8_t flags = needs_checksum ? kFlagNeedsChecksum : std::uint8_t{0};
  if (!packs_ || frame.size() > kSmallFrameMax || find_mss_clamp(frame, info, inner_mtu_)) {
    return seal(session, flags, frame, info, out);
  }
  const std::size_t size = pack_size_ + kPackedFrameOverhead + frame.size();
  const unsigned shard = shard_of_frame(frame);
  if (packing_ != &session || packing_shard_ != shard || size > pack_size_max() || pack_frames_ == kPackedFramesMax)
    flush(out);
  FramePacker packer{pack_, pack_size_, pack_frames_};
  if (!packer.append(frame, needs_checksum)) return seal(session, flags, frame, info, out);
  packing_ = &session;
  packing_shard_ = shard;
  pack_size_ = packer.plaintext().size();
  pack_frames_ = packer.count();
  return true;
}

std::size_t FrameSealer::seal_segments(WorkerSession& session, unsigned shard, Segmenter& segmenter,
                                       DatagramBatch& out) {
  flush(out);
  std::size_t failed = 0;
  std::uint8_t index = 0;  // begins anew after 256 segments, as another superframe's would
  while (!segmenter.done()) {
    const MutableBytes segment = segmenter.next();
    const auto flags = static_cast<std::uint8_t>(kFlagNeedsChecksum | kFlagSuperframe |
                                                 (segmenter.done() ? kFlagLast : std::uint8_t{0}));
    if (!seal_plaintext(session, shard, flags, index++, segment, 1, out)) ++failed;
  }
  return failed;
}

void FrameSealer::flush(DatagramBatch& out) {
  if (packing_ == nullptr) return;
  WorkerSession& session = *packing_;
  const BytesView packed = BytesView{pack_}.first(pack_size_);
  const std::size_t frames = pack_frames_;
  packing_ = nullptr;
  pack_size_ = pack_frames_ = 0;
  bool sealed = false;
  if (frames == 1) {  // needs no packing
    const PackedFrame lone = *PackedFrames::parse(packed)->begin();
    const std::uint8_t flags = lone.needs_checksum ? kFlagNeedsChecksum : std::uint8_t{0};
    sealed = seal_plaintext(session, packing_shard_, flags, 0, lone.frame, 1, out);
  } else {
    sealed = seal_plaintext(session, packing_shard_, kFlagPacked, 0, packed, frames, out);
    if (sealed) counters_.frames_packed += frames;
  }
  if (!sealed) counters_.drops[static_cast<std::size_t>(DropReason::NoSession)] += frames;
}

}  // namespace rove
