#include "cli/base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <ostream>
#include <string>

namespace rove {
namespace {

// ECMA-48, and xterm's screen beside the usual one.
constexpr std::string_view kEnter = "\033[?1049h\033[?25l";
constexpr std::string_view kLeave = "\033[?25h\033[?1049l";
constexpr std::string_view kHome = "\033[H";
constexpr std::string_view kClearRest = "\033[J";

constexpr std::size_t kLinesUnknown = 24;
constexpr std::size_t kColumnsUnknown = 80;

winsize screen_size() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0) {
    size.ws_row = kLinesUnknown;
    size.ws_col = kColumnsUnknown;
  }
  return size;
}

}  // namespace

FullScreen::FullScreen(std::ostream& out) : out_(out) {
  termios settings{};
  if (::isatty(STDIN_FILENO) == 1 && ::tcgetattr(STDIN_FILENO, &settings) == 0) {
    before_ = settings;
    settings.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    settings.c_cc[VMIN] = 0;  // read() returns at once
    settings.c_cc[VTIME] = 0;
    // A stopped or aborted program would leave the shell with our settings.
    settings.c_cc[VSUSP] = _POSIX_VDISABLE;
    settings.c_cc[VQUIT] = _POSIX_VDISABLE;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &settings);
  }
  out_ << kEnter;
  out_.flush();
}

FullScreen::~FullScreen() {
  out_ << kLeave;
  out_.flush();
  if (before_) ::tcsetattr(STDIN_FILENO, TCSANOW, &*before_);
}

void FullScreen::show(std::string_view text) {
  const winsize size = screen_size();
  out_ << kHome << fit_to_screen(text, size.ws_row, size.ws_col) << kClearRest;
  out_.flush();
}

std::optional<char> FullScreen::read_key() const {
  if (!before_) return std::nullopt;
  char key = 0;
  const ssize_t got = ::read(STDIN_FILENO, &key, 1);
  if (got == 1) return key;
  return std::nullopt;
}

int FullScreen::input_fd() const {
  return before_ ? STDIN_FILENO : -1;
}

std::string fit_to_screen(std::string_view text, std::size_t lines, std::size_t columns) {
  std::string out;
  std::size_t line = 1;
  std::size_t column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\033') {
      const std::size_t end = text.find('m', i);
      if (end == std::string_view::npos) break;
      out += text.substr(i, end + 1 - i);
      i = end;
    } else if (text[i] == '\n') {
      out += "\033[K";  // nothing of the old line stays
      if (line++ == lines) return out;
      out += "\r\n";
      column = 0;
    } else if (column++ < columns) {
      out += text[i];
    }
  }
  return out;
}

}  // namespace rove
