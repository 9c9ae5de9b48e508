// Which worker gets what, as the kernel decides it: frames from the TAP and datagrams by their shard.
#pragma once

namespace rove {

// Has the kernel put each frame that goes out of the TAP device of `tap_fd` into the queue of its shard's worker (a BPF
// program, TUNSETSTEERINGEBPF; Linux 4.16). Queue i is the one that was attached as the i-th. Throws std::system_error:
// loading a program wants CAP_BPF (or CAP_SYS_ADMIN), where kernel.unprivileged_bpf_disabled is set.
void steer_frames(int tap_fd, unsigned workers);

// Has the kernel give each datagram to the socket of its lane's worker, what is no data to the first one
// (SO_ATTACH_REUSEPORT_CBPF; Linux 4.5). `socket_fd` is one of those that are bound to the same port; the i-th is the
// one that was bound as the i-th. Throws std::system_error.
void steer_datagrams(int socket_fd, unsigned workers);

}  // namespace rove
