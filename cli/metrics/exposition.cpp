#include "cli/metrics/exposition.h"

#include <fmt/format.h>

#include <chrono>

namespace rove {
namespace {

// In a help text a quote stands for itself.
std::string escape(std::string_view text, bool in_quotes) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\n') {
      escaped += "\\n";
      continue;
    }
    if (c == '\\' || (c == '"' && in_quotes)) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

// The shortest text that reads back as the same number.
std::string to_text(double value) {
  return fmt::format("{}", value);
}

}  // namespace

std::string_view to_string(MetricType type) {
  switch (type) {
    case MetricType::Counter: return "counter";
    case MetricType::Gauge: return "gauge";
    case MetricType::Histogram: return "histogram";
  }
  return "untyped";
}

void Exposition::begin(std::string_view name, MetricType type, std::string_view help) {
  name_ = name;
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escape(help, false), name, to_string(type));
}

void Exposition::add(std::uint64_t value, Labels labels) {
  write("", labels, std::to_string(value));
}

void Exposition::add_seconds(double seconds) {
  write("", {}, to_text(seconds));
}

void Exposition::add(const DurationHistogram& histogram) {
  const auto& bounds = DurationHistogram::kBounds;
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const std::string bound = to_text(static_cast<double>(bounds[i]) / 1000);
    write("_bucket", {{"le", bound}}, std::to_string(histogram.count_up_to(i)));
  }
  const std::string all = std::to_string(histogram.count_up_to(bounds.size()));
  write("_bucket", {{"le", "+Inf"}}, all);
  write("_sum", {}, to_text(std::chrono::duration<double>(histogram.sum()).count()));
  write("_count", {}, all);
}

void Exposition::gauge(std::string_view name, std::string_view help, std::uint64_t value) {
  begin(name, MetricType::Gauge, help);
  add(value);
}

void Exposition::write(std::string_view suffix, Labels labels, std::string_view value) {
  text_ += name_;
  text_ += suffix;
  char before = '{';
  for (const auto& [name, content] : labels) {
    text_ += fmt::format("{}{}=\"{}\"", before, name, escape(content, true));
    before = ',';
  }
  if (labels.size() > 0) text_ += '}';
  text_ += fmt::format(" {}\n", value);
}

}  // namespace rove
