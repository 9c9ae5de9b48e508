// The journal's own protocol (systemd-journald, sd_journal_sendv(3)): events with fields, so that
// `journalctl ROVE_VM=…` finds them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/base/log.h"

namespace rove {

// Whether the descriptor is connected to the journal: `journal_stream` is the environment's JOURNAL_STREAM
// (systemd.exec(5)), which names it by device and inode, or nullptr. A service's stderr may have been redirected since.
[[nodiscard]] bool is_journal(int fd, const char* journal_stream);

// Whether its socket is where sd_journal_sendv() looks. That call reports success when it is not: in a chroot, say.
[[nodiscard]] bool is_journal_reachable();

// An event as NAME=value each: MESSAGE (`line`), PRIORITY (syslog(3)), SYSLOG_IDENTIFIER, ROVE_NETWORK unless empty,
// ROVE_EVENT, and ROVE_KEY for each key=value of `line`, unescaped. At most kJournalFieldsMax.
inline constexpr std::size_t kJournalFieldsMax = 64;
[[nodiscard]] std::vector<std::string> make_journal_fields(LogLevel level, std::string_view network,
                                                           std::string_view event, std::string_view line);

// False when the journal did not take it.
[[nodiscard]] bool send_to_journal(const std::vector<std::string>& fields);

// The key=value pairs of a line, values as they were before escape_value(). What is none is skipped.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> parse_fields(std::string_view line);

}  // namespace rove
