// Columns of text for people and for pipes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace rove {

struct TextStyle {
  bool terminal = false;  // aligned columns; otherwise tab-separated ones
  bool color = false;     // ANSI colours, on a terminal without NO_COLOR only
};

enum class Tone { Plain, Strong, Good, Bad, Faint };
[[nodiscard]] std::string paint(std::string_view text, Tone tone, const TextStyle& style);

// Text that may come from a peer, without what could steer a terminal or split a column: control characters
// and octets that are not ASCII become '?'. An empty cell becomes "-".
[[nodiscard]] std::string clean_cell(std::string_view text);

class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}

  struct Cell {
    Cell(std::string_view text_, Tone tone_ = Tone::Plain)
        : text(clean_cell(text_)), tone(tone_) {}                      // NOLINT(*-explicit-*)
    Cell(const char* text_) : Cell(std::string_view{text_}) {}         // NOLINT(*-explicit-*): rows are lists of texts
    Cell(const std::string& text_) : Cell(std::string_view{text_}) {}  // NOLINT(*-explicit-*)
    std::string text;
    Tone tone;
  };
  // As many cells as the header has.
  void add_row(std::vector<Cell> row);
  [[nodiscard]] std::string to_text(const TextStyle& style) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<Cell>> rows_;
};

// "15s", "3m20s", "2h05m", "41d": the two largest units of an age.
[[nodiscard]] std::string format_age(long long ms);

}  // namespace rove
