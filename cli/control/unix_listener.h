// A listening unix stream socket that root, its owner and one group may connect to.
#pragma once

#include <sys/types.h>
#include <sys/un.h>

#include <filesystem>
#include <optional>
#include <string>

#include "tap/file_descriptor.h"

namespace rove {

// nullopt when the path is too long for one.
[[nodiscard]] std::optional<sockaddr_un> make_unix_address(const std::filesystem::path& path);

// nullopt when there is no such group, or no such name. Not thread-safe (getgrnam): control thread.
[[nodiscard]] std::optional<gid_t> find_group(const std::string& name);

// Whether somebody listens there. A socket that nobody listens on was left by a process that was killed: it is removed.
[[nodiscard]] bool is_taken(const sockaddr_un& address);

// Mode 0660, with `group` if there is one. `attempt` begins the message of the std::system_error that is thrown.
[[nodiscard]] FileDescriptor listen_unix(const sockaddr_un& address, std::optional<gid_t> group,
                                         const std::string& attempt);

// Gives a socket that listens already to another group; nullopt: to the process's own.
void give_to_group(const std::filesystem::path& socket, std::optional<gid_t> group, const std::string& attempt);

}  // namespace rove
