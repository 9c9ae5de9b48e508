// UDP's part of stream_check: flows of datagrams whose every octet the receiver knows.
#pragma once

#include <cstdint>

#include "core/base/time.h"
#include "tests/bench/test_socket.h"

namespace rove {

// Sends `octets` of payload in bursts; prints what it sent. The exit status.
int send_datagrams(const SocketAddress& to, std::uint64_t octets, std::uint64_t seed);

// Takes a flow until nothing has come for `silence`; prints what came. The exit status: 1 if a datagram was changed,
// came twice, or after one that was sent later.
int receive_datagrams(std::uint16_t port, std::uint64_t seed, Duration silence);

}  // namespace rove
