// What all reports are made of.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"

namespace rove {

using ReportJson = nlohmann::ordered_json;  // keeps the order in which fields were written

// With "schema": 1.
[[nodiscard]] inline ReportJson make_report() {
  ReportJson object = ReportJson::object();
  object["schema"] = 1;
  return object;
}

// One line. Strings that a peer chose may be no UTF-8: they are mended, never a reason to throw.
[[nodiscard]] inline std::string dump_report(const ReportJson& json) {
  return json.dump(-1, ' ', false, ReportJson::error_handler_t::replace);
}

[[nodiscard]] inline std::int64_t to_ms(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

[[nodiscard]] inline std::int64_t to_us(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

// Sequences use all of 64 bits; JSON readers keep 53 (RFC 8259 §6), so they travel as text.
[[nodiscard]] inline std::string sequence_text(std::uint64_t sequence) {
  return std::to_string(sequence);
}

// Of what to_string() knows.
template <typename T>
[[nodiscard]] ReportJson list_of(const std::vector<T>& values) {
  ReportJson list = ReportJson::array();
  for (const T& value : values) list.push_back(to_string(value));
  return list;
}

}  // namespace rove
