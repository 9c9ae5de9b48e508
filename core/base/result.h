// Result<T>: the outcome of an operation that is expected to fail at times.
#pragma once

#include <system_error>
#include <tl/expected.hpp>

namespace rove {

// What a peer, a file or an operator got wrong. One enum for the whole protocol, so that each
// error has one name in logs, counters and tests. Packets use DropReason instead.
enum class Error {
  Truncated = 1,      // the input ended before the value did
  Malformed,          // the bytes do not have the documented layout
  TooLarge,           // a length or count is over its documented limit
  UnknownVersion,     // a version that this build does not speak
  BadSignature,       // an Ed25519 or X.509 signature does not verify
  Undecryptable,      // an AEAD tag does not verify
  NotAllowed,         // a certificate does not allow what was claimed
  WrongNetwork,       // the credential or message belongs to another network
  NotYetValid,        // the validity period has not begun
  Expired,            // the validity period is over
  Revoked,            // the key stands on the revocation list
  Stale,              // older than what is known already
  FromTheFuture,      // its clock part is too far ahead of ours
  Replayed,           // seen before
  LimitReached,       // a bounded table is full
  Unknown,            // refers to something that does not exist here
  NoCommonAlgorithm,  // the two sides share no AEAD or version
  WeakKey,            // a small-order point or an all-zero shared secret
  WrongState,         // the operation does not fit the state of the object
  Unavailable,        // the service that would answer is not reachable now
};

[[nodiscard]] const std::error_category& error_category() noexcept;
[[nodiscard]] std::error_code make_error_code(Error error) noexcept;

template <typename T>
using Result = tl::expected<T, std::error_code>;

// Shorthand for `return fail(Error::Truncated);`.
[[nodiscard]] inline tl::unexpected<std::error_code> fail(Error error) {
  return tl::make_unexpected(make_error_code(error));
}

}  // namespace rove

template <>
struct std::is_error_code_enum<rove::Error> : std::true_type {};
