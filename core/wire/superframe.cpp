#include "core/wire/superframe.h"

#include <algorithm>
#include <cstring>

#include "core/base/check.h"
#include "core/wire/checksum.h"

namespace rove {
namespace {

constexpr std::size_t kIpv4LengthAt = 2;
constexpr std::size_t kIpv4IdAt = 4;
constexpr std::size_t kIpv4ChecksumAt = 10;
constexpr std::size_t kIpv4SourceAt = 12;
constexpr std::size_t kIpv6LengthAt = 4;
constexpr std::size_t kIpv6SourceAt = 8;
constexpr std::size_t kIpv6HeaderSize = 40;
constexpr std::size_t kTcpSequenceAt = 4;
constexpr std::size_t kTcpFlagsAt = 13;
constexpr std::size_t kUdpLengthAt = 4;

constexpr std::uint8_t kTcpFin = 0x01;
constexpr std::uint8_t kTcpPush = 0x08;
constexpr std::uint8_t kTcpAck = 0x10;
constexpr std::uint8_t kTcpEcnEcho = 0x40;
constexpr std::uint8_t kTcpWindowReduced = 0x80;

constexpr std::size_t kIpSizeMax = 65535;

// Of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1) but for the length.
std::uint64_t pseudo_sum(BytesView frame, const TransportPlace& place) {
  const std::uint64_t addresses = place.is_v4 ? word_sum(frame.subspan(place.ip + kIpv4SourceAt, 8))
                                              : word_sum(frame.subspan(place.ip + kIpv6SourceAt, 32));
  return addresses + static_cast<std::uint64_t>(place.protocol);
}

// The lengths in its headers are those of the frame: nothing is cut off, and there is no padding.
bool has_true_lengths(BytesView frame, const TransportPlace& place) {
  const std::uint8_t* const ip = &frame[place.ip];
  const std::size_t size = frame.size() - place.ip;
  const std::size_t said = place.is_v4 ? load_be<std::uint16_t>(ip + kIpv4LengthAt)
                                       : kIpv6HeaderSize + load_be<std::uint16_t>(ip + kIpv6LengthAt);
  if (said != size) return false;
  if (place.protocol != TransportProtocol::Udp) return true;
  return load_be<std::uint16_t>(&frame[place.start + kUdpLengthAt]) == frame.size() - place.start;
}

}  // namespace

// ---- Segmenter --------------------------------------------------------------------------------

Result<Segmenter> Segmenter::make(MutableBytes frame, const FrameInfo& info, std::size_t segment_size) {
  const auto place = find_transport(frame, info);
  if (!place || segment_size == 0 || place->payload >= frame.size()) return fail(Error::Malformed);
  if (!has_true_lengths(frame, *place)) return fail(Error::Malformed);
  if (std::min(segment_size, frame.size() - place->payload) > kFrameSizeMax - place->payload) {
    return fail(Error::TooLarge);
  }
  Segmenter segmenter{frame, *place, segment_size};
  if (segmenter.count() > kSegmentsMax) return fail(Error::TooLarge);
  return segmenter;
}

Segmenter::Segmenter(MutableBytes frame, const TransportPlace& place, std::size_t segment_size)
    : frame_(frame),
      place_(place),
      segment_size_(segment_size),
      count_((frame.size() - place.payload + segment_size - 1) / segment_size),
      at_(place.payload),
      pseudo_sum_(pseudo_sum(frame, place)) {
  std::copy_n(frame.begin(), place.payload, header_.begin());
  if (place.is_v4) {
    const BytesView ip{header_.data() + place.ip, place.start - place.ip};
    ip_sum_ = word_sum(ip.first(kIpv4LengthAt)) + word_sum(ip.subspan(6, 4)) + word_sum(ip.subspan(kIpv4SourceAt));
  }
}

MutableBytes Segmenter::next() {
  ROVE_CHECK(!done());
  const std::size_t size = std::min(segment_size_, frame_.size() - at_);
  const std::size_t offset = at_ - place_.payload;
  std::uint8_t* const to = frame_.data() + offset;
  std::memcpy(to, header_.data(), place_.payload);
  at_ += size;

  std::uint8_t* const ip = to + place_.ip;
  const std::size_t ip_size = place_.payload - place_.ip + size;
  if (place_.is_v4) {
    const auto length = static_cast<std::uint16_t>(ip_size);
    const auto id = static_cast<std::uint16_t>(load_be<std::uint16_t>(&header_[place_.ip + kIpv4IdAt]) + index_);
    store_be(ip + kIpv4LengthAt, length);
    store_be(ip + kIpv4IdAt, id);
    store_be(ip + kIpv4ChecksumAt, static_cast<std::uint16_t>(~fold_sum(ip_sum_ + length + id)));
  } else {
    store_be(ip + kIpv6LengthAt, static_cast<std::uint16_t>(ip_size - kIpv6HeaderSize));
  }

  std::uint8_t* const transport = to + place_.start;
  const auto length = static_cast<std::uint16_t>(place_.payload - place_.start + size);
  if (place_.protocol == TransportProtocol::Tcp) {
    store_be(transport + kTcpSequenceAt,
             load_be<std::uint32_t>(&header_[place_.start + kTcpSequenceAt]) + static_cast<std::uint32_t>(offset));
    std::uint8_t& flags = transport[kTcpFlagsAt];
    if (!done()) flags &= static_cast<std::uint8_t>(~(kTcpFin | kTcpPush));
    if (index_ > 0) flags &= static_cast<std::uint8_t>(~kTcpWindowReduced);
  } else {
    store_be(transport + kUdpLengthAt, length);
  }
  store_be(transport + place_.checksum_offset(), fold_sum(pseudo_sum_ + length));
  ++index_;
  return {to, place_.payload + size};
}

// ---- SegmentJoin ------------------------------------------------------------------------------

std::optional<SegmentJoin> SegmentJoin::begin(MutableBytes first, const FrameInfo& info) {
  const auto place = find_transport(first, info);
  if (!place || place->payload >= first.size() || !has_true_lengths(first, *place)) return std::nullopt;
  if (place->protocol == TransportProtocol::Tcp) {
    const std::uint8_t flags = first[place->start + kTcpFlagsAt];
    if ((flags & ~kTcpEcnEcho) != kTcpAck) return std::nullopt;
  }
  return SegmentJoin{first, *place};
}

SegmentJoin::SegmentJoin(MutableBytes first, const TransportPlace& place)
    : first_(first), place_(place), segment_size_(first.size() - place.payload), size_(first.size() - place.ip) {
  std::fill_n(mask_.begin(), place.payload, std::uint8_t{0xff});
  const auto leave_out = [&](std::size_t at, std::size_t size) {
    std::fill_n(mask_.begin() + static_cast<std::ptrdiff_t>(at), size, std::uint8_t{0});
  };
  if (place.is_v4) {
    leave_out(place.ip + kIpv4LengthAt, 2);
    leave_out(place.ip + kIpv4IdAt, 2);
    leave_out(place.ip + kIpv4ChecksumAt, 2);
  } else {
    leave_out(place.ip + kIpv6LengthAt, 2);
  }
  leave_out(place.checksum_at(), 2);
  if (place.protocol == TransportProtocol::Udp) {
    leave_out(place.start + kUdpLengthAt, 2);
  } else {
    leave_out(place.start + kTcpSequenceAt, 4);
    mask_[place.start + kTcpFlagsAt] = static_cast<std::uint8_t>(~(kTcpFin | kTcpPush));
  }
}

bool SegmentJoin::has_equal_headers(BytesView frame) const {
  std::uint64_t difference = 0;
  std::size_t at = 0;
  for (; at + sizeof difference <= place_.payload; at += sizeof difference) {
    std::uint64_t ours = 0;
    std::uint64_t theirs = 0;
    std::uint64_t mask = 0;
    std::memcpy(&ours, &first_[at], sizeof ours);
    std::memcpy(&theirs, &frame[at], sizeof theirs);
    std::memcpy(&mask, &mask_[at], sizeof mask);
    difference |= (ours ^ theirs) & mask;
  }
  for (; at < place_.payload; ++at) difference |= static_cast<std::uint8_t>((first_[at] ^ frame[at]) & mask_[at]);
  return difference == 0;
}

bool SegmentJoin::follows(BytesView frame) const {
  if (frame.size() <= place_.payload || frame.size() - place_.payload > segment_size_) return false;
  if (size_ + frame.size() - place_.payload > kIpSizeMax) return false;
  if (!has_equal_headers(frame) || !has_true_lengths(frame, place_)) return false;
  if (place_.is_v4) {
    const std::size_t at = place_.ip + kIpv4IdAt;
    const auto id = static_cast<std::uint16_t>(load_be<std::uint16_t>(&first_[at]) + count_);
    if (load_be<std::uint16_t>(&frame[at]) != id) return false;
  }
  if (place_.protocol == TransportProtocol::Udp) return true;
  const std::size_t at = place_.start + kTcpSequenceAt;
  const std::size_t before = size_ - (place_.payload - place_.ip);
  return load_be<std::uint32_t>(&frame[at]) == load_be<std::uint32_t>(&first_[at]) + static_cast<std::uint32_t>(before);
}

BytesView SegmentJoin::append(BytesView frame) {
  const bool tcp = place_.protocol == TransportProtocol::Tcp;
  if (closed_ || count_ == (tcp ? kSegmentsMax : kJoinedDatagramsMax) || !follows(frame)) return {};
  const BytesView payload = frame.subspan(place_.payload);
  const std::uint8_t flags = tcp ? frame[place_.start + kTcpFlagsAt] : std::uint8_t{0};
  closed_ = payload.size() < segment_size_ || (flags & (kTcpFin | kTcpPush)) != 0;
  ++count_;
  update_headers(payload.size(), flags);
  return payload;
}

void SegmentJoin::update_headers(std::size_t added, std::uint8_t tcp_flags) {
  size_ += added;
  std::uint8_t* const ip = first_.data() + place_.ip;
  if (place_.is_v4) {
    const std::uint16_t before = load_be<std::uint16_t>(ip + kIpv4LengthAt);
    const auto length = static_cast<std::uint16_t>(size_);
    store_be(ip + kIpv4LengthAt, length);
    store_be(ip + kIpv4ChecksumAt, updated_checksum(load_be<std::uint16_t>(ip + kIpv4ChecksumAt), before, length));
  } else {
    store_be(ip + kIpv6LengthAt, static_cast<std::uint16_t>(size_ - kIpv6HeaderSize));
  }
  std::uint8_t* const transport = first_.data() + place_.start;
  if (place_.protocol == TransportProtocol::Tcp) {
    transport[kTcpFlagsAt] |= tcp_flags;
  } else {
    store_be(transport + kUdpLengthAt, static_cast<std::uint16_t>(size_ - (place_.start - place_.ip)));
  }
  // What stands there is the pseudo-header's sum, not its complement.
  const std::uint64_t sum = load_be<std::uint16_t>(transport + place_.checksum_offset());
  store_be(transport + place_.checksum_offset(), fold_sum(sum + added));
}

}  // namespace rove
