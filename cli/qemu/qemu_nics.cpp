#include "cli/qemu/qemu_nics.h"

#include <algorithm>
#include <charconv>

namespace rove {
namespace {

// Takes the text up to the next line's end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// The value of "name=value" between commas, behind the device's own name.
std::string_view value_of(std::string_view line, std::string_view name) {
  std::size_t at = line.find(": ");
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + 2);
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(','), line.size());
    const std::string_view field = line.substr(0, end);
    if (field.size() > name.size() && field.starts_with(name) && field[name.size()] == '=') {
      return field.substr(name.size() + 1);
    }
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return {};
}

std::optional<int> parse_number(std::string_view text) {
  int number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || stop != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

}  // namespace

std::vector<QemuNic> parse_qemu_nics(std::string_view info_network) {
  std::vector<QemuNic> nics;
  std::optional<MacAddress> mac;  // of the device whose peers follow
  while (!info_network.empty()) {
    const std::string_view line = take_line(info_network);
    const bool is_peer = line.starts_with(" \\ ");
    if (!is_peer) {
      mac = value_of(line, "type") == "nic" ? parse_mac(std::string{value_of(line, "macaddr")}) : std::nullopt;
      continue;
    }
    if (!mac || value_of(line, "type") != "tap") continue;
    const bool known = std::any_of(nics.begin(), nics.end(), [&](const QemuNic& nic) { return nic.mac == *mac; });
    if (known || nics.size() >= kQemuNicsMax) continue;
    nics.push_back({*mac, std::string{value_of(line, "ifname")}, parse_number(value_of(line, "fd"))});
  }
  return nics;
}

std::string parse_tap_fdinfo(std::string_view fdinfo) {
  while (!fdinfo.empty()) {
    std::string_view line = take_line(fdinfo);
    if (!line.starts_with("iff:")) continue;
    line.remove_prefix(4);
    const std::size_t begin = line.find_first_not_of(" \t");
    return begin == std::string_view::npos ? std::string{} : std::string{line.substr(begin)};
  }
  return {};
}

}  // namespace rove
