#include "cli/base/stop_signal.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ostream>

namespace rove {

using std::chrono::milliseconds;

TEST_CASE("StopSignal: is readable from the first signal on, which does not end the process") {
  StopSignal stop;
  CHECK_FALSE(stop.wait(milliseconds{0}));

  REQUIRE(::raise(SIGTERM) == 0);

  CHECK(stop.wait(milliseconds{0}));
  CHECK(stop.wait(milliseconds{0}));
}

TEST_CASE("StopSignal: what came before is not heard again") {
  {
    StopSignal stop;
    REQUIRE(::raise(SIGINT) == 0);
  }

  StopSignal stop;

  CHECK_FALSE(stop.wait(milliseconds{0}));
}

TEST_CASE("StopSignal: others may be added, so that a closed pipe is an error of write") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const FileDescriptor writer{ends[1]};
  REQUIRE(::close(ends[0]) == 0);

  StopSignal stop{SIGPIPE};
  const ssize_t written = ::write(writer.get(), "x", 1);

  CHECK(written == -1);
  CHECK(errno == EPIPE);
  CHECK(stop.wait(milliseconds{0}));
}

}  // namespace rove
