// The signed envelope of every record. docs/protocol.md §6.
//
//  0x92 ‖ bin(body) ‖ 0xc4 0x40 ‖ signature (64)          bin: 0xc4 size u8, or 0xc5 size u16 above 255
//
// It is msgpack, as OpenDHT's users expect, but of one fixed shape: so it is read by hand, and there is exactly
// one encoding of every record.
#pragma once

#include <string_view>

#include "core/base/bytes.h"
#include "core/base/ids.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/crypto/keys.h"

namespace rove {

// 9999-12-31, as in X.509 (RFC 5280 §4.1.2.5). Later times are malformed, so that sums of times never overflow.
inline constexpr std::uint64_t kUnixMsMax = 253'402'300'799'999;

// The parts of an encoded record. `body` is borrowed from the input.
struct RecordParts {
  BytesView body;
  Signature signature;
};

// Errors: TooLarge (over kRecordSizeMax), Truncated, Malformed.
[[nodiscard]] Result<RecordParts> split_record(BytesView encoded);

// Signs domain ‖ network id ‖ body and joins the parts. A result over kRecordSizeMax is a ROVE_CHECK.
[[nodiscard]] Bytes sign_record(std::string_view domain, const NetworkId& network, BytesView body,
                                const SigningSeed& seed);
[[nodiscard]] bool verify_record(std::string_view domain, const NetworkId& network, const RecordParts& parts,
                                 const NodeKey& key);

}  // namespace rove
