#include "cli/daemon/realtime_refusal.h"

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace rove {
namespace {

const std::error_code kNotPermitted = std::make_error_code(std::errc::operation_not_permitted);
const std::string kBegin = "real-time scheduling: Operation not permitted: ";
const std::string kEnd = ", or set realtime = false";

// A control group of cgroups v1, which has no real-time budget at first; where the kernel has none, nothing.
class CpuGroup {
 public:
  CpuGroup() : path_(std::filesystem::path{"/sys/fs/cgroup/cpu"} / ("rove-test-" + std::to_string(getpid()))) {
    std::error_code error;
    std::filesystem::create_directory(path_, error);
  }
  ~CpuGroup() { rmdir(path_.c_str()); }
  CpuGroup(const CpuGroup&) = delete;
  CpuGroup& operator=(const CpuGroup&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] bool exists() const { return std::filesystem::exists(path_ / "cpu.rt_runtime_us"); }
  [[nodiscard]] bool enter() const {
    std::ofstream tasks{path_ / "tasks"};
    tasks << getpid() << std::flush;
    return tasks.good();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("describe_realtime_refusal: names what refused, and what to do about it") {
  struct Row {
    RealtimeFacts facts;
    std::string cause;
  };
  const RealtimeFacts without_budget{.has_sys_nice = true, .is_filtered = true, .group = "/sys/fs/cgroup/cpu/x"};
  const Row rows[] = {
      {{}, "give the process CAP_SYS_NICE"},
      {{.is_filtered = true, .group = "/sys/fs/cgroup/cpu/x"}, "give the process CAP_SYS_NICE"},
      {{.has_sys_nice = true, .is_in_user_namespace = true},
       "CAP_SYS_NICE does not count in a user namespace; set LimitRTPRIO=1 (docker run --ulimit rtprio=1)"},
      {without_budget,
       "the process has CAP_SYS_NICE, but its control group has no real-time budget; write 950000 to "
       "/sys/fs/cgroup/cpu/x/cpu.rt_runtime_us (docker run --cpu-rt-runtime=950000)"},
      {{.has_sys_nice = true, .is_in_user_namespace = true, .has_limit = true, .group = "/g"},
       "RLIMIT_RTPRIO permits it, but its control group has no real-time budget; write 950000 to "
       "/g/cpu.rt_runtime_us (docker run --cpu-rt-runtime=950000)"},
      {{.has_sys_nice = true, .is_filtered = true, .group = "/g", .group_has_budget = true},
       "the process has CAP_SYS_NICE, so a seccomp filter may refuse; set RestrictRealtime=no in its unit, or change "
       "the container's seccomp profile"},
      {{.has_sys_nice = true},
       "the process has CAP_SYS_NICE, but the kernel refuses its control group; give that a real-time budget "
       "(cpu.rt_runtime_us, docker run --cpu-rt-runtime=950000)"},
  };

  for (const Row& row : rows) CHECK(describe_realtime_refusal(kNotPermitted, row.facts) == kBegin + row.cause + kEnd);
}

TEST_CASE("describe_realtime_refusal: other errors are not about rights, and no error is no refusal") {
  CHECK(describe_realtime_refusal(std::make_error_code(std::errc::invalid_argument), {}) ==
        "real-time scheduling: Invalid argument: set realtime = false");
  CHECK(describe_realtime_refusal({}, {}).empty());
}

TEST_CASE("find_cpu_group: by the process's groups and where they are mounted") {
  constexpr const char* kV1 = "9:name=systemd:/s\n4:cpu,cpuacct:/docker/abc\n3:cpuset:/x\n0::/\n";
  constexpr const char* kHost =
      "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
      "34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime shared:9 - cgroup cgroup rw,cpuset\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:8 - cgroup cgroup rw,cpu,cpuacct\n";
  constexpr const char* kContainer = "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n";
  constexpr const char* kOther = "32 31 0:29 /docker/x /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n";
  constexpr const char* kV2 = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

  CHECK(find_cpu_group(kV1, kHost) == "/sys/fs/cgroup/cpu,cpuacct/docker/abc");
  CHECK(find_cpu_group("1:cpu:/\n", kHost) == "/sys/fs/cgroup/cpu,cpuacct");
  CHECK(find_cpu_group(kV1, kContainer) == "/sys/fs/cgroup/cpu");
  CHECK_FALSE(find_cpu_group(kV1, kOther));
  CHECK_FALSE(find_cpu_group("0::/system.slice\n", kV2));
  CHECK_FALSE(find_cpu_group(kV1, ""));
  CHECK_FALSE(find_cpu_group("", kHost));
  CHECK_FALSE(find_cpu_group("nonsense\n", "nonsense\n"));
}

TEST_CASE("own_realtime_facts: a control group without a budget is found, where there is such a thing") {
  const CpuGroup group;
  if (geteuid() != 0 || !group.exists()) return;

  // In a process of its own: the group is left by its end.
  const pid_t child = fork();
  if (child == 0) {
    const sched_param parameters{.sched_priority = 1};
    if (!group.enter() || sched_setscheduler(0, SCHED_FIFO, &parameters) == 0) _exit(2);
    const RealtimeFacts facts = own_realtime_facts();
    _exit(facts.has_sys_nice && facts.group == group.path() && !facts.group_has_budget ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

}  // namespace rove
