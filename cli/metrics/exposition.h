// Prometheus' text format, version 0.0.4.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/histogram.h"

namespace rove {

enum class MetricType { Counter, Gauge, Histogram };
[[nodiscard]] std::string_view to_string(MetricType type);

// Builds the text, one family after the other.
class Exposition {
 public:
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::initializer_list<Label>;

  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  // Begins a family; its samples follow.
  void begin(std::string_view name, MetricType type, std::string_view help);
  void add(std::uint64_t value, Labels labels = {});
  void add_seconds(double seconds);
  // All samples of a histogram, in seconds.
  void add(const DurationHistogram& histogram);
  // A family with one sample.
  void gauge(std::string_view name, std::string_view help, std::uint64_t value);

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  void write(std::string_view suffix, Labels labels, std::string_view value);

  std::string name_;
  std::string text_;
};

}  // namespace rove
