#include "cli/base/capabilities.h"

#include <linux/capability.h>

#include <charconv>

#include "cli/base/file_io.h"

namespace rove {
namespace {

bool has(std::uint64_t set, unsigned number) {
  return (set >> number & 1) != 0;
}

}  // namespace

std::vector<std::string> names_of(const Capabilities& capabilities) {
  std::vector<std::string> names;
  if (capabilities.net_admin) names.emplace_back("net_admin");
  if (capabilities.net_raw) names.emplace_back("net_raw");
  if (capabilities.sys_nice) names.emplace_back("sys_nice");
  if (capabilities.bpf) names.emplace_back("bpf");
  return names;
}

std::optional<Capabilities> parse_capabilities(std::string_view status) {
  constexpr std::string_view kField = "\nCapEff:\t";
  const std::size_t at = status.find(kField);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = status.substr(at + kField.size());
  std::uint64_t set = 0;
  const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), set, 16);
  if (error != std::errc{}) return std::nullopt;
  return Capabilities{.net_admin = has(set, CAP_NET_ADMIN),
                      .net_raw = has(set, CAP_NET_RAW),
                      .sys_nice = has(set, CAP_SYS_NICE),
                      .bpf = has(set, CAP_BPF)};
}

Capabilities own_capabilities() {
  return parse_capabilities(read_file("/proc/self/status").value_or("")).value_or(Capabilities{});
}

}  // namespace rove
