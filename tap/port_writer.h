// Writes frames to VMs' ports, past the bridge (AF_PACKET).
#pragma once

#include "core/base/bytes.h"
#include "tap/file_descriptor.h"

namespace rove {

// Any port of the network namespace that it was made in. One thread.
class PortWriter {
 public:
  // Needs CAP_NET_RAW. Throws std::system_error.
  PortWriter();

  // False when the kernel does not take it (the port is gone or down, its queue is full): counted by the caller.
  // `needs_checksum`: as TapQueue::write().
  [[nodiscard]] bool write(unsigned ifindex, BytesView frame, bool needs_checksum);

 private:
  FileDescriptor fd_;
};

}  // namespace rove
