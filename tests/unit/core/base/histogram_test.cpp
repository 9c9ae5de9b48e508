#include "core/base/histogram.h"

#include <doctest/doctest.h>

namespace rove {

TEST_CASE("DurationHistogram: counts by upper bounds that belong to their bucket, each with those below it") {
  using std::chrono::milliseconds;
  constexpr std::size_t kAll = DurationHistogram::kBounds.size();
  DurationHistogram histogram;
  CHECK(histogram.count_up_to(kAll) == 0);

  for (const int ms : {0, 1, 2, 60, 5'000, 5'001, 3'600'000}) histogram.add(milliseconds{ms});

  CHECK(histogram.count_up_to(0) == 2);   // 1 ms
  CHECK(histogram.count_up_to(1) == 3);   // 2 ms
  CHECK(histogram.count_up_to(5) == 3);   // 50 ms
  CHECK(histogram.count_up_to(6) == 4);   // 100 ms
  CHECK(histogram.count_up_to(11) == 5);  // 5 s
  CHECK(histogram.count_up_to(kAll) == 7);
  CHECK(histogram.sum() == milliseconds{0 + 1 + 2 + 60 + 5'000 + 5'001 + 3'600'000});
}

}  // namespace rove
