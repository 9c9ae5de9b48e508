#include "core/base/result.h"

#include <string>

namespace rove {
namespace {

class Category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "rove"; }
  std::string message(int value) const override {
    switch (static_cast<Error>(value)) {
      case Error::Truncated: return "truncated";
      case Error::Malformed: return "malformed";
      case Error::TooLarge: return "too large";
      case Error::UnknownVersion: return "unknown version";
      case Error::BadSignature: return "bad signature";
      case Error::Undecryptable: return "does not decrypt";
      case Error::NotAllowed: return "not allowed by the certificate";
      case Error::WrongNetwork: return "belongs to another network";
      case Error::NotYetValid: return "not valid yet";
      case Error::Expired: return "expired";
      case Error::Revoked: return "revoked";
      case Error::Stale: return "older than what is known";
      case Error::FromTheFuture: return "clock too far ahead";
      case Error::Replayed: return "replayed";
      case Error::LimitReached: return "limit reached";
      case Error::Unknown: return "unknown";
      case Error::NoCommonAlgorithm: return "no common algorithm or version";
      case Error::WeakKey: return "weak key";
      case Error::WrongState: return "not possible in this state";
      case Error::Unavailable: return "not available now";
    }
    return "unknown error";
  }
};

}  // namespace

const std::error_category& error_category() noexcept {
  static const Category category;
  return category;
}

std::error_code make_error_code(Error error) noexcept {
  return {static_cast<int>(error), error_category()};
}

}  // namespace rove
