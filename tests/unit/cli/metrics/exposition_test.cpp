#include "cli/metrics/exposition.h"

#include <doctest/doctest.h>

namespace rove {

TEST_CASE("Exposition: a family, its samples and their labels, as the format says") {
  Exposition out;
  out.begin("rove_drops_total", MetricType::Counter, "What was not delivered.");
  out.add(7, {{"reason", "replayed"}});
  out.add(18'446'744'073'709'551'615ULL, {{"reason", "bad \"x\"\\\n"}, {"lane", "1"}});
  out.gauge("rove_usable", "A line\nand a \\.", 1);

  CHECK(out.take() ==
        "# HELP rove_drops_total What was not delivered.\n"
        "# TYPE rove_drops_total counter\n"
        "rove_drops_total{reason=\"replayed\"} 7\n"
        "rove_drops_total{reason=\"bad \\\"x\\\"\\\\\\n\",lane=\"1\"} 18446744073709551615\n"
        "# HELP rove_usable A line\\nand a \\\\.\n"
        "# TYPE rove_usable gauge\n"
        "rove_usable 1\n");
}

TEST_CASE("Exposition: a histogram is cumulative and in seconds") {
  DurationHistogram histogram;
  histogram.add(std::chrono::microseconds{1'500});
  histogram.add(std::chrono::seconds{60});
  Exposition out;
  out.begin("rove_move_claim_seconds", MetricType::Histogram, "Moves.");
  out.add(histogram);

  const std::string text = out.take();
  CHECK(text.find("rove_move_claim_seconds_bucket{le=\"0.001\"} 0\n") != std::string::npos);
  CHECK(text.find("rove_move_claim_seconds_bucket{le=\"0.002\"} 1\n") != std::string::npos);
  CHECK(text.find("rove_move_claim_seconds_bucket{le=\"5\"} 1\n") != std::string::npos);
  CHECK(text.find("rove_move_claim_seconds_bucket{le=\"+Inf\"} 2\n") != std::string::npos);
  CHECK(text.find("rove_move_claim_seconds_sum 60.0015\n") != std::string::npos);
  CHECK(text.find("rove_move_claim_seconds_count 2\n") != std::string::npos);
}

}  // namespace rove
