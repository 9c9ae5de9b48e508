// An owned file descriptor, and the check for system calls at start-up.
#pragma once

#include <string_view>
#include <utility>

namespace rove {

class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

// Returns `result`, or throws std::system_error "<attempt>: <strerror(errno)>" when it is negative.
int check_syscall(std::string_view attempt, int result);

// Throws std::system_error "<attempt>: <strerror(error)>: <remedy>": what was tried, what happened, what to do.
[[noreturn]] void throw_system_error(std::string_view attempt, int error, std::string_view remedy);

}  // namespace rove
