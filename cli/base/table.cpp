#include "cli/base/table.h"

#include <algorithm>

#include "core/base/check.h"

namespace rove {
namespace {

std::string_view code_of(Tone tone) {
  switch (tone) {
    case Tone::Plain: return "";
    case Tone::Strong: return "\033[1m";
    case Tone::Good: return "\033[32m";
    case Tone::Bad: return "\033[31m";
    case Tone::Faint: return "\033[2m";
  }
  return "";
}

std::string two_digits(long long value) {
  return (value < 10 ? "0" : "") + std::to_string(value);
}

}  // namespace

std::string paint(std::string_view text, Tone tone, const TextStyle& style) {
  if (!style.color || tone == Tone::Plain) return std::string{text};
  return std::string{code_of(tone)} + std::string{text} + "\033[0m";
}

std::string clean_cell(std::string_view text) {
  if (text.empty()) return "-";
  std::string clean{text};
  std::replace_if(clean.begin(), clean.end(), [](char c) { return c < ' ' || c >= 0x7f; }, '?');
  return clean;
}

void Table::add_row(std::vector<Cell> row) {
  ROVE_CHECK(row.size() == header_.size());
  rows_.push_back(std::move(row));
}

std::string Table::to_text(const TextStyle& style) const {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < header_.size(); ++column) {
    std::size_t width = header_[column].size();
    for (const auto& row : rows_) width = std::max(width, row[column].text.size());
    widths.push_back(width);
  }

  std::string out;
  const auto add_cell = [&](std::size_t column, const std::string& text, Tone tone) {
    const bool is_last = column + 1 == header_.size();
    out += paint(text, tone, style);
    if (!style.terminal) {
      out += is_last ? '\n' : '\t';
    } else {
      out += is_last ? "\n" : std::string(widths[column] - text.size() + 2, ' ');
    }
  };
  for (std::size_t column = 0; column < header_.size(); ++column) add_cell(column, header_[column], Tone::Strong);
  for (const auto& row : rows_) {
    for (std::size_t column = 0; column < row.size(); ++column) add_cell(column, row[column].text, row[column].tone);
  }
  return out;
}

std::string format_age(long long ms) {
  const long long seconds = std::max(0LL, ms) / 1000;
  if (seconds < 60) return std::to_string(seconds) + "s";
  const long long minutes = seconds / 60;
  if (minutes < 60) return std::to_string(minutes) + "m" + two_digits(seconds % 60) + "s";
  const long long hours = minutes / 60;
  if (hours < 48) return std::to_string(hours) + "h" + two_digits(minutes % 60) + "m";
  return std::to_string(hours / 24) + "d";
}

}  // namespace rove
