#include "core/node/address_budget.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

constexpr TimePoint kStart{std::chrono::seconds{100}};

Endpoint endpoint(std::uint16_t port) {
  const std::array<std::uint8_t, 4> octets{192, 0, 2, 1};
  return {IpAddress::v4(octets.data()), port};
}

}  // namespace

TEST_CASE("AddressBudget: in answer to a stranger at most three times its bytes go out, beside a bootstrap's few") {
  AddressBudget budget;
  budget.handle_received(kStart, endpoint(1), 100);

  std::size_t sent = 0;
  for (int i = 0; i < 1000; ++i) {
    if (budget.take(kStart, endpoint(1), 100)) sent += 100;
  }

  CHECK(sent >= 3 * 100);
  CHECK(sent <= 3 * 100 + kUnaskedBytes);
}

TEST_CASE("AddressBudget: unasked bytes to an address that never answers are limited") {
  AddressBudget budget;
  std::size_t sent = 0;
  for (int i = 0; i < 1000; ++i) {
    if (budget.take(kStart, endpoint(1), 100)) sent += 100;
  }
  CHECK(sent <= kUnaskedBytes);
  CHECK(budget.take(kStart + kUnaskedInterval, endpoint(1), 100));
}

TEST_CASE("AddressBudget: an address that answers, or shook hands, is free of it until it is silent for long") {
  AddressBudget budget;
  CHECK(budget.take(kStart, endpoint(1), 100));
  budget.handle_received(kStart, endpoint(1), 50);
  budget.set_proven(kStart, endpoint(2));

  for (int i = 0; i < 1000; ++i) {
    CHECK(budget.take(kStart, endpoint(1), 1300));
    CHECK(budget.take(kStart, endpoint(2), 1300));
  }

  const TimePoint later = kStart + kProofTime + Duration{1};
  std::size_t sent = 0;
  for (int i = 0; i < 1000; ++i) {
    if (budget.take(later, endpoint(2), 1300)) sent += 1300;
  }
  CHECK(sent <= kUnaskedBytes);
}

TEST_CASE("AddressBudget: an envelope in answer to our answer proves nothing") {
  AddressBudget budget;
  budget.handle_received(kStart, endpoint(1), 1000);
  CHECK(budget.take(kStart, endpoint(1), 1000));
  budget.handle_received(kStart, endpoint(1), 10);

  std::size_t sent = 0;
  for (int i = 0; i < 1000; ++i) {
    if (budget.take(kStart, endpoint(1), 1000)) sent += 1000;
  }

  CHECK(sent <= 3 * 1010 + kUnaskedBytes);
}

}  // namespace rove
