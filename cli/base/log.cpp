// In the log as on the command line.
#define SPDLOG_LEVEL_NAMES {"trace", "debug", "info", "warn", "error", "critical", "off"}

#include "cli/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "cli/base/journal.h"

namespace rove {
namespace {

constexpr std::array<std::pair<LogLevel, std::string_view>, 4> kNames{{
    {LogLevel::Error, "error"},
    {LogLevel::Warn, "warn"},
    {LogLevel::Info, "info"},
    {LogLevel::Debug, "debug"},
}};

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::Error: return spdlog::level::err;
    case LogLevel::Warn: return spdlog::level::warn;
    case LogLevel::Info: return spdlog::level::info;
    case LogLevel::Debug: return spdlog::level::debug;
  }
  return spdlog::level::info;
}

bool is_plain(char c) {
  return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '=';
}

}  // namespace

std::string_view to_string(LogLevel level) {
  for (const auto& [value, name] : kNames) {
    if (value == level) return name;
  }
  return "info";
}

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (const auto& [value, name] : kNames) {
    if (name == text) return value;
  }
  return std::nullopt;
}

struct Log::Impl {
  // Single-threaded sink: the log belongs to the control thread.
  spdlog::logger logger{"rove", std::make_shared<spdlog::sinks::stderr_sink_st>()};
  const bool in_journal = is_journal(STDERR_FILENO, std::getenv("JOURNAL_STREAM")) &&  // NOLINT(concurrency-mt-unsafe)
                          is_journal_reachable();
};

Log::Log(LogLevel level, std::string network)
    : level_(level), network_(std::move(network)), impl_(std::make_unique<Impl>()) {
  impl_->logger.set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
  impl_->logger.flush_on(spdlog::level::trace);
  set_level(level);
}

Log::~Log() = default;

void Log::set_level(LogLevel level) {
  level_ = level;
  impl_->logger.set_level(to_spdlog(level));
}

void Log::write(LogLevel level, std::string_view event, std::initializer_list<Field> fields, std::string_view detail) {
  if (level > level_) return;
  std::string line = format_event(event, fields);
  if (!detail.empty()) line.append(" ").append(detail);
  if (impl_->in_journal && send_to_journal(make_journal_fields(level, network_, event, line))) return;
  impl_->logger.log(to_spdlog(level), spdlog::string_view_t{line});
}

std::string format_event(std::string_view event, std::initializer_list<Log::Field> fields) {
  std::string line{event};
  for (const auto& [key, value] : fields) {
    if (value.empty()) continue;
    line.append(" ").append(key).append("=").append(escape_value(value));
  }
  return line;
}

std::string escape_value(std::string_view value) {
  if (!value.empty() && std::all_of(value.begin(), value.end(), is_plain)) return std::string{value};
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (c >= ' ' && c < 0x7f) {
      text += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      text += "\\x";
      text += kDigits[octet >> 4];
      text += kDigits[octet & 15];
    }
  }
  return text + '"';
}

}  // namespace rove
