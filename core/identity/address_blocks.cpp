#include "core/identity/address_blocks.h"

#include <algorithm>
#include <optional>

#include "core/base/check.h"
#include "core/identity/der.h"

namespace rove {
namespace {

constexpr std::uint16_t kAfiV4 = 1;  // iana.org/assignments/address-family-numbers
constexpr std::uint16_t kAfiV6 = 2;
constexpr std::uint16_t kAfiNone = 0;

// All addresses of one family from `first` to `last`.
struct Range {
  IpAddress first;
  IpAddress last;
};

using Octets = std::array<std::uint8_t, 16>;

Octets octets_of(const IpAddress& ip) {
  Octets octets{};
  std::copy(ip.bytes().begin(), ip.bytes().end(), octets.begin());
  return octets;
}

IpAddress make_ip(const Octets& octets, IpAddress::Family family) {
  return family == IpAddress::Family::V4 ? IpAddress::v4(octets.data()) : IpAddress::v6(octets.data());
}

std::size_t bit_count(const IpAddress& ip) {
  return ip.size() * 8;
}

bool bit_at(const IpAddress& ip, std::size_t index) {
  return (ip.bytes()[index / 8] >> (7 - index % 8) & 1) != 0;
}

// `ip` with all bits from `length` on set to `value`.
IpAddress with_host_bits(const IpAddress& ip, std::size_t length, bool value) {
  Octets octets = octets_of(ip);
  for (std::size_t bit = length; bit < bit_count(ip); ++bit) {
    const auto mask = static_cast<std::uint8_t>(0x80U >> bit % 8);
    if (value) {
      octets[bit / 8] |= mask;
    } else {
      octets[bit / 8] &= static_cast<std::uint8_t>(~mask);
    }
  }
  return make_ip(octets, ip.family());
}

// The length of `ip` without the bits at its end that equal `value`.
std::size_t significant_bits(const IpAddress& ip, bool value) {
  std::size_t length = bit_count(ip);
  while (length > 0 && bit_at(ip, length - 1) == value) --length;
  return length;
}

// The next address; nullopt after the last of its family.
std::optional<IpAddress> successor(const IpAddress& ip) {
  Octets octets = octets_of(ip);
  for (std::size_t i = ip.size(); i-- > 0;) {
    if (++octets[i] != 0) return make_ip(octets, ip.family());
  }
  return std::nullopt;
}

Range range_of(const Prefix& prefix) {
  return {prefix.address, with_host_bits(prefix.address, prefix.length, true)};
}

// The largest prefix that starts where the range starts and does not pass its end.
Prefix leading_prefix(const Range& range) {
  std::size_t length = significant_bits(range.first, false);
  while (with_host_bits(range.first, length, true) > range.last) ++length;
  return {range.first, static_cast<std::uint8_t>(length)};
}

// Sorted, and neighbours joined.
std::vector<Range> joined(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  std::vector<Range> result;
  for (const Range& range : ranges) {
    const bool same_family = !result.empty() && result.back().first.family() == range.first.family();
    if (same_family) {
      const auto next = successor(result.back().last);
      if (!next || range.first <= *next) {
        result.back().last = std::max(result.back().last, range.last);
        continue;
      }
    }
    result.push_back(range);
  }
  return result;
}

std::vector<Range> ranges_of(const std::vector<Prefix>& prefixes) {
  std::vector<Range> ranges;
  ranges.reserve(prefixes.size());
  for (const Prefix& prefix : prefixes) ranges.push_back(range_of(prefix));
  return joined(std::move(ranges));
}

// Splits joined ranges. Stops above `limit`.
std::vector<Prefix> prefixes_of(const std::vector<Range>& ranges, std::size_t limit) {
  std::vector<Prefix> prefixes;
  for (Range rest : ranges) {
    while (prefixes.size() <= limit) {
      prefixes.push_back(leading_prefix(rest));
      const IpAddress end = range_of(prefixes.back()).last;
      if (end == rest.last) break;
      rest.first = *successor(end);
    }
  }
  return prefixes;
}

// The first `length` bits of `ip` as a BIT STRING (X.690 §8.6): unused bits of the last octet, octets.
void write_bits(Bytes& out, const IpAddress& ip, std::size_t length) {
  const IpAddress masked = with_host_bits(ip, length, false);
  const std::size_t size = (length + 7) / 8;
  Bytes content{static_cast<std::uint8_t>(size * 8 - length)};
  content.insert(content.end(), masked.bytes().begin(), masked.bytes().begin() + static_cast<std::ptrdiff_t>(size));
  write_der(out, DerTag::BitString, content);
}

Bytes encode_ranges(const std::vector<Range>& ranges) {
  Bytes blocks;
  for (const auto family : {IpAddress::Family::V4, IpAddress::Family::V6}) {
    Bytes choices;
    for (const Range& range : ranges) {
      if (range.first.family() != family) continue;
      if (const Prefix prefix = leading_prefix(range); range_of(prefix).last == range.last) {
        write_bits(choices, prefix.address, prefix.length);
        continue;
      }
      Bytes ends;
      write_bits(ends, range.first, significant_bits(range.first, false));
      write_bits(ends, range.last, significant_bits(range.last, true));
      write_der(choices, DerTag::Sequence, ends);
    }
    if (choices.empty()) continue;
    std::array<std::uint8_t, 2> afi{};
    store_be(afi.data(), family == IpAddress::Family::V4 ? kAfiV4 : kAfiV6);
    Bytes block;
    write_der(block, DerTag::OctetString, afi);
    write_der(block, DerTag::Sequence, choices);
    write_der(blocks, DerTag::Sequence, block);
  }
  Bytes der;
  write_der(der, DerTag::Sequence, blocks);
  return der;
}

// The address that a BIT STRING begins, with the other bits set to `fill`, and how many bits it had.
std::optional<Prefix> read_bits(DerReader& from, IpAddress::Family family, bool fill) {
  const BytesView content = from.read(DerTag::BitString);
  const std::size_t size_max = family == IpAddress::Family::V4 ? 4 : 16;
  if (content.empty() || content.size() - 1 > size_max) return std::nullopt;
  const std::size_t unused = content[0];
  const std::size_t bits = (content.size() - 1) * 8;
  if (unused > 7 || unused > bits) return std::nullopt;
  Octets octets{};
  std::copy(content.begin() + 1, content.end(), octets.begin());
  const std::size_t length = bits - unused;
  return Prefix{with_host_bits(make_ip(octets, family), length, fill), static_cast<std::uint8_t>(length)};
}

std::optional<Range> read_choice(DerReader& from, IpAddress::Family family) {
  if (!from.next_is(DerTag::Sequence)) {
    const auto prefix = read_bits(from, family, false);
    return prefix ? std::optional{range_of(*prefix)} : std::nullopt;
  }
  DerReader ends{from.read(DerTag::Sequence)};
  const auto first = read_bits(ends, family, false);
  const auto last = read_bits(ends, family, true);
  if (!first || !last || !ends.done() || last->address < first->address) return std::nullopt;
  return Range{first->address, last->address};
}

}  // namespace

Bytes encode_address_blocks(const std::vector<Prefix>& prefixes) {
  ROVE_CHECK(!prefixes.empty());
  return encode_ranges(ranges_of(prefixes));
}

Result<std::vector<Prefix>> decode_address_blocks(BytesView der) {
  if (der.size() > kAddressBlocksSizeMax) return fail(Error::TooLarge);
  DerReader from{der};
  DerReader blocks{from.read(DerTag::Sequence)};
  std::vector<Range> ranges;
  while (blocks.has_more()) {
    DerReader block{blocks.read(DerTag::Sequence)};
    const BytesView family_id = block.read(DerTag::OctetString);
    const std::uint16_t afi = family_id.size() == 2 ? load_be<std::uint16_t>(family_id.data()) : kAfiNone;
    if (afi != kAfiV4 && afi != kAfiV6) return fail(Error::Malformed);
    const auto family = afi == kAfiV4 ? IpAddress::Family::V4 : IpAddress::Family::V6;
    DerReader choices{block.read(DerTag::Sequence)};
    while (choices.has_more()) {
      const auto range = read_choice(choices, family);
      if (!range) return fail(Error::Malformed);
      ranges.push_back(*range);
    }
    if (!choices.done() || !block.done()) return fail(Error::Malformed);
  }
  if (!blocks.done() || !from.done() || ranges.empty()) return fail(Error::Malformed);
  ranges = joined(std::move(ranges));
  // Order, gaps, the choice between prefix and range, and the bits: all are right if we would write it so.
  if (const Bytes canonical = encode_ranges(ranges);
      !std::equal(der.begin(), der.end(), canonical.begin(), canonical.end())) {
    return fail(Error::Malformed);
  }
  std::vector<Prefix> prefixes = prefixes_of(ranges, kPrefixesMax);
  if (prefixes.size() > kPrefixesMax) return fail(Error::TooLarge);
  return prefixes;
}

std::vector<Prefix> simplified(const std::vector<Prefix>& prefixes) {
  // Joining never makes more of them, so there is no other limit.
  return prefixes_of(ranges_of(prefixes), prefixes.size());
}

bool is_subset(const std::vector<Prefix>& inner, const std::vector<Prefix>& outer) {
  // A prefix that is covered by several of the fewest prefixes is covered by one of them.
  return std::all_of(inner.begin(), inner.end(), [&outer](const Prefix& prefix) {
    return std::any_of(outer.begin(), outer.end(), [&prefix](const Prefix& of) { return of.contains(prefix); });
  });
}

}  // namespace rove
