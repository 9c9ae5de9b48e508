// DER (X.690), as much of it as rove reads itself: definite lengths in their shortest form, one-octet tags.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"

namespace rove {

enum class DerTag : std::uint8_t { BitString = 0x03, OctetString = 0x04, Null = 0x05, Sequence = 0x30 };

// Cursor over DER values. After a failure every further read gives nothing and ok() is false: check once, at the
// end, as with Reader.
class DerReader {
 public:
  explicit DerReader(BytesView der) : rest_(der) {}

  // The content of the next value, which must have this tag; borrowed from the input.
  [[nodiscard]] BytesView read(DerTag tag);
  [[nodiscard]] bool next_is(DerTag tag) const;

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool has_more() const { return ok_ && !rest_.empty(); }
  // True when everything was read and nothing was wrong.
  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

 private:
  BytesView refuse();

  BytesView rest_;
  bool ok_ = true;
};

// Appends one value. `content` has at most 65,535 octets (ROVE_CHECKed).
void write_der(Bytes& out, DerTag tag, BytesView content);

}  // namespace rove
