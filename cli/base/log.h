// The log: one line per event on stderr, "event key=value key=value".
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace rove {

enum class LogLevel { Error, Warn, Info, Debug };

[[nodiscard]] std::string_view to_string(LogLevel level);
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view text);
// For messages: "error, warn, info, debug".
inline constexpr std::string_view kLogLevels = "error, warn, info, debug";

// Control thread only. error: act now; warn: degraded, and what we did about it; info: a peer, a VM or the
// daemon changed state.
class Log {
 public:
  using Field = std::pair<std::string_view, std::string>;

  explicit Log(LogLevel level);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void set_level(LogLevel level);
  [[nodiscard]] LogLevel level() const { return level_; }

  void write(LogLevel level, std::string_view event, std::initializer_list<Field> fields);
  // `fields` is escaped already: key=value pairs.
  void write(LogLevel level, std::string_view event, std::string_view fields);

 private:
  struct Impl;
  LogLevel level_;
  std::unique_ptr<Impl> impl_;
};

// `event` and its fields as one line; empty values are left out.
[[nodiscard]] std::string format_event(std::string_view event, std::initializer_list<Log::Field> fields);

// A value as it stands in a log line: as it is when it is made of printable ASCII without space, quote and
// backslash; otherwise quoted, with \" \\ \n \t and \xNN.
[[nodiscard]] std::string escape_value(std::string_view value);

}  // namespace rove
