#include "core/identity/pem.h"

#include <algorithm>
#include <optional>

namespace rove {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kLineSize = 64;  // RFC 7468 §2
constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";

// SEQUENCE { INTEGER 0, SEQUENCE { OID 1.3.101.112 }, OCTET STRING { OCTET STRING seed } }
constexpr std::array<std::uint8_t, 16> kPrivateKeyHead{0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                                       0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

std::string encode_base64(BytesView bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? bytes[i + j] : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += j <= count ? kAlphabet[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

// RFC 4648 §4, with padding and zero bits in it: one text for each value.
std::optional<Bytes> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool is_last = i + 4 == text.size();
    const std::size_t padding = !is_last || text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const std::size_t digit = j < 4 - padding ? kAlphabet.find(text[i + j]) : 0;
      if (digit == std::string_view::npos) return std::nullopt;
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    if ((group & ((1U << 8 * padding) - 1)) != 0) return std::nullopt;
    for (std::size_t j = 0; j < 3 - padding; ++j) bytes.push_back(static_cast<std::uint8_t>(group >> (16 - 8 * j)));
  }
  return bytes;
}

// The next line without its end, taken off `text`.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// "CERTIFICATE" of "-----BEGIN CERTIFICATE-----".
std::optional<std::string_view> label_of(std::string_view line, std::string_view head) {
  if (!line.starts_with(head) || !line.ends_with(kDashes) || line.size() < head.size() + kDashes.size()) {
    return std::nullopt;
  }
  return line.substr(head.size(), line.size() - head.size() - kDashes.size());
}

}  // namespace

std::string encode_pem(std::string_view label, BytesView bytes) {
  const std::string base64 = encode_base64(bytes);
  std::string text;
  text.append(kBegin).append(label).append(kDashes).append("\n");
  for (std::size_t i = 0; i < base64.size(); i += kLineSize) text.append(base64, i, kLineSize).append("\n");
  text.append(kEnd).append(label).append(kDashes).append("\n");
  return text;
}

Result<std::vector<PemBlock>> parse_pem(std::string_view text) {
  std::vector<PemBlock> blocks;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) continue;
    const auto label = label_of(line, kBegin);
    if (!label || label->empty()) return fail(Error::Malformed);
    if (blocks.size() == kPemBlocksMax) return fail(Error::TooLarge);
    std::string base64;
    for (;;) {
      if (text.empty()) return fail(Error::Truncated);
      const std::string_view next = take_line(text);
      if (const auto end = label_of(next, kEnd)) {
        if (*end != *label) return fail(Error::Malformed);
        break;
      }
      base64.append(next);
    }
    auto bytes = decode_base64(base64);
    if (!bytes) return fail(Error::Malformed);
    blocks.push_back({std::string{*label}, std::move(*bytes)});
  }
  return blocks;
}

Bytes encode_private_key(const SigningSeed& seed) {
  Bytes der{kPrivateKeyHead.begin(), kPrivateKeyHead.end()};
  der.insert(der.end(), seed.expose().begin(), seed.expose().end());
  return der;
}

Result<SigningSeed> decode_private_key(BytesView der) {
  Reader from{der};
  if (from.read_array<kPrivateKeyHead.size()>() != kPrivateKeyHead) return fail(Error::Malformed);
  SigningSeed seed{from.read_array<SigningSeed::kSize>()};
  if (!from.done()) return fail(Error::Malformed);
  return seed;
}

}  // namespace rove
