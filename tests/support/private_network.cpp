#include "tests/support/private_network.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace rove {
namespace {

bool any_skipped = false;

// Turns "passed, but something was not permitted" into the exit status that ctest knows as skipped.
class SkipReporter final : public doctest::IReporter {
 public:
  explicit SkipReporter(const doctest::ContextOptions& /*options*/) {}

  void test_run_end(const doctest::TestRunStats& stats) override {
    if (!any_skipped || stats.numTestCasesFailed > 0) return;
    // At exit, as the summary is yet to be printed.
    std::atexit([] {
      std::puts("some test cases were not permitted here: skipped");
      std::fflush(stdout);
      std::_Exit(77);
    });
  }

  void report_query(const doctest::QueryData& /*data*/) override {}
  void test_run_start() override {}
  void test_case_start(const doctest::TestCaseData& /*data*/) override {}
  void test_case_reenter(const doctest::TestCaseData& /*data*/) override {}
  void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
  void test_case_exception(const doctest::TestCaseException& /*exception*/) override {}
  void subcase_start(const doctest::SubcaseSignature& /*signature*/) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData& /*data*/) override {}
  void log_message(const doctest::MessageData& /*data*/) override {}
  void test_case_skipped(const doctest::TestCaseData& /*data*/) override {}
};

REGISTER_LISTENER("skip", 100, SkipReporter);

}  // namespace

PrivateNetwork::PrivateNetwork() : outside_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
  REQUIRE(outside_ >= 0);
  const int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  permitted_ = tun >= 0 && unshare(CLONE_NEWNET) == 0;
  if (!permitted_) {
    any_skipped = true;
    MESSAGE("skipped: a network namespace and /dev/net/tun: " << std::strerror(errno));
  }
  if (tun >= 0) close(tun);
  if (permitted_) ip("link set lo up");
}

PrivateNetwork::~PrivateNetwork() {
  if (permitted_ && setns(outside_, CLONE_NEWNET) != 0) std::abort();  // later tests would run in the wrong place
  if (outside_ >= 0) close(outside_);
}

void PrivateNetwork::ip(const std::string& arguments) const {
  const std::string command = "ip " + arguments;
  INFO(command);
  REQUIRE(std::system(command.c_str()) == 0);
}

bool wait_readable(int fd, std::chrono::milliseconds limit) {
  pollfd entry{fd, POLLIN, 0};
  return poll(&entry, 1, static_cast<int>(limit.count())) == 1;
}

}  // namespace rove
