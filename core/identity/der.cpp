#include "core/identity/der.h"

#include "core/base/check.h"

namespace rove {
namespace {

constexpr std::uint8_t kLongForm = 0x80;  // X.690 §8.1.3.5; the low bits count the octets of the length
constexpr std::size_t kShortMax = 127;
constexpr std::size_t kOneOctetMax = 255;
constexpr std::size_t kTwoOctetsMax = 65535;

}  // namespace

BytesView DerReader::refuse() {
  ok_ = false;
  rest_ = {};
  return {};
}

BytesView DerReader::read(DerTag tag) {
  Reader from{rest_};
  const auto actual = from.read<std::uint8_t>();
  const auto first = from.read<std::uint8_t>();
  if (!from.ok() || actual != static_cast<std::uint8_t>(tag)) return refuse();
  std::size_t size = first;
  if (first == (kLongForm | 1)) {
    size = from.read<std::uint8_t>();
    if (size <= kShortMax) return refuse();
  } else if (first == (kLongForm | 2)) {
    size = from.read<std::uint16_t>();
    if (size <= kOneOctetMax) return refuse();
  } else if (first >= kLongForm) {
    return refuse();  // indefinite, or longer than anything rove reads
  }
  const BytesView content = from.read_bytes(size);
  if (!from.ok()) return refuse();
  rest_ = from.rest();
  return content;
}

bool DerReader::next_is(DerTag tag) const {
  return ok_ && !rest_.empty() && rest_.front() == static_cast<std::uint8_t>(tag);
}

void write_der(Bytes& out, DerTag tag, BytesView content) {
  ROVE_CHECK(content.size() <= kTwoOctetsMax);
  Writer to{out};
  to.write(static_cast<std::uint8_t>(tag));
  if (content.size() <= kShortMax) {
    to.write(static_cast<std::uint8_t>(content.size()));
  } else if (content.size() <= kOneOctetMax) {
    to.write(static_cast<std::uint8_t>(kLongForm | 1));
    to.write(static_cast<std::uint8_t>(content.size()));
  } else {
    to.write(static_cast<std::uint8_t>(kLongForm | 2));
    to.write(static_cast<std::uint16_t>(content.size()));
  }
  to.write_bytes(content);
}

}  // namespace rove
