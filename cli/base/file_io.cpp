#include "cli/base/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

#include "tap/file_descriptor.h"

namespace rove {
namespace {

void write_all(int fd, std::string_view contents, const std::string& attempt) {
  while (!contents.empty()) {
    const ssize_t written = ::write(fd, contents.data(), contents.size());
    if (written < 0 && errno == EINTR) continue;
    check_syscall(attempt, static_cast<int>(written < 0 ? -1 : 0));
    contents.remove_prefix(static_cast<std::size_t>(written));
  }
}

// A synced file with `contents` beside `path`; its name.
std::string write_temporary(const std::filesystem::path& path, std::string_view contents, mode_t mode) {
  const std::string attempt = "write " + path.string();
  std::string name = path.string() + ".XXXXXX";
  const FileDescriptor file{check_syscall(attempt, ::mkostemp(name.data(), O_CLOEXEC))};  // mode 0600
  try {
    check_syscall(attempt, ::fchmod(file.get(), mode));
    write_all(file.get(), contents, attempt);
    check_syscall(attempt, ::fsync(file.get()));
  } catch (...) {
    ::unlink(name.c_str());
    throw;
  }
  return name;
}

// Makes a rename durable. Some file systems cannot sync a directory; then the old name may survive a
// power cut, which every reader of ours tolerates.
void sync_directory_of(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.has_parent_path() ? path.parent_path() : ".";
  const FileDescriptor directory{::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (directory) ::fsync(directory.get());
}

}  // namespace

std::optional<std::string> read_file(const std::filesystem::path& path) {
  const std::string attempt = "read " + path.string();
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return std::nullopt;
  const FileDescriptor file{check_syscall(attempt, fd)};
  std::string contents;
  char chunk[16384];
  for (;;) {
    const ssize_t got = ::read(file.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    check_syscall(attempt, static_cast<int>(got < 0 ? -1 : 0));
    if (got == 0) return contents;
    contents.append(chunk, static_cast<std::size_t>(got));
    if (contents.size() > kFileSizeMax) throw std::runtime_error(attempt + ": file too large");
  }
}

void replace_file(const std::filesystem::path& path, std::string_view contents, mode_t mode) {
  const std::string temporary = write_temporary(path, contents, mode);
  if (::rename(temporary.c_str(), path.c_str()) < 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    throw std::system_error(error, std::generic_category(), "write " + path.string());
  }
  sync_directory_of(path);
}

bool create_file(const std::filesystem::path& path, std::string_view contents, mode_t mode) {
  const std::string temporary = write_temporary(path, contents, mode);
  const int linked = ::link(temporary.c_str(), path.c_str());  // unlike rename, fails when `path` exists
  const int error = errno;
  ::unlink(temporary.c_str());
  if (linked < 0 && error == EEXIST) return false;
  if (linked < 0) throw std::system_error(error, std::generic_category(), "write " + path.string());
  sync_directory_of(path);
  return true;
}

void make_directory(const std::filesystem::path& directory, mode_t mode) {
  if (directory.empty() || std::filesystem::is_directory(directory)) return;
  make_directory(directory.parent_path(), 0755);
  const int made = ::mkdir(directory.c_str(), mode);
  if (made < 0 && errno == EEXIST) return;
  check_syscall("create directory " + directory.string(), made);
}

bool is_open_to_others(const std::filesystem::path& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) < 0) return false;
  return (info.st_mode & (S_IRWXG | S_IRWXO)) != 0;
}

}  // namespace rove
