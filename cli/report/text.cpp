#include "cli/report/text.h"

#include <fmt/format.h>

#include <array>
#include <ctime>

namespace rove {

std::string join_texts(const ReportJson& list) {
  std::string text;
  for (const ReportJson& entry : list) text += (text.empty() ? "" : ",") + entry.get<std::string>();
  return text;
}

std::string text_or_empty(const ReportJson& value) {
  return value.is_string() ? value.get<std::string>() : std::string{};
}

std::string age_or_empty(const ReportJson& ms) {
  return ms.is_number() ? format_age(ms.get<long long>()) : std::string{};
}

std::string format_rtt(const ReportJson& us) {
  if (!us.is_number()) return {};
  const auto number = us.get<long long>();
  if (number < 10'000) return std::to_string(number) + "us";
  return std::to_string(number / 1000) + "ms";
}

std::string format_ms(long long us) {
  const double ms = static_cast<double>(us) / 1000;
  const int digits = ms < 10 ? 2 : ms < 100 ? 1 : 0;
  return fmt::format("{:.{}f} ms", ms, digits);
}

std::string format_offset(const ReportJson& us) {
  if (!us.is_number()) return {};
  const auto number = us.get<long long>();
  if (number >= 10'000'000) return "+" + format_age(number / 1000);
  if (number >= 1'000'000) {
    const std::string hundredths = std::to_string(100 + number / 10'000 % 100);
    return "+" + std::to_string(number / 1'000'000) + "." + hundredths.substr(1) + "s";
  }
  if (number >= 100'000) return "+" + std::to_string(number / 1000) + "ms";
  const std::string hundredths = std::to_string(100 + number / 10 % 100);
  return "+" + std::to_string(number / 1000) + "." + hundredths.substr(1) + "ms";
}

std::string format_octets(double octets) {
  constexpr std::array<const char*, 5> kUnits{"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  // 999.95 would be shown as 1000.0.
  while (octets >= 999.95 && unit + 1 < kUnits.size()) {
    octets /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", octets, unit == 0 ? 0 : 1, kUnits[unit]);
}

std::string format_time(const ReportJson& unix_ms) {
  const auto time = unix_ms.get<std::int64_t>();
  const auto seconds = static_cast<std::time_t>(time / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  const std::string milliseconds = std::to_string(1000 + time % 1000);
  return std::string{text.data(), size} + "." + milliseconds.substr(1) + "Z";
}

std::string render_field(std::string_view name, std::string_view value, const TextStyle& style) {
  constexpr std::size_t kNameWidth = 13;
  std::string line = paint(name, Tone::Strong, style);
  line += style.terminal ? std::string(kNameWidth - name.size(), ' ') : "\t";
  line += clean_cell(value);
  return line + '\n';
}

}  // namespace rove
