#include "cli/doctor/port_holder.h"

#include <charconv>
#include <filesystem>
#include <sstream>
#include <system_error>
#include <vector>

#include "cli/base/file_io.h"
#include "tap/udp_socket.h"

namespace rove {
namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> parse_number(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

// False when somebody has it. What else may be wrong with the address is told by `rove up`.
bool is_free(const Endpoint& local) {
  try {
    static_cast<void>(UdpSocket::bind(local));
    return true;
  } catch (const std::system_error& error) {
    return error.code() != std::errc::address_in_use;
  }
}

std::string read_or_empty(const fs::path& path) {
  try {
    return read_file(path).value_or("");
  } catch (const std::exception&) {
    return {};  // not for us, or it ended just now
  }
}

bool holds_one_of(const fs::path& process, const std::set<std::uint64_t>& inodes) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{process / "fd", error}) {
    std::error_code unreadable;
    const std::string target = fs::read_symlink(entry.path(), unreadable).string();
    constexpr std::string_view kSocket = "socket:[";
    if (unreadable || !target.starts_with(kSocket) || !target.ends_with(']')) continue;
    const auto inode = parse_number(target.substr(kSocket.size(), target.size() - kSocket.size() - 1), 10);
    if (inode && inodes.contains(*inode)) return true;
  }
  return false;
}

std::string find_process(const std::set<std::uint64_t>& inodes) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{"/proc", error}) {
    const std::string pid = entry.path().filename().string();
    if (!parse_number(pid, 10) || !holds_one_of(entry.path(), inodes)) continue;
    std::string name = read_or_empty(entry.path() / "comm");
    if (!name.empty() && name.back() == '\n') name.pop_back();
    return name + " (pid " + pid + ")";
  }
  return {};
}

}  // namespace

std::set<std::uint64_t> find_socket_inodes(std::string_view table, std::uint16_t port) {
  std::set<std::uint64_t> inodes;
  std::istringstream lines{std::string{table}};
  std::string line;
  while (std::getline(lines, line)) {
    // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
    std::istringstream words{line};
    std::vector<std::string> fields;
    for (std::string word; words >> word && fields.size() < 10;) fields.push_back(word);
    if (fields.size() < 10) continue;
    const std::size_t colon = fields[1].find(':');
    if (colon == std::string::npos) continue;
    const auto local = parse_number(std::string_view{fields[1]}.substr(colon + 1), 16);
    const auto inode = parse_number(fields[9], 10);
    if (local == port && inode && *inode != 0) inodes.insert(*inode);
  }
  return inodes;
}

std::optional<PortHolder> find_port_holder(const ListenAddress& listen) {
  constexpr std::array<std::uint8_t, 16> kAnyV6{};
  std::vector<Endpoint> wanted;
  if (listen.address) {
    wanted.push_back({*listen.address, listen.port});
  } else {
    wanted = {{IpAddress{}, listen.port}, {IpAddress::v6(kAnyV6.data()), listen.port}};
  }
  for (const Endpoint& local : wanted) {
    if (is_free(local)) continue;
    std::set<std::uint64_t> inodes = find_socket_inodes(read_or_empty("/proc/net/udp"), listen.port);
    inodes.merge(find_socket_inodes(read_or_empty("/proc/net/udp6"), listen.port));
    return PortHolder{.endpoint = "UDP " + to_string(local), .process = find_process(inodes)};
  }
  return std::nullopt;
}

}  // namespace rove
