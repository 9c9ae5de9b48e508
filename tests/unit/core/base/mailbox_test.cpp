#include "core/base/mailbox.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace rove {

TEST_CASE("Mailbox: messages come out in the order in which they went in") {
  Mailbox<int> mailbox{4};
  CHECK(mailbox.empty());
  CHECK_FALSE(mailbox.pop());

  // More rounds than slots: the ring wraps.
  for (int i = 0; i < 20; i += 2) {
    CHECK(mailbox.push(int{i}));
    CHECK(mailbox.push(i + 1));
    CHECK_FALSE(mailbox.empty());
    CHECK(mailbox.pop() == i);
    CHECK(mailbox.pop() == i + 1);
    CHECK_FALSE(mailbox.pop());
  }
}

TEST_CASE("Mailbox: a full one refuses and leaves the message alone") {
  Mailbox<std::unique_ptr<int>> mailbox{3};  // rounded up to 4
  for (int i = 0; i < 4; ++i) REQUIRE(mailbox.push(std::make_unique<int>(i)));
  auto fifth = std::make_unique<int>(4);

  CHECK_FALSE(mailbox.push(std::move(fifth)));
  REQUIRE(fifth);
  CHECK(*fifth == 4);

  CHECK(**mailbox.pop() == 0);
  CHECK(mailbox.push(std::move(fifth)));
  CHECK_FALSE(fifth);
  for (int i = 1; i <= 4; ++i) CHECK(**mailbox.pop() == i);
}

TEST_CASE("Mailbox: it keeps nothing of a message that was taken, and frees what was not") {
  const auto shared = std::make_shared<int>(1);
  {
    Mailbox<std::shared_ptr<int>> mailbox{4};
    REQUIRE(mailbox.push(std::shared_ptr<int>{shared}));
    REQUIRE(mailbox.push(std::shared_ptr<int>{shared}));
    CHECK(shared.use_count() == 3);
    CHECK(mailbox.pop());
    CHECK(shared.use_count() == 2);
  }
  CHECK(shared.use_count() == 1);
}

TEST_CASE("Mailbox: two threads lose, repeat and mix up nothing") {
  constexpr std::uint64_t kMessages = 100'000;
  Mailbox<std::string> mailbox{64};
  std::thread producer{[&mailbox] {
    for (std::uint64_t i = 0; i < kMessages; ++i) {
      std::string message = "message number " + std::to_string(i);  // longer than a string's own buffer
      while (!mailbox.push(std::move(message))) std::this_thread::yield();
    }
  }};

  std::uint64_t next = 0;
  std::uint64_t wrong = 0;
  while (next < kMessages) {
    const auto message = mailbox.pop();
    if (!message) {
      std::this_thread::yield();
      continue;
    }
    if (*message != "message number " + std::to_string(next)) ++wrong;
    ++next;
  }
  producer.join();

  CHECK(wrong == 0);
  CHECK(mailbox.empty());
}

}  // namespace rove
