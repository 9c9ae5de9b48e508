// Published test vectors: the JSON files of tests/support/vectors. All throw when something is not as expected.
#pragma once

#include <array>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "core/base/bytes.h"

namespace rove {

[[nodiscard]] inline nlohmann::json load_vectors(const std::string& file) {
  const std::string path = std::string{ROVE_SOURCE_DIR} + "/tests/support/vectors/" + file;
  std::ifstream stream{path};
  if (!stream) throw std::runtime_error{"cannot read " + path};
  return nlohmann::json::parse(stream);
}

// The octets of a hexadecimal string.
[[nodiscard]] inline Bytes hex_bytes(const nlohmann::json& value) {
  const auto text = value.get<std::string>();
  Bytes bytes = from_hex(text);
  if (bytes.size() * 2 != text.size()) throw std::runtime_error{"not hexadecimal: " + text};
  return bytes;
}

// As hex_bytes(), of exactly N octets.
template <std::size_t N>
[[nodiscard]] std::array<std::uint8_t, N> hex_array(const nlohmann::json& value) {
  const Bytes bytes = hex_bytes(value);
  if (bytes.size() != N) throw std::runtime_error{"wrong size: " + value.get<std::string>()};
  std::array<std::uint8_t, N> out{};
  std::memcpy(out.data(), bytes.data(), N);
  return out;
}

}  // namespace rove
