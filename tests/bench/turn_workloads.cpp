// What a worker does between two polls: one turn, with its system calls.
//
//   turn_out   TAP ─► worker ══ UDP ══► socket, Forwarder
//   turn_in    TAP ◄─ worker ◄══ UDP ══ socket, Forwarder
//
// The worker is the daemon's own, on its own thread, with real sockets on the loopback and all offloads; the time is
// its thread's, of the whole turn. Its TAP is not a device but one end of a pair of local sockets (AF_UNIX,
// SOCK_DGRAM): they keep a frame and its virtio-net header together as a TAP does, and need no root. So what the kernel
// does in a TAP and behind it, in the bridge and for the guest, is not in the figures; what it does for a local socket
// and for UDP on the loopback, where the receiver's queue is filled while we send, is.
//
// The worker stands in its wake callback, at the end of a turn, while all that its next turn is to handle is queued:
// as much as fits one turn. Behind it comes a mark, something for the control thread, for which the worker calls back
// once it has handled all.
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/check.h"
#include "core/wire/transport.h"
#include "tap/clock.h"
#include "tap/worker.h"
#include "tests/bench/bulk_frames.h"
#include "tests/bench/frame_workloads.h"
#include "tests/bench/program.h"
#include "tests/bench/workload.h"
#include "tests/unit/core/forward/forward_lab.h"

namespace rove {
namespace {

// What one turn takes: no more than 64 frames, of which the mark is one, and no further superframe after 256 KB.
constexpr std::size_t kSuperframes = 4;
constexpr std::size_t kSmallFrames = 60;
constexpr std::size_t kTurnSegmentsMax = kSuperframes * 2 * kSegmentsMax;
constexpr std::size_t kTurnOctetsMax = kSuperframes * kSuperframeOctetsMax;
constexpr std::size_t kFrameSlots = 2048;   // as a worker has
constexpr std::chrono::seconds kLimit{60};  // under valgrind, too
constexpr int kTapBuffer = 4 << 20;         // as far as it is permitted; a turn's superframes fit the usual limit
// A sealed datagram, for all a worker knows.
constexpr std::array<std::uint8_t, 100> kMark{3};

// Where the worker's thread stands between turns, and takes the time from its leaving to its coming back: that it is
// woken here, and wakes who waits for it, belongs to no turn.
class TurnGate {
 public:
  // The worker's. callgrind leaves it out by its name.
  [[gnu::noinline]] void stand() {
    if (open_.load(std::memory_order_acquire)) return;
    ran_ += read_clock() - left_;
    stands_.release();
    goes_.acquire();
    left_ = read_clock();
  }

  // Until it stands again, which it does from the beginning.
  void let_go() {
    goes_.release();
    await();
  }
  void await() { ROVE_CHECK(stands_.try_acquire_for(kLimit)); }
  // How long it was away since this was asked the last time. While it stands.
  [[nodiscard]] Duration take_ran() { return std::exchange(ran_, Duration{0}); }
  void open() {
    open_.store(true, std::memory_order_release);
    goes_.release();
  }

 private:
  std::binary_semaphore stands_{0};
  std::binary_semaphore goes_{0};
  std::atomic<bool> open_{false};
  Duration ran_{0};
  TimePoint left_{};
};

// Both ends of what stands for a TAP: the worker's, and the kernel's behind it.
std::pair<TapQueue, TapQueue> make_tap() {
  std::array<int, 2> ends{};
  check("make a pair of local sockets", socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()));
  for (const int end : ends) {
    check("set a local socket's buffer", setsockopt(end, SOL_SOCKET, SO_SNDBUF, &kTapBuffer, sizeof kTapBuffer));
  }
  const TapOffloads offloads{.checksum = true, .tcp = true, .udp = true};
  return {TapQueue{FileDescriptor{ends[0]}, offloads}, TapQueue{FileDescriptor{ends[1]}, offloads}};
}

std::vector<TapFrame> superframes(const PacketEnds& ends) {
  return {kSuperframes, {bulk_superframe(ends), bulk_offload()}};
}

std::vector<TapFrame> small_frames_of_turn(const PacketEnds& ends) {
  return small_frames(ends, kSmallFrames);
}

TransportPlace place_of(BytesView frame) {
  return find_transport(frame, parse_frame(frame, kSuperframeSizeMax).value()).value();
}

void append_payload(BytesView frame, Bytes& to) {
  const BytesView payload = frame.subspan(place_of(frame).payload);
  to.insert(to.end(), payload.begin(), payload.end());
}

// Frames of one turn from a's VM to b's. One of the two is a worker, the other this thread's.
class WorkerTurn : public Workload {
 public:
  WorkerTurn(AeadAlgorithm algorithm, MakeFrames make_frames)
      : pair_(algorithm, {.packs = true}, {.packs = true}),
        ends_{pair_.vm_a, pair_.vm_b, pair_.ip_a, pair_.ip_b, pair_.ip6_a, pair_.ip6_b},
        frames_(make_frames(ends_)),
        socket_(UdpSocket::bind({ip_of("127.0.0.1"), 0})) {
    for (const TapFrame& frame : frames_) {
      octets_ += frame.octets.size();
      segments_ += frame.offload.segment_size == 0 ? 1 : kBulkSegments;
      append_payload(frame.octets, payload_);
    }
  }
  ~WorkerTurn() override {
    gate_.open();
    worker_.reset();
  }

  void run() final {
    (void)gate_.take_ran();
    // Something else may be there for the control thread, too.
    do {
      gate_.let_go();
    } while (!is_marked());
  }
  [[nodiscard]] std::optional<Duration> took() final { return gate_.take_ran(); }
  void verify() final {
    Bytes arrived;
    const TimePoint end = read_clock() + kLimit;
    while (arrived.size() < payload_.size()) {
      ROVE_CHECK(read_clock() < end);
      take_arrived(arrived);
    }
    ROVE_CHECK(arrived == payload_);
    const WorkerCounters counters = worker_->counters();
    for (const std::uint64_t drops : counters.forwarder.drops) ROVE_CHECK(drops == 0);
    ROVE_CHECK(counters.tap_write_errors + counters.udp_send_errors + counters.udp_kernel_drops == 0);
  }

  [[nodiscard]] std::size_t items() const final { return segments_; }
  [[nodiscard]] std::size_t octets() const final { return octets_; }

 protected:
  // What has come out since: the payloads of its frames, in their order.
  virtual void take_arrived(Bytes& payload) = 0;

  // A worker in the place of a host of the pair, whose view of the session is given. It stands when this returns.
  void start(const Host& host, SessionView session) {
    auto [tap, behind] = make_tap();
    behind_tap_.emplace(std::move(behind));
    UdpSocketPair sockets;
    sockets.v4 = UdpSocket::bind({ip_of("127.0.0.1"), 0});
    worker_endpoint_ = sockets.v4->local();
    worker_.emplace(WorkerConfig{.forwarder = {.packs = true}}, std::move(tap), std::move(sockets), std::nullopt,
                    [this] { gate_.stand(); });
    session.endpoint = socket_.local();
    session.expires = read_steady_clock() + std::chrono::hours{24};
    auto snapshot = std::make_shared<Snapshot>(host.snapshot);
    snapshot->sessions[session.local_index] = session;
    ROVE_CHECK(worker_->post(NewSnapshot{std::move(snapshot)}));
    ROVE_CHECK(socket_.send_one(worker_endpoint_, kMark));
    gate_.await();
    while (!is_marked()) gate_.let_go();
  }
  // The worker has told of the end of what was queued.
  [[nodiscard]] bool is_marked() {
    bool marked = false;
    while (const auto event = worker_->poll_event()) {
      marked = marked || std::holds_alternative<ControlDatagram>(*event) || std::holds_alternative<PuntedFrame>(*event);
    }
    return marked;
  }

  Pair pair_;
  const PacketEnds ends_;
  const std::vector<TapFrame> frames_;
  Bytes payload_;
  std::size_t octets_ = 0;
  std::size_t segments_ = 0;
  UdpSocket socket_;  // this thread's
  std::optional<TapQueue> behind_tap_;
  Endpoint worker_endpoint_;
  FrameBatch delivered_{kFrameSlots};
  TurnGate gate_;
  std::optional<Worker> worker_;
};

class TurnOut final : public WorkerTurn {
 public:
  TurnOut(AeadAlgorithm algorithm, MakeFrames make_frames) : WorkerTurn(algorithm, make_frames) {
    // Of the same flow, so it comes last; to somebody whom only the control thread could find.
    PacketEnds nowhere = ends_;
    nowhere.to_mac = beside(ends_.to_mac);
    mark_ = transport_packet({.tcp = frames_[0].offload.segment_size != 0}, 0, kTcpAck, 1, nowhere);
    start(pair_.a, pair_.session.first);
  }

  void prepare() override {
    for (const TapFrame& frame : frames_) {
      if (frame.offload.segment_size == 0) {
        ROVE_CHECK(behind_tap_->write(frame.octets, true));
      } else {
        const FrameBatch::Entry superframe{.frame = frame.octets,
                                           .needs_checksum = true,
                                           .segment_size = frame.offload.segment_size,
                                           .place = place_of(frame.octets)};
        ROVE_CHECK(behind_tap_->write_superframe(superframe));
      }
    }
    ROVE_CHECK(behind_tap_->write(mark_, true));
  }

 private:
  void take_arrived(Bytes& payload) override {
    delivered_.clear();
    for (const UdpSocket::Received& received : socket_.receive()) {
      for (std::size_t i = 0; i < received.count(); ++i) {
        pair_.b.forwarder.handle_datagram(pair_.b.now, received.from, received.datagram(i), delivered_,
                                          pair_.b.relayed);
      }
    }
    ROVE_CHECK(pair_.b.all_drops() == 0);
    // This host joins none.
    for (const FrameBatch::Entry& entry : delivered_.frames()) append_payload(entry.frame, payload);
  }

  Bytes mark_;
};

class TurnIn final : public WorkerTurn {
 public:
  TurnIn(AeadAlgorithm algorithm, MakeFrames make_frames) : WorkerTurn(algorithm, make_frames) {
    start(pair_.b, pair_.session.second);
    pair_.session.first.endpoint = worker_endpoint_;
    SessionMaker::put(pair_.a, pair_.session.first);
  }

  void prepare() override {
    sealing_ = frames_;  // into the same memory, from the second time on
    sealed_.clear();
    for (TapFrame& frame : sealing_) {
      pair_.a.forwarder.handle_frame(pair_.a.now, frame.octets, frame.offload, sealed_);
    }
    pair_.a.forwarder.flush(sealed_);
    ROVE_CHECK(pair_.a.all_drops() == 0);
    ROVE_CHECK(socket_.send(sealed_.slots()) == sealed_.slots().size());
    ROVE_CHECK(socket_.send_one(worker_endpoint_, kMark));
  }

 private:
  void take_arrived(Bytes& payload) override {
    while (true) {
      const TapQueue::Frame frame = behind_tap_->read(written_);
      if (frame.size == 0) return;
      append_payload(BytesView{written_}.first(frame.size), payload);
    }
  }

  std::vector<TapFrame> sealing_;
  DatagramBatch sealed_{kTurnSegmentsMax, kTurnOctetsMax};
  Bytes written_ = Bytes(kSuperframeSizeMax);
};

}  // namespace

std::vector<NamedWorkload> turn_workloads() {
  return with_each_algorithm<TurnOut, TurnIn>({
      {"turn_out/superframes", "turn_in/superframes", superframes},
      {"turn_out/small", "turn_in/small", small_frames_of_turn},
  });
}

}  // namespace rove
