#include "tap/tap_device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "core/base/check.h"
#include "core/forward/batch.h"
#include "core/wire/shard.h"
#include "tap/links.h"
#include "tap/steering.h"
#include "tap/system_random.h"
#include "tap/vnet_header.h"

namespace rove {
namespace {

constexpr std::string_view kPrivileges = "run as root or give the process CAP_NET_ADMIN";

static_assert(kTapMtuMax + 14 + 4 == kFrameSizeMax);

iovec vector_of(void* base, std::size_t size) {
  return {base, size};
}

bool write_whole(int fd, VnetHeader header, BytesView frame) {
  // writev() does not write to it.
  const std::array<iovec, 2> parts{vector_of(&header, sizeof header),
                                   vector_of(const_cast<std::uint8_t*>(frame.data()), frame.size())};
  ssize_t written = -1;
  do {
    written = writev(fd, parts.data(), static_cast<int>(parts.size()));
  } while (written < 0 && errno == EINTR);
  return written == static_cast<ssize_t>(sizeof header + frame.size());
}

// A name that the kernel takes, and that is no file of /proc/sys/net/ipv6/conf with another meaning.
void check_link_name(const std::string& what, const std::string& name) {
  const bool reserved = name == "." || name == ".." || name == "all" || name == "default";
  const auto is_wrong = [](char c) { return c <= ' ' || c == '/' || c == ':' || c == '%' || c > '~'; };
  if (name.empty() || name.size() >= IFNAMSIZ || reserved || std::any_of(name.begin(), name.end(), is_wrong)) {
    throw std::runtime_error(what + " '" + name + "': not a name for a network device: use 1 to 15 letters and digits");
  }
}

FileDescriptor open_tun() {
  FileDescriptor fd{open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
  if (fd) return fd;
  const int error = errno;
  const bool missing = error == ENOENT || error == ENODEV || error == ENXIO;
  throw_system_error("open /dev/net/tun", error,
                     missing
                         ? "load the driver (modprobe tun), or give the container the device (--device /dev/net/tun)"
                         : kPrivileges);
}

// Creates the device, or attaches a further queue to it.
void attach_queue(int fd, const std::string& name, bool one_of_several) {
  ifreq request{};
  std::copy(name.begin(), name.end(), request.ifr_name);
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (one_of_several ? IFF_MULTI_QUEUE : 0));
  if (ioctl(fd, TUNSETIFF, &request) == 0) return;
  const int error = errno;
  const std::string attempt = "create the TAP device " + name;
  if (error == EPERM || error == EACCES) throw_system_error(attempt, error, kPrivileges);
  if (error == EBUSY) {
    throw_system_error(attempt, error,
                       "another program holds it (rove already running?); stop it or choose another name with `tap`");
  }
  if (error == EINVAL) {
    throw_system_error(attempt, error, "a device of this name exists and is no TAP; choose another name with `tap`");
  }
  throw std::system_error(error, std::generic_category(), attempt);
}

// Newer than Debian 12's headers (Linux 6.2); they go together only.
constexpr unsigned long kTunUso = 0x20 | 0x40;  // TUN_F_USO4 | TUN_F_USO6

unsigned long tun_flags(const TapOffloads& offloads) {
  if (!offloads.checksum) return 0;
  return TUN_F_CSUM | (offloads.tcp ? TUN_F_TSO4 | TUN_F_TSO6 : 0UL) | (offloads.udp ? kTunUso : 0UL);
}

// What the kernel took of what was wanted: it refuses as a whole what it knows only a part of.
TapOffloads set_offloads(int fd, const std::string& name, const TapOffloads& wanted) {
  const bool any = wanted.checksum;
  for (const TapOffloads& offer :
       {TapOffloads{any, any && wanted.tcp, any && wanted.udp}, TapOffloads{any, any && wanted.tcp, false}}) {
    if (ioctl(fd, TUNSETOFFLOAD, tun_flags(offer)) == 0) return offer;
  }
  check_syscall("switch off the offloads of " + name, ioctl(fd, TUNSETOFFLOAD, 0UL));
  return {};
}

void set_vnet_header_size(int fd, const std::string& name) {
  const int size = sizeof(VnetHeader);
  check_syscall("set the vnet header of " + name, ioctl(fd, TUNSETVNETHDRSZ, &size));
}

MacAddress random_mac(Random& random) {
  MacAddress mac{random.bytes<6>()};
  mac.octets[0] = static_cast<std::uint8_t>((mac.octets[0] & 0xfc) | 0x02);  // locally administered, individual
  return mac;
}

struct Bridge {
  Link link;
  bool created = false;
};

Bridge prepare_bridge(const std::string& name, std::size_t mtu, Random& random) {
  check_link_name("bridge", name);
  const auto existing = find_link(name);
  if (!existing) return {create_bridge(name, random_mac(random), mtu), true};
  if (existing->kind != "bridge") {
    throw std::runtime_error("attach to the bridge " + name + ": this device is " +
                             (existing->kind.empty() ? "no bridge" : "a " + existing->kind) +
                             ": name a bridge with `bridge`, or a name that is free to have one created");
  }
  // A bridge takes the lowest MAC of its ports, so a new port can change it, and with it the address that the host's
  // neighbours know. What was set by somebody stays: set it to what it is.
  set_link_mac(*existing, name, existing->mac);
  return {*existing, false};
}

// Without steering there is one: the kernel would spread frames by its own idea of a flow.
void add_queues(TapDevice& device, const TapOptions& options) {
  if (options.queues == 1) return;
  try {
    steer_frames(device.queue.fd(), options.queues);
  } catch (const std::system_error& error) {
    device.queues_problem = error.what();
    return;
  }
  for (unsigned i = 1; i < options.queues; ++i) {
    FileDescriptor fd = open_tun();
    attach_queue(fd.get(), options.name, /*one_of_several=*/true);
    device.more_queues.emplace_back(std::move(fd), device.queue.offloads());
  }
}

}  // namespace

TapQueue::Frame TapQueue::read(MutableBytes buffer) {
  VnetHeader header;
  std::array<iovec, 2> parts{vector_of(&header, sizeof header), vector_of(buffer.data(), buffer.size())};
  while (true) {
    const ssize_t size = readv(fd(), parts.data(), parts.size());
    if (size > static_cast<ssize_t>(sizeof header)) {
      return {static_cast<std::size_t>(size) - sizeof header, offload_of(header)};
    }
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
    // EINVAL: the kernel dropped a frame that it could not describe in the header. The next one may do.
    if (size < 0 && errno != EINTR && errno != EINVAL) check_syscall("read from the TAP device", -1);
  }
}

bool TapQueue::write(BytesView frame, bool needs_checksum) {
  const auto header = make_vnet_header(frame, needs_checksum);
  return header && write_whole(fd(), *header, frame);
}

bool TapQueue::write_superframe(const FrameBatch::Entry& superframe) {
  return write_whole(fd(), make_vnet_header(superframe), superframe.frame);
}

TapDevice open_tap(const TapOptions& options, Random& random) {
  check_link_name("tap", options.name);
  if (options.mtu < kTapMtuMin || options.mtu > kTapMtuMax) {
    throw std::runtime_error("mtu " + std::to_string(options.mtu) + ": must be " + std::to_string(kTapMtuMin) + " to " +
                             std::to_string(kTapMtuMax));
  }
  ROVE_CHECK(options.queues >= 1 && options.queues <= kShards);
  FileDescriptor fd = open_tun();
  attach_queue(fd.get(), options.name, options.queues > 1);
  set_vnet_header_size(fd.get(), options.name);
  const TapOffloads offloads = set_offloads(fd.get(), options.name, options.offloads);
  TapDevice device{.queue = TapQueue{std::move(fd), offloads}};
  add_queues(device, options);
  const auto link = find_link(options.name);
  if (!link) throw std::system_error(ENODEV, std::generic_category(), "find the TAP device " + options.name);
  device.ifindex = link->ifindex;
  device.mac = link->mac;
  silence_ipv6(*link, options.name);
  disable_ipv6(options.name);

  if (!options.bridge.empty()) {
    const Bridge bridge = prepare_bridge(options.bridge, options.mtu, random);
    attach_to_bridge(*link, options.name, bridge.link, options.bridge);
    set_link_up(bridge.link, options.bridge, 0);
    device.bridge_ifindex = bridge.link.ifindex;
    device.bridge_mac = bridge.link.mac;
    device.bridge_created = bridge.created;
  }
  device.probe_mac = random_mac(random);
  // Last: from here on frames come.
  set_link_up(*link, options.name, options.mtu);
  return device;
}

TapDevice open_tap(const TapOptions& options) {
  SystemRandom random;
  return open_tap(options, random);
}

}  // namespace rove
