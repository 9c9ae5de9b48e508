// Pieces of text that several verbs print. Of JSON that lacks what is wanted: nlohmann's exceptions.
#pragma once

#include <string>
#include <string_view>

#include "cli/base/table.h"
#include "cli/report/json.h"

namespace rove {

// Strings, joined by commas.
[[nodiscard]] std::string join_texts(const ReportJson& list);
// null is empty.
[[nodiscard]] std::string text_or_empty(const ReportJson& value);
[[nodiscard]] std::string age_or_empty(const ReportJson& ms);
// "850us", "21ms"; null is empty.
[[nodiscard]] std::string format_rtt(const ReportJson& us);
// "0.42 ms", "21.3 ms", "133 ms".
[[nodiscard]] std::string format_ms(long long us);
// Since a beginning: "+0.35ms", "+123ms", "+4.20s", "+30s"; null is empty.
[[nodiscard]] std::string format_offset(const ReportJson& us);
// "512 B", "1.5 kB", "20.1 GB": powers of 1000.
[[nodiscard]] std::string format_octets(double octets);
// UTC, to the millisecond, as in the log.
[[nodiscard]] std::string format_time(const ReportJson& unix_ms);

// "name", and its value in the same column for all.
[[nodiscard]] std::string render_field(std::string_view name, std::string_view value, const TextStyle& style);

}  // namespace rove
