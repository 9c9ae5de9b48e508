// A terminal that a program has to itself for a while: no echo, keys at once, a screen of its own.
#pragma once

#include <termios.h>

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

namespace rove {

// Restores everything when it goes, also when that is by an exception. Signals that end the process must be blocked
// meanwhile (StopSignal).
class FullScreen {
 public:
  // `out` is standard output.
  explicit FullScreen(std::ostream& out);
  ~FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;

  // In place of what was there; cut to the lines and columns that the terminal has.
  void show(std::string_view text);
  // A key that was pressed; nullopt: none. `input_fd()` is readable when there is one.
  [[nodiscard]] std::optional<char> read_key() const;
  // -1: keys come from no terminal.
  [[nodiscard]] int input_fd() const;

 private:
  std::ostream& out_;
  std::optional<termios> before_;  // nullopt: standard input is no terminal
};

// `text` within so many lines and columns; escape sequences of colours take no column and are kept whole.
[[nodiscard]] std::string fit_to_screen(std::string_view text, std::size_t lines, std::size_t columns);

}  // namespace rove
