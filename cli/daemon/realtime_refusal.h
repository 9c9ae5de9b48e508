// Why the kernel does not schedule the packet path's thread as it was to be, and what to do.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace rove {

// What sched(7) makes real-time scheduling depend on.
struct RealtimeFacts {
  bool has_sys_nice = false;          // CAP_SYS_NICE
  bool is_in_user_namespace = false;  // where that capability does not count for it (user_namespaces(7))
  bool has_limit = false;             // RLIMIT_RTPRIO permits it without the capability
  bool is_filtered = false;           // by seccomp: systemd's RestrictRealtime=, a container's profile
  // This process's control group, where the kernel budgets real-time threads by these (cgroups v1 with
  // CONFIG_RT_GROUP_SCHED).
  std::optional<std::filesystem::path> group{};
  bool group_has_budget = false;
};

// What to write into the log and to show the operator; empty without an error.
[[nodiscard]] std::string describe_realtime_refusal(std::error_code error, const RealtimeFacts& facts);

// Where the files of this process's control group are for the controller "cpu" of cgroups v1, as the text of
// /proc/self/cgroup and /proc/self/mountinfo has it (cgroups(7), proc(5)); nullopt: there is none, or not in sight.
[[nodiscard]] std::optional<std::filesystem::path> find_cpu_group(std::string_view cgroup, std::string_view mountinfo);

// Of this process.
[[nodiscard]] RealtimeFacts own_realtime_facts();

}  // namespace rove
