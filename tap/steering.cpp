#include "tap/steering.h"

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "core/wire/header.h"
#include "core/wire/shard.h"
#include "tap/file_descriptor.h"

namespace rove {
namespace {

// One instruction each of eBPF (Documentation/bpf/standardization/instruction-set.rst in Linux), as far as we need it.
class Program {
 public:
  void move(std::uint8_t to, std::uint8_t from) { add(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
  // The octet at `at` of the packet into r0. The packet is in r6; r1 to r5 are lost. Beyond its end: the program ends
  // with 0.
  void load_octet(std::int32_t at) { add(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, at); }
  void combine(std::uint8_t operation, std::uint8_t to, std::uint8_t from) {
    add(BPF_ALU64 | operation | BPF_X, to, from, 0, 0);
  }
  void combine_with(std::uint8_t operation, std::uint8_t to, std::int32_t value) {
    add(BPF_ALU64 | operation | BPF_K, to, 0, 0, value);
  }
  // Leaves out the next `count` instructions where `r & value` is 0.
  void skip_unless_any(std::uint8_t r, std::int32_t value, std::int16_t count) {
    add(BPF_JMP | BPF_JSET | BPF_K, r, 0, 1, value);
    skip(count);
  }
  void skip(std::int16_t count) { add(BPF_JMP | BPF_JA, 0, 0, count, 0); }
  void exit() { add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0); }

  [[nodiscard]] std::vector<bpf_insn>& instructions() { return instructions_; }

 private:
  void add(unsigned code, std::uint8_t to, std::uint8_t from, std::int16_t offset, std::int32_t value) {
    bpf_insn instruction{};
    instruction.code = static_cast<std::uint8_t>(code);
    instruction.dst_reg = to & 0xf;
    instruction.src_reg = from & 0xf;
    instruction.off = offset;
    instruction.imm = value;
    instructions_.push_back(instruction);
  }

  std::vector<bpf_insn> instructions_;
};

constexpr std::uint8_t kR0 = 0;
constexpr std::uint8_t kR1 = 1;
constexpr std::uint8_t kR6 = 6;
constexpr std::uint8_t kR7 = 7;

// r7 = the three low octets of the MAC at `at`, folded into one.
void fold_mac(Program& program, std::int32_t at) {
  program.load_octet(at + 3);
  program.move(kR7, kR0);
  for (const std::int32_t octet : {4, 5}) {
    program.load_octet(at + octet);
    program.combine(BPF_XOR, kR7, kR0);
  }
}
constexpr std::int16_t kFoldSize = 6;

// shard_of_frame() and worker_of().
Program frame_steering(unsigned workers) {
  Program program;
  program.move(kR6, kR1);
  fold_mac(program, 0);
  program.load_octet(0);
  program.skip_unless_any(kR0, 0x01, kFoldSize);
  fold_mac(program, 6);
  program.move(kR0, kR7);
  for (const std::int32_t shift : {3, 6}) {
    program.move(kR1, kR7);
    program.combine_with(BPF_RSH, kR1, shift);
    program.combine(BPF_XOR, kR0, kR1);
  }
  program.combine_with(BPF_AND, kR0, kShards - 1);
  program.combine_with(BPF_MOD, kR0, static_cast<std::int32_t>(workers));
  program.exit();
  return program;
}
static_assert((kShards & (kShards - 1)) == 0);

FileDescriptor load(Program program) {
  static constexpr std::array<char, 4> kLicense{"GPL"};
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  attributes.insn_cnt = static_cast<std::uint32_t>(program.instructions().size());
  attributes.insns = reinterpret_cast<std::uintptr_t>(program.instructions().data());
  attributes.license = reinterpret_cast<std::uintptr_t>(kLicense.data());
  FileDescriptor fd{static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes))};
  if (fd) return fd;
  const int error = errno;
  throw_system_error("load the program that spreads frames over the workers", error,
                     error == EPERM ? "give the process CAP_BPF" : "the kernel has no BPF");
}

}  // namespace

void steer_frames(int tap_fd, unsigned workers) {
  const FileDescriptor program = load(frame_steering(workers));
  int fd = program.get();
  check_syscall("spread the frames of the TAP device over the workers", ioctl(tap_fd, TUNSETSTEERINGEBPF, &fd));
}

void steer_datagrams(int socket_fd, unsigned workers) {
  // Classic BPF, on the datagram without its UDP header; too short a one gives 0.
  std::array<sock_filter, 8> code{{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(DatagramType::Data), 0, 5),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kLaneAt),
      BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 1),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kShards - 1),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, workers),
      BPF_STMT(BPF_RET | BPF_A, 0),
      BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  check_syscall("spread datagrams over the workers",
                setsockopt(socket_fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program));
}

}  // namespace rove
