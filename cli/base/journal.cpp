#include "cli/base/journal.h"

// Where in the source a line was written would be this file for all of them.
#define SD_JOURNAL_SUPPRESS_LOCATION

#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

namespace rove {
namespace {

// syslog(3)
int priority_of(LogLevel level) {
  switch (level) {
    case LogLevel::Error: return 3;
    case LogLevel::Warn: return 4;
    case LogLevel::Info: return 6;
    case LogLevel::Debug: return 7;
  }
  return 6;
}

// Capital letters, digits and '_', and not longer than 64 octets: what the journal takes (sd_journal_sendv(3)).
std::string journal_name(std::string_view key) {
  constexpr std::size_t kNameMax = 64;
  std::string name = "ROVE_";
  for (const char c : key.substr(0, kNameMax - name.size())) {
    const bool is_lower = c >= 'a' && c <= 'z';
    const bool fits = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += is_lower ? static_cast<char>(c - 'a' + 'A') : fits ? c : '_';
  }
  return name;
}

// Reads a quoted value from behind its first quote; `rest` begins behind the last one then.
std::string unquote(std::string_view& rest) {
  std::string value;
  while (!rest.empty() && rest.front() != '"') {
    char c = rest.front();
    rest.remove_prefix(1);
    if (c == '\\' && !rest.empty()) {
      c = rest.front();
      rest.remove_prefix(1);
      if (c == 'n') c = '\n';
      if (c == 't') c = '\t';
      if (c == 'x' && rest.size() >= 2) {
        unsigned octet = 0;
        std::from_chars(rest.data(), rest.data() + 2, octet, 16);
        c = static_cast<char>(octet);
        rest.remove_prefix(2);
      }
    }
    value += c;
  }
  if (!rest.empty()) rest.remove_prefix(1);
  return value;
}

}  // namespace

bool is_journal(int fd, const char* journal_stream) {
  if (journal_stream == nullptr) return false;
  struct stat info{};
  if (::fstat(fd, &info) < 0) return false;
  return std::to_string(info.st_dev) + ":" + std::to_string(info.st_ino) == journal_stream;
}

bool is_journal_reachable() {
  return ::access("/run/systemd/journal/socket", W_OK) == 0;
}

std::vector<std::pair<std::string, std::string>> parse_fields(std::string_view line) {
  std::vector<std::pair<std::string, std::string>> fields;
  while (!line.empty()) {
    const std::size_t end = line.find_first_of(" =");
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(word.size());
    if (!line.starts_with('=')) {  // a word of its own
      line.remove_prefix(std::min<std::size_t>(1, line.size()));
      continue;
    }
    line.remove_prefix(1);
    std::string value;
    if (line.starts_with('"')) {
      line.remove_prefix(1);
      value = unquote(line);
    } else {
      value = line.substr(0, line.find(' '));
      line.remove_prefix(value.size());
    }
    if (!word.empty()) fields.emplace_back(word, std::move(value));
  }
  return fields;
}

std::vector<std::string> make_journal_fields(LogLevel level, std::string_view network, std::string_view event,
                                             std::string_view line) {
  std::vector<std::string> fields{"MESSAGE=" + std::string{line}, "PRIORITY=" + std::to_string(priority_of(level)),
                                  "SYSLOG_IDENTIFIER=rove", "ROVE_EVENT=" + std::string{event}};
  if (!network.empty()) fields.push_back("ROVE_NETWORK=" + std::string{network});
  for (const auto& [key, value] : parse_fields(line)) {
    if (key == "network" && !network.empty()) continue;  // there already
    if (fields.size() < kJournalFieldsMax) fields.push_back(journal_name(key) + "=" + value);
  }
  return fields;
}

bool send_to_journal(const std::vector<std::string>& fields) {
  std::vector<iovec> parts;
  parts.reserve(fields.size());
  for (const std::string& field : fields) {
    parts.push_back({.iov_base = const_cast<char*>(field.data()), .iov_len = field.size()});  // it is only read
  }
  return sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) == 0;
}

}  // namespace rove
