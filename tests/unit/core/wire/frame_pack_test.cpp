#include "core/wire/frame_pack.h"

#include <doctest/doctest.h>

#include <ostream>

#include <vector>

#include "core/wire/ethernet.h"
#include "tests/support/seeded_random.h"

namespace rove {
namespace {

// Two frames of 14 octets, the second with a partial checksum.
const char* const kGolden =
    "000e00"
    "0202020202020101010101010800"
    "000e01"
    "0303030303030101010101010806";

Bytes frame_of(std::size_t size, std::uint8_t fill) {
  return Bytes(size, fill);
}

TEST_CASE("FramePacker: writes the documented bytes") {
  Bytes buffer(100);
  FramePacker packer{buffer};

  REQUIRE(packer.append(from_hex("0202020202020101010101010800"), false));
  REQUIRE(packer.append(from_hex("0303030303030101010101010806"), true));

  CHECK(packer.count() == 2);
  CHECK(to_hex(packer.plaintext()) == kGolden);
}

TEST_CASE("PackedFrames: gives the frames in order, with their flags, without copying") {
  const Bytes bytes = from_hex(kGolden);

  const Result<PackedFrames> frames = PackedFrames::parse(bytes);

  REQUIRE(frames);
  CHECK(frames->size() == 2);
  std::vector<PackedFrame> seen;
  for (const PackedFrame frame : *frames) seen.push_back(frame);
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].frame.data() == bytes.data() + 3);
  CHECK(seen[0].frame.size() == 14);
  CHECK_FALSE(seen[0].needs_checksum);
  CHECK(to_hex(seen[1].frame) == "0303030303030101010101010806");
  CHECK(seen[1].needs_checksum);
}

TEST_CASE("PackedFrames: a shorter prefix gives either fewer whole frames or an error") {
  const Bytes bytes = from_hex(kGolden);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Result<PackedFrames> frames = PackedFrames::parse(BytesView{bytes}.first(size));
    CAPTURE(size);
    if (size == 17) {
      REQUIRE(frames);
      CHECK(frames->size() == 1);
    } else {
      REQUIRE_FALSE(frames);
      CHECK(frames.error() == (size == 0 ? Error::Malformed : Error::Truncated));
    }
  }
}

TEST_CASE("PackedFrames: one bad frame spoils the whole datagram") {
  Bytes unknown_flag = from_hex(kGolden);
  unknown_flag[17 + 2] = 0x02;
  Bytes short_frame = from_hex(kGolden);
  short_frame[17 + 1] = 13;
  short_frame.pop_back();
  Bytes long_frame{0x23, 0x3b, 0x00};  // 9019
  long_frame.resize(3 + kFrameSizeMax + 1);

  for (const Bytes& bytes : {unknown_flag, short_frame, long_frame}) {
    const Result<PackedFrames> frames = PackedFrames::parse(bytes);
    REQUIRE_FALSE(frames);
    CHECK(frames.error() == Error::Malformed);
  }
}

TEST_CASE("FramePacker and PackedFrames: at most kPackedFramesMax frames") {
  Bytes buffer((kPackedFramesMax + 1) * 17);
  FramePacker packer{buffer};
  for (std::size_t i = 0; i < kPackedFramesMax; ++i) REQUIRE(packer.append(frame_of(14, 1), false));

  CHECK_FALSE(packer.append(frame_of(14, 1), false));
  REQUIRE(PackedFrames::parse(packer.plaintext()));
  CHECK(PackedFrames::parse(packer.plaintext())->size() == kPackedFramesMax);

  Bytes one_more{packer.plaintext().begin(), packer.plaintext().end()};
  one_more.insert(one_more.end(), buffer.begin(), buffer.begin() + 17);
  const Result<PackedFrames> frames = PackedFrames::parse(one_more);
  REQUIRE_FALSE(frames);
  CHECK(frames.error() == Error::TooLarge);
}

TEST_CASE("FramePacker: refuses what does not fit and what is no frame") {
  Bytes buffer(40);
  FramePacker packer{buffer};

  CHECK_FALSE(packer.append(frame_of(13, 1), false));
  CHECK_FALSE(packer.append(frame_of(38, 1), false));
  CHECK(packer.append(frame_of(37, 1), false));
  CHECK_FALSE(packer.append(frame_of(14, 1), false));
  CHECK(packer.plaintext().size() == 40);
}

TEST_CASE("PackedFrames: garbage is refused or gives frames within it") {
  SeededRandom random{7};
  for (int round = 0; round < 20000; ++round) {
    Bytes bytes(random.below(80));
    random.fill(bytes);
    if (!bytes.empty()) bytes[0] = 0;
    const Result<PackedFrames> frames = PackedFrames::parse(bytes);
    if (!frames) continue;
    std::size_t size = 0;
    for (const PackedFrame frame : *frames) size += kPackedFrameOverhead + frame.frame.size();
    CHECK(size == bytes.size());
  }
}

}  // namespace
}  // namespace rove
