#include "tap/file_descriptor.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ostream>
#include <string>
#include <system_error>
#include <utility>

namespace rove {
namespace {

bool is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0;
}

std::array<FileDescriptor, 2> make_pipe() {
  std::array<int, 2> ends{};
  REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
  return {FileDescriptor{ends[0]}, FileDescriptor{ends[1]}};
}

}  // namespace

TEST_CASE("FileDescriptor: it closes what it owns, once, and moving hands it over") {
  auto ends = make_pipe();
  const int fd = ends[0].get();

  FileDescriptor other{std::move(ends[0])};
  CHECK_FALSE(ends[0]);
  CHECK(other.get() == fd);
  CHECK(is_open(fd));

  other = std::move(ends[1]);
  CHECK_FALSE(is_open(fd));
  CHECK(other);

  const int last = other.get();
  other.reset();
  CHECK_FALSE(is_open(last));
  CHECK_FALSE(other);
}

TEST_CASE("check_syscall: a failure names the attempt and the system's reason") {
  CHECK(check_syscall("anything", 3) == 3);

  errno = ENOENT;
  CHECK_THROWS_WITH_AS(check_syscall("open /nowhere", -1), "open /nowhere: No such file or directory",
                       std::system_error);
}

TEST_CASE("throw_system_error: the remedy stands last, the code is kept") {
  try {
    throw_system_error("open /dev/net/tun", EPERM, "run as root");
    FAIL("it did not throw");
  } catch (const std::system_error& error) {
    CHECK(std::string{error.what()} == "open /dev/net/tun: Operation not permitted: run as root");
    CHECK(error.code() == std::errc::operation_not_permitted);
  }
}

}  // namespace rove
