#include "tap/file_descriptor.h"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

namespace rove {
namespace {

// std::system_error puts the system's text last; an operator wants the remedy there.
class ErrorWithRemedy final : public std::system_error {
 public:
  ErrorWithRemedy(int error, const std::string& attempt, std::string_view remedy)
      : std::system_error(error, std::generic_category(), attempt),
        text_(std::string{std::system_error::what()} + ": " + std::string{remedy}) {}

  [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

}  // namespace

void FileDescriptor::reset() noexcept {
  // Linux frees the number also when close() reports an error, so there is nothing to try again.
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

int check_syscall(std::string_view attempt, int result) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), std::string{attempt});
  return result;
}

void throw_system_error(std::string_view attempt, int error, std::string_view remedy) {
  throw ErrorWithRemedy(error, std::string{attempt}, remedy);
}

}  // namespace rove
