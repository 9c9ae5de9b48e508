// Invariants of our own. A peer's or an operator's fault is never a ROVE_CHECK.
#pragma once

namespace rove {

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace rove

#define ROVE_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::rove::check_failed(#condition, __FILE__, __LINE__))
