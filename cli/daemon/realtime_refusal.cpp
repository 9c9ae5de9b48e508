#include "cli/daemon/realtime_refusal.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <vector>

#include "cli/base/capabilities.h"
#include "cli/base/file_io.h"

namespace rove {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream{text};
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool lists_cpu(const std::string& controllers) {
  const std::vector<std::string> names = split(controllers, ',');
  return std::find(names.begin(), names.end(), "cpu") != names.end();
}

// What refused, and what to do instead of `realtime = false`.
std::string describe_cause(const RealtimeFacts& facts) {
  const bool counts = facts.has_sys_nice && !facts.is_in_user_namespace;
  if (!facts.has_limit && !facts.has_sys_nice) return "give the process CAP_SYS_NICE";
  if (!facts.has_limit && !counts) {
    return "CAP_SYS_NICE does not count in a user namespace; set LimitRTPRIO=1 (docker run --ulimit rtprio=1)";
  }
  const std::string right = counts ? "the process has CAP_SYS_NICE" : "RLIMIT_RTPRIO permits it";
  if (facts.group && !facts.group_has_budget) {
    return right + ", but its control group has no real-time budget; write 950000 to " +
           (*facts.group / "cpu.rt_runtime_us").string() + " (docker run --cpu-rt-runtime=950000)";
  }
  if (facts.is_filtered) {
    return right + ", so a seccomp filter may refuse; set RestrictRealtime=no in its unit, or change the container's " +
           "seccomp profile";
  }
  return right + ", but the kernel refuses its control group; give that a real-time budget (cpu.rt_runtime_us, " +
         "docker run --cpu-rt-runtime=950000)";
}

}  // namespace

std::string describe_realtime_refusal(std::error_code error, const RealtimeFacts& facts) {
  if (!error) return {};
  const std::string begin = "real-time scheduling: " + error.message() + ": ";
  if (error != std::errc::operation_not_permitted) return begin + "set realtime = false";
  return begin + describe_cause(facts) + ", or set realtime = false";
}

std::optional<std::filesystem::path> find_cpu_group(std::string_view cgroup, std::string_view mountinfo) {
  std::optional<std::filesystem::path> group;
  std::istringstream groups{std::string{cgroup}};
  for (std::string line; std::getline(groups, line);) {  // 4:cpu,cpuacct:/system.slice
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    if (lists_cpu(line.substr(first + 1, second - first - 1))) group = line.substr(second + 1);
  }
  if (!group) return std::nullopt;
  std::istringstream mounts{std::string{mountinfo}};
  for (std::string line; std::getline(mounts, line);) {  // 33 28 0:29 ROOT WHERE rw … - cgroup cgroup rw,cpu,cpuacct
    const std::vector<std::string> fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 5 || fields.end() - dash < 4 || dash[1] != "cgroup" || !lists_cpu(dash[3])) continue;
    // A container sees its own group at ROOT.
    const std::filesystem::path below = group->lexically_relative(fields[3]);
    if (below.empty() || *below.begin() == "..") continue;
    return below == "." ? std::filesystem::path{fields[4]} : fields[4] / below;
  }
  return std::nullopt;
}

RealtimeFacts own_realtime_facts() {
  const auto text = [](const std::filesystem::path& path) -> std::string {
    try {
      return read_file(path).value_or("");
    } catch (const std::system_error&) {
      return {};  // it is only about better words
    }
  };
  RealtimeFacts facts;
  facts.has_sys_nice = own_capabilities().sys_nice;
  std::uint64_t first = 0;
  std::uint64_t outside = 0;
  std::uint64_t count = 0;
  std::istringstream{text("/proc/self/uid_map")} >> first >> outside >> count;
  constexpr std::uint64_t kAllUsers = 0xffffffff;  // as the first namespace maps them
  facts.is_in_user_namespace = count != 0 && count != kAllUsers;
  rlimit limit{};
  facts.has_limit = getrlimit(RLIMIT_RTPRIO, &limit) == 0 && limit.rlim_cur > 0;
  facts.is_filtered = text("/proc/self/status").find("\nSeccomp:\t2") != std::string::npos;
  if (const auto group = find_cpu_group(text("/proc/self/cgroup"), text("/proc/self/mountinfo"))) {
    const std::string budget = text(*group / "cpu.rt_runtime_us");
    if (!budget.empty()) facts.group = *group;
    facts.group_has_budget = !budget.empty() && budget != "0\n";
  }
  return facts;
}

}  // namespace rove
