#include "core/replay/delivery_count.h"

#include <doctest/doctest.h>

namespace rove {
namespace {

// The device's index is 100 when the port has counted 7,000.
struct Queue {
  void sample(std::uint16_t used, std::uint64_t read_before, std::uint64_t read_after) {
    count.handle_sample(used, read_before, read_after);
  }
  // So that what came before counts.
  void agree(std::uint16_t used, std::uint64_t read) {
    for (unsigned i = 1; i < kAgreeingSamples; ++i) count.handle_sample(used, read, read);
  }
  DeliveryCount count;
};

TEST_CASE("DeliveryCount: what was read since nothing was given to the guest is the difference") {
  Queue queue;
  queue.sample(90, 6990, 6990);
  queue.agree(100, 7000);

  CHECK(queue.count.delivered(100) == 7000);
  CHECK(queue.count.delivered(130) == 7030);
}

TEST_CASE("DeliveryCount: nothing is known without samples, or after too few, or while the port counts in each") {
  Queue queue;
  CHECK_FALSE(queue.count.delivered(100));

  queue.sample(100, 7000, 7000);
  CHECK_FALSE(queue.count.delivered(100));

  for (unsigned i = 0; i < kAgreeingSamples; ++i) queue.sample(105, 7004, 7006);
  CHECK(queue.count.delivered(105) == 7005);
  queue.count = {};
  for (unsigned i = 0; i < 2 * kAgreeingSamples; ++i) queue.sample(105, 7004, 7006);
  CHECK_FALSE(queue.count.delivered(105));
}

TEST_CASE("DeliveryCount: samples that are no exact ones make an exact one together") {
  Queue queue;
  queue.sample(100, 6999, 7000);
  queue.sample(101, 7000, 7003);
  queue.sample(105, 7002, 7008);
  CHECK_FALSE(queue.count.delivered(105));
  queue.sample(110, 7010, 7012);

  CHECK(queue.count.delivered(111) == 7011);
}

TEST_CASE("DeliveryCount: the index goes round") {
  Queue queue;
  queue.sample(65'530, 7000, 7000);
  queue.agree(10, 7016);

  CHECK(queue.count.delivered(12) == 7018);
  CHECK(queue.count.delivered(9) == 7016 + 65'535);
}

TEST_CASE("DeliveryCount: after a frame of several buffers, or one that was filtered out, it counts anew") {
  Queue queue;
  queue.sample(100, 7000, 7000);
  queue.agree(100, 7000);

  queue.sample(110, 7008, 7008);  // one of three buffers
  CHECK_FALSE(queue.count.delivered(111));
  queue.agree(110, 7008);
  CHECK(queue.count.delivered(111) == 7009);

  queue.sample(111, 7014, 7014);  // five that the guest was not to see
  CHECK_FALSE(queue.count.delivered(111));
  queue.agree(111, 7014);
  CHECK(queue.count.delivered(112) == 7015);
}

TEST_CASE("DeliveryCount: more buffers than the port has ever counted is fine") {
  Queue queue;
  queue.sample(60'000, 3, 3);
  queue.agree(60'002, 5);

  CHECK(queue.count.delivered(60'004) == 7);
}

}  // namespace
}  // namespace rove
