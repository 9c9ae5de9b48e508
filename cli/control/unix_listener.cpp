#include "cli/control/unix_listener.h"

#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace rove {
namespace {

FileDescriptor make_socket(const std::string& attempt) {
  return FileDescriptor{check_syscall(attempt, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
}

}  // namespace

std::optional<sockaddr_un> make_unix_address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

std::optional<gid_t> find_group(const std::string& name) {
  const group* found = ::getgrnam(name.c_str());  // NOLINT(concurrency-mt-unsafe)
  if (found == nullptr) return std::nullopt;
  return found->gr_gid;
}

bool is_taken(const sockaddr_un& address) {
  const FileDescriptor probe = make_socket("create a socket");
  const int connected = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (connected == 0 || errno == EAGAIN) return true;
  // A file that is no socket refuses connections too. That is not ours to remove; to bind there will fail.
  struct stat info{};
  const bool is_stale = errno == ECONNREFUSED && ::lstat(address.sun_path, &info) == 0 && S_ISSOCK(info.st_mode);
  if (is_stale) ::unlink(address.sun_path);
  return false;
}

FileDescriptor listen_unix(const sockaddr_un& address, std::optional<gid_t> group, const std::string& attempt) {
  FileDescriptor listener = make_socket(attempt);
  const mode_t mask = ::umask(0177);  // nobody but us, until owner and mode are right
  const int bound = ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  ::umask(mask);
  if (bound < 0) throw std::system_error(error, std::generic_category(), attempt);
  if (group) give_to_group(address.sun_path, group, attempt);
  check_syscall(attempt, ::chmod(address.sun_path, 0660));
  check_syscall(attempt, ::listen(listener.get(), SOMAXCONN));
  return listener;
}

void give_to_group(const std::filesystem::path& socket, std::optional<gid_t> group, const std::string& attempt) {
  check_syscall(attempt + ": give it to its group",
                ::chown(socket.c_str(), static_cast<uid_t>(-1), group.value_or(::getegid())));
}

}  // namespace rove
