// The log: one event after the other, "event key=value key=value"; to the journal with fields if stderr is connected to
// it, else a line each on stderr.
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

  // `network` goes into the journal's fields; may be empty.
  explicit Log(LogLevel level, std::string network = {});
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void set_level(LogLevel level);
  [[nodiscard]] LogLevel level() const { return level_; }

  // Fields without a value are left out. `detail`: more of them, as text that is escaped already.
  void write(LogLevel level, std::string_view event, std::initializer_list<Field> fields, std::string_view detail = {});

 private:
  struct Impl;
  LogLevel level_;
  std::string network_;
  std::unique_ptr<Impl> impl_;
};

// `event` and its fields as one line; empty values are left out.
[[nodiscard]] std::string format_event(std::string_view event, std::initializer_list<Log::Field> fields);

// A value as it stands in a log line: as it is when it is made of printable ASCII without space, quote and
// backslash; otherwise quoted, with \" \\ \n \t and \xNN.
[[nodiscard]] std::string escape_value(std::string_view value);

}  // namespace rove
