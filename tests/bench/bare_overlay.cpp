// bare_overlay: the least that any encrypted overlay in user space has to do, and nothing else. For measuring only:
// what rove takes beyond it is rove's own cost.
//
//   TAP ─► superframe ─ cut, sealed ─► sendmmsg, UDP_SEGMENT ═══► UDP_GRO, recvmmsg ─ opened, joined ─► write ─► TAP
//
// One peer, one thread, one key that stands in this file, the same nonces both ways; no handshake, no replay window, no
// look at any address, no counters, no packing of small frames (so of these it carries fewer than rove). The headers of
// segments are sent as the superframe had them, and made true by the receiver, once for all that it joined. What a full
// queue does not take is lost, and so is a superframe whose TCP header is not directly behind IP.
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/address.h"
#include "core/base/bytes.h"
#include "core/crypto/aead.h"
#include "core/wire/checksum.h"
#include "core/wire/ethernet.h"
#include "core/wire/superframe.h"
#include "core/wire/transport.h"
#include "tap/file_descriptor.h"
#include "tap/tap_device.h"
#include "tap/underlay_address.h"
#include "tests/bench/program.h"

namespace rove {
namespace {

constexpr std::string_view kUsage =
    R"(usage: bare_overlay [--cipher aes256gcm|none] TAP LOCAL PEER

Carries the frames of the new device TAP between the UDP endpoints LOCAL and PEER (ADDRESS:PORT) until SIGTERM or
SIGINT. For measuring only: everybody knows its key, so whoever can send to LOCAL can send frames into TAP.
--cipher none copies instead of sealing.
)";

constexpr int kSocketBuffer = 8 << 20;  // as rove's
// Of one turn: what is sealed is sent while it is in the cache, and what has come meanwhile is not kept waiting.
constexpr std::size_t kReadFramesMax = 64;
constexpr std::size_t kReadOctetsMax = std::size_t{256} << 10;
constexpr std::size_t kReceivePieces = 8;
constexpr std::size_t kSendPieces = 64;
// What UDP_SEGMENT takes in one piece (Linux before 6.9), and what fits a datagram of IPv4.
constexpr std::size_t kPieceDatagramsMax = 64;
constexpr std::size_t kPieceOctetsMax = 65507;
constexpr std::size_t kReceiveOctetsMax = 65536;

// In front of each datagram, and authenticated; as large as rove's.
//
//   0        1        2                 4        5        6                 8
//   | flags  | headers| payload before  | IP at  | TCP at |        0        | counter …
struct BareHeader {
  static constexpr std::size_t kSize = 16;
  static constexpr std::uint8_t kNeedsChecksum = 1;
  static constexpr std::uint8_t kLast = 2;  // nothing of this superframe follows
  static constexpr std::uint8_t kV4 = 4;

  std::uint8_t flags = kLast;
  std::uint8_t headers = 0;  // octets in front of a segment's payload; 0: a whole frame
  std::uint16_t before = 0;  // octets of the superframe's payload in front of this segment's
  std::uint8_t ip = 0;
  std::uint8_t transport = 0;
  std::uint64_t counter = 0;

  [[nodiscard]] bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
  [[nodiscard]] TransportPlace place() const {
    return {.protocol = TransportProtocol::Tcp, .is_v4 = has(kV4), .ip = ip, .start = transport, .payload = headers};
  }
  void write(std::uint8_t* to) const {
    to[0] = flags;
    to[1] = headers;
    store_be(to + 2, before);
    to[4] = ip;
    to[5] = transport;
    store_be(to + 6, std::uint16_t{0});
    store_be(to + 8, counter);
  }
  [[nodiscard]] static BareHeader read(const std::uint8_t* from) {
    return {from[0], from[1], load_be<std::uint16_t>(from + 2), from[4], from[5], load_be<std::uint64_t>(from + 8)};
  }
};
constexpr std::size_t kOverhead = BareHeader::kSize + kAeadTagSize;

// AES-256-GCM, or copies and leaves the tag's place as it is.
class Cipher {
 public:
  explicit Cipher(bool seals) {
    if (seals) aead_.emplace(AeadAlgorithm::Aes256Gcm, AeadKey{{'b', 'a', 'r', 'e'}});
  }

  // Writes plaintext.size() + kOverhead octets.
  void seal(const BareHeader& header, BytesView plaintext, std::uint8_t* out) {
    header.write(out);
    std::uint8_t* const to = out + BareHeader::kSize;
    if (aead_) {
      aead_->seal(header.counter, {out, BareHeader::kSize}, plaintext, to);
    } else {
      std::memcpy(to, plaintext.data(), plaintext.size());
    }
  }
  // Writes datagram.size() - kOverhead octets, of a datagram that is not shorter.
  [[nodiscard]] bool open(const BareHeader& header, BytesView datagram, std::uint8_t* out) {
    const BytesView sealed = datagram.subspan(BareHeader::kSize);
    if (aead_) return aead_->open(header.counter, datagram.first(BareHeader::kSize), sealed, out);
    std::memcpy(out, sealed.data(), sealed.size() - kAeadTagSize);
    return true;
  }

 private:
  std::optional<Aead> aead_;
};

// Of a message: one number beside what is sent or received.
template <typename T>
struct Control {
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(T))> octets{};

  [[nodiscard]] cmsghdr& head() { return *reinterpret_cast<cmsghdr*>(octets.data()); }
};

// Datagrams one behind the other, sent in pieces that the kernel cuts.
class Outbox {
 public:
  explicit Outbox(int socket) : socket_(socket) {
    for (std::size_t i = 0; i < kSendPieces; ++i) {
      cmsghdr& head = controls_[i].head();
      head.cmsg_level = SOL_UDP;
      head.cmsg_type = UDP_SEGMENT;
      head.cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
      messages_[i].msg_hdr.msg_control = controls_[i].octets.data();
    }
  }

  // Its messages point into it.
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Where to put the next datagram, before anything else is called.
  [[nodiscard]] std::uint8_t* add(std::size_t size) {
    if (octets_ + size > buffer_.size()) flush();
    if (size > segment_ || parts_[count_ - 1].iov_len + size > kPieceOctetsMax) begin_piece(size);
    parts_[count_ - 1].iov_len += size;
    messages_[count_ - 1].msg_hdr.msg_controllen = ++datagrams_ > 1 ? controls_[0].octets.size() : 0;
    if (size < segment_ || datagrams_ == kPieceDatagramsMax) segment_ = 0;
    octets_ += size;
    return &buffer_[octets_ - size];
  }

  void flush() {
    for (std::size_t sent = 0; sent < count_;) {
      const int more = sendmmsg(socket_, &messages_[sent], static_cast<unsigned>(count_ - sent), 0);
      if (more > 0) {
        sent += static_cast<std::size_t>(more);
      } else if (errno == EAGAIN) {
        break;
      } else if (errno != EINTR) {
        ++sent;  // refused, as ever when a peer is not there
      }
    }
    count_ = octets_ = segment_ = 0;
  }

 private:
  void begin_piece(std::size_t segment) {
    if (count_ == kSendPieces) flush();
    parts_[count_] = {.iov_base = &buffer_[octets_], .iov_len = 0};
    const auto told = static_cast<std::uint16_t>(segment);
    std::memcpy(CMSG_DATA(&controls_[count_].head()), &told, sizeof told);
    ++count_;
    segment_ = segment;
    datagrams_ = 0;
  }

  int socket_;
  Bytes buffer_ = Bytes(2 * kReadOctetsMax);
  std::size_t octets_ = 0;
  std::array<iovec, kSendPieces> parts_{};
  std::array<Control<std::uint16_t>, kSendPieces> controls_{};
  std::array<mmsghdr, kSendPieces> messages_{};
  std::size_t count_ = 0;
  // Of the last piece: the size of its datagrams, of which the last may be shorter; 0: it takes no more.
  std::size_t segment_ = 0;
  std::size_t datagrams_ = 0;
};

// Seals what the TAP has, each superframe as its segments.
class Sender {
 public:
  Sender(TapQueue& tap, Cipher& cipher, int socket) : tap_(tap), cipher_(cipher), outbox_(socket) {}

  void send_frames() {
    std::size_t octets = 0;
    for (std::size_t i = 0; i < kReadFramesMax && octets < kReadOctetsMax; ++i) {
      const TapQueue::Frame read = tap_.read(buffer_);
      if (read.size == 0) break;
      octets += read.size;
      const MutableBytes frame{buffer_.data(), read.size};
      if (read.offload.segment_size > 0) {
        seal_segments(frame, read.offload.segment_size);
      } else {
        BareHeader header;
        if (read.offload.needs_checksum) header.flags |= BareHeader::kNeedsChecksum;
        seal(header, frame);
      }
    }
    outbox_.flush();
  }

 private:
  // Each gets the headers right in front of its payload, over the payload before, which is sealed by then.
  void seal_segments(MutableBytes frame, std::size_t segment_size) {
    const auto info = parse_frame(frame, kSuperframeSizeMax);
    const auto place = info ? find_transport(frame, *info) : std::nullopt;
    if (!place) return;
    const std::size_t headers = place->payload;
    std::array<std::uint8_t, kSegmentHeaderMax> kept{};
    std::memcpy(kept.data(), frame.data(), headers);
    BareHeader header{.flags = place->is_v4 ? BareHeader::kV4 : std::uint8_t{0},
                      .headers = static_cast<std::uint8_t>(headers),
                      .ip = static_cast<std::uint8_t>(place->ip),
                      .transport = static_cast<std::uint8_t>(place->start)};
    for (std::size_t before = 0; headers + before < frame.size(); before += segment_size) {
      const std::size_t size = std::min(segment_size, frame.size() - headers - before);
      std::memcpy(&frame[before], kept.data(), headers);
      header.before = static_cast<std::uint16_t>(before);
      if (headers + before + size == frame.size()) header.flags |= BareHeader::kLast;
      seal(header, frame.subspan(before, headers + size));
    }
  }

  void seal(BareHeader& header, BytesView frame) {
    header.counter = counter_++;
    cipher_.seal(header, frame, outbox_.add(frame.size() + kOverhead));
  }

  TapQueue& tap_;
  Cipher& cipher_;
  Outbox outbox_;
  Bytes buffer_ = Bytes(kSuperframeSizeMax);
  std::uint64_t counter_ = 0;
};

// Opens what has come, and writes what belongs together in one part. The payload of a segment is opened to where it
// belongs; what its headers cover there is kept aside meanwhile.
class Receiver {
 public:
  Receiver(TapQueue& tap, Cipher& cipher, int socket) : tap_(tap), cipher_(cipher), socket_(socket) {
    for (std::size_t i = 0; i < kReceivePieces; ++i) {
      parts_[i] = {.iov_base = &received_[i * kReceiveOctetsMax], .iov_len = kReceiveOctetsMax};
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
      messages_[i].msg_hdr.msg_control = controls_[i].octets.data();
    }
  }

  // Its messages point into it.
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  void receive() {
    for (std::size_t i = 0; i < kReceivePieces; ++i) {
      messages_[i].msg_hdr.msg_controllen = controls_[i].octets.size();
    }
    const int count = recvmmsg(socket_, messages_.data(), kReceivePieces, 0, nullptr);
    for (std::size_t i = 0; count > 0 && i < static_cast<std::size_t>(count); ++i) {
      MutableBytes rest{&received_[i * kReceiveOctetsMax], messages_[i].msg_len};
      const std::size_t size = segment_size(messages_[i].msg_hdr, controls_[i]);
      while (!rest.empty()) {
        const std::size_t next = std::min(size, rest.size());
        open(rest.first(next));
        rest = rest.subspan(next);
      }
    }
    write();
  }

 private:
  static std::size_t segment_size(const msghdr& message, Control<int>& control) {
    if (message.msg_controllen == 0 || control.head().cmsg_type != UDP_GRO) return kReceiveOctetsMax;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(&control.head()), sizeof size);
    return static_cast<std::size_t>(size);
  }

  void open(BytesView datagram) {
    if (datagram.size() < kOverhead) return;
    const BareHeader header = BareHeader::read(datagram.data());
    const std::size_t size = datagram.size() - kOverhead;
    if (header.headers > kSegmentHeaderMax || size <= header.headers) return;
    if (follows(header) && joined_.size() - size_ >= size) {
      std::array<std::uint8_t, kSegmentHeaderMax> covered;
      std::uint8_t* const to = &joined_[size_ - header.headers];
      std::memcpy(covered.data(), to, header.headers);
      const bool opened = cipher_.open(header, datagram, to);
      std::memcpy(to, covered.data(), header.headers);
      if (!opened) return;
      size_ += size - header.headers;
    } else {
      write();
      if (!cipher_.open(header, datagram, joined_.data())) return;
      first_ = header;
      size_ = size;
      segment_size_ = size - header.headers;
    }
    last_ = header;
    if (header.has(BareHeader::kLast)) write();
  }

  [[nodiscard]] bool follows(const BareHeader& header) const {
    return size_ > 0 && header.before > 0 && header.headers == first_.headers && header.counter == last_.counter + 1;
  }

  // What the kernel does not take is lost.
  void write() {
    if (size_ == 0) return;
    const MutableBytes frame{joined_.data(), std::exchange(size_, 0)};
    if (first_.headers > 0) make_headers_true(frame);
    if (first_.headers > 0 && frame.size() - first_.headers > segment_size_) {
      (void)tap_.write_superframe({.frame = frame,
                                   .needs_checksum = true,
                                   .segment_size = static_cast<std::uint16_t>(segment_size_),
                                   .place = first_.place()});
    } else {
      (void)tap_.write(frame, first_.headers > 0 || first_.has(BareHeader::kNeedsChecksum));
    }
  }

  // They are those of the whole superframe. All segments of it keep the number of its IPv4 packet, which nobody reads
  // in packets that are not fragments (RFC 6864 §4.1).
  void make_headers_true(MutableBytes frame) const {
    const TransportPlace place = first_.place();
    std::uint8_t* const ip = &frame[place.ip];
    std::uint8_t* const tcp = &frame[place.start];
    std::uint8_t* const length_at = ip + (place.is_v4 ? 2 : 4);
    const auto whole = load_be<std::uint16_t>(length_at);
    const auto length = static_cast<std::uint16_t>(place.is_v4 ? frame.size() - place.ip : frame.size() - place.start);
    store_be(length_at, length);
    if (place.is_v4) store_be(ip + 10, updated_checksum(load_be<std::uint16_t>(ip + 10), whole, length));
    // A partial checksum is the sum, not its complement.
    std::uint8_t* const checksum_at = &frame[place.checksum_at()];
    const std::uint16_t sum = load_be<std::uint16_t>(checksum_at);
    store_be(checksum_at, fold_sum(std::uint64_t{sum} + static_cast<std::uint16_t>(~whole) + length));

    store_be(tcp + 4, load_be<std::uint32_t>(tcp + 4) + first_.before);
    constexpr std::uint8_t kFinAndPush = 0x09;
    constexpr std::uint8_t kWindowReduced = 0x80;
    if (!last_.has(BareHeader::kLast)) tcp[13] &= static_cast<std::uint8_t>(~kFinAndPush);
    if (first_.before > 0) tcp[13] &= static_cast<std::uint8_t>(~kWindowReduced);
  }

  TapQueue& tap_;
  Cipher& cipher_;
  int socket_;
  Bytes received_ = Bytes(kReceivePieces * kReceiveOctetsMax);
  std::array<iovec, kReceivePieces> parts_{};
  std::array<Control<int>, kReceivePieces> controls_{};
  std::array<mmsghdr, kReceivePieces> messages_{};
  // Not written yet: a frame, or so much of a superframe as came in order.
  Bytes joined_ = Bytes(2 * kReceiveOctetsMax);
  std::size_t size_ = 0;
  std::size_t segment_size_ = 0;
  BareHeader first_;
  BareHeader last_;
};

FileDescriptor open_socket(const Endpoint& local, const Endpoint& peer) {
  const SocketAddress here = to_socket_address(local);
  const SocketAddress there = to_socket_address(peer);
  FileDescriptor fd{check("socket", socket(here.data()->sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))};
  for (const int option : {SO_RCVBUFFORCE, SO_SNDBUFFORCE}) {
    check("set the buffers of the socket (needs CAP_NET_ADMIN)",
          setsockopt(fd.get(), SOL_SOCKET, option, &kSocketBuffer, sizeof kSocketBuffer));
  }
  const int on = 1;
  check("set UDP_GRO", setsockopt(fd.get(), SOL_UDP, UDP_GRO, &on, sizeof on));
  check("bind to " + to_string(local), bind(fd.get(), here.data(), here.size));
  check("connect to " + to_string(peer), connect(fd.get(), there.data(), there.size));
  return fd;
}

// Readable when the program is to end.
FileDescriptor open_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  check("sigprocmask", sigprocmask(SIG_BLOCK, &signals, nullptr));
  return FileDescriptor{check("signalfd", signalfd(-1, &signals, SFD_CLOEXEC))};
}

int run(const std::string& tap_name, const Endpoint& local, const Endpoint& peer, bool seals) {
  const FileDescriptor stop = open_stop_signals();
  const FileDescriptor socket = open_socket(local, peer);
  TapOptions options;
  options.name = tap_name;
  options.offloads = {.checksum = true, .tcp = true};
  TapDevice tap = open_tap(options);
  Cipher cipher{seals};
  Sender sender{tap.queue, cipher, socket.get()};
  Receiver receiver{tap.queue, cipher, socket.get()};

  const sched_param parameters{.sched_priority = sched_get_priority_min(SCHED_FIFO)};
  if (sched_setscheduler(0, SCHED_FIFO, &parameters) != 0) {
    std::fprintf(stderr, "bare_overlay: goes with all other threads (needs CAP_SYS_NICE): %s\n", std::strerror(errno));
  }
  std::array<pollfd, 3> polled{pollfd{.fd = socket.get(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = tap.queue.fd(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = stop.get(), .events = POLLIN, .revents = 0}};
  while (polled[2].revents == 0) {
    if (poll(polled.data(), polled.size(), -1) < 0) {
      if (errno == EINTR) continue;
      check("poll", -1);
    }
    if (polled[0].revents != 0) receiver.receive();
    if (polled[1].revents != 0) sender.send_frames();
  }
  return 0;
}

Endpoint parse_end(const std::string& what, const std::string& text) {
  const auto endpoint = parse_endpoint(text, 0);
  if (!endpoint || endpoint->port == 0) throw UsageError(what + ": not an ADDRESS:PORT: " + text);
  return *endpoint;
}

bool parse_cipher(const std::string& name) {
  if (name != "aes256gcm" && name != "none") throw UsageError("--cipher: neither aes256gcm nor none: " + name);
  return name == "aes256gcm";
}

int main(const std::vector<std::string>& arguments) {
  const bool chosen = arguments.size() == 5 && arguments[0] == "--cipher";
  if (chosen || (arguments.size() == 3 && arguments[0][0] != '-')) {
    const bool seals = !chosen || parse_cipher(arguments[1]);
    const std::size_t first = chosen ? 2 : 0;
    const Endpoint local = parse_end("LOCAL", arguments[first + 1]);
    const Endpoint peer = parse_end("PEER", arguments[first + 2]);
    if (local.address.family() != peer.address.family()) throw UsageError("LOCAL and PEER: not of one family");
    return run(arguments[first], local, peer, seals);
  }
  return print_usage(kUsage, arguments);
}

}  // namespace
}  // namespace rove

int main(int argc, char** argv) {
  return rove::run_program("bare_overlay", rove::main, argc, argv);
}
