// A turn of the loop:
//
//   poll ─► clock ─► commands ─► UDP ─► handle_datagram ─┬─► frames ─► TAP
//                                                        └─► relayed datagrams ─┐
//                                TAP ─► handle_frame ────────────────────────────┴─► UDP ─► events, counters
//
// Everything is bounded per turn, so that no side starves the other. UDP goes first: what has crossed the network
// already costs more to lose.
#include "tap/worker.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/counter_numbers.h"
#include "core/base/mailbox.h"
#include "core/forward/frame_backlog.h"
#include "core/wire/frame_pack.h"
#include "tap/clock.h"
#include "tap/coalescing_watch.h"
#include "tap/precedence.h"
#include "tap/signals_blocked.h"
#include "tap/wake_signal.h"

namespace rove {
namespace {

constexpr std::size_t kCommandsPerTurn = 256;
constexpr std::size_t kFramesPerTurn = 64;
// … and of superframes no more than so much: what comes in from the network waits meanwhile.
constexpr std::size_t kFrameOctetsPerTurn = std::size_t{256} << 10;
constexpr std::size_t kFramesBeforeEcho = 1024;  // more than a TAP's queue holds
// Frames that wait for others are given up on when all that has arrived meanwhile has been read, or so much later: a
// busy processor keeps us from reading, not them from coming.
constexpr std::chrono::milliseconds kBacklogMax{100};
// Frames to be written; more are written in between.
constexpr std::size_t kFrameSlots = 2048;
static_assert(kFrameSlots >= kPackedFramesMax);
// Frames go out together in batches of this size, a turn's superframes: the few datagrams of one that are too many for
// one piece (UdpSocket) go in a piece with the next one's. Small enough to be in the cache still.
constexpr std::size_t kDatagramOctets = kFrameOctetsPerTurn;
constexpr std::size_t kDatagramSlots = (kDatagramOctets / kSuperframeSizeMax + 2) * kSegmentsMax;
constexpr std::size_t kBatchOctets = kDatagramOctets + kSuperframeOctetsMax;
// What one datagram's frames can become that are sent on, a marker and what a DatagramBatch wants for the next one.
constexpr std::size_t kRelaySlots = kPackedFramesMax + 1;
constexpr std::size_t kRelayOctets = 3 * kDatagramSizeMax + kPackedFramesMax * kDataOverhead;

std::error_code set_policy(pthread_t thread, int policy) {
  const sched_param parameters{.sched_priority = sched_get_priority_min(policy)};
  return {pthread_setschedparam(thread, policy, &parameters), std::generic_category()};
}

// One that polls must not: it would keep ordinary threads from its processor for good. Nor if the workers could have
// all processors: a flood of datagrams would leave the control thread next to nothing.
std::error_code set_realtime(pthread_t thread, Duration busy_poll, unsigned workers) {
  if (busy_poll > Duration{0} || std::thread::hardware_concurrency() <= workers) return {};
  return set_policy(thread, SCHED_FIFO);
}

ForwarderConfig with_offloads(ForwarderConfig config, const TapOffloads& offloads) {
  config.joins_tcp = offloads.tcp;
  config.joins_udp = offloads.udp;
  return config;
}

}  // namespace

struct Worker::Impl {
  Impl(const WorkerConfig& config, TapQueue tap_queue, UdpSocketPair socket_pair, std::optional<PortWriter> port_writer,
       std::function<void()> wake_callback);

  // Worker's thread.
  void run() noexcept;
  void turn();
  void wait();
  bool poll_busily();  // whether something is ready
  void drain_signal();
  void handle_commands();
  bool handle_datagrams(UdpSocket& socket, CoalescingWatch& coalescing);  // whether nothing is left to read
  void handle_datagram(const Endpoint& from, MutableBytes datagram);
  [[nodiscard]] bool hand_over(const Endpoint& from, BytesView datagram);  // whether it is another worker's
  void handle_handed();
  bool read_frames();
  void handle_frames();
  void handle_echoes();
  void release_held();
  void write_frame(BytesView frame, bool needs_checksum, unsigned port);
  void write_incoming();
  void send_outgoing();
  void publish();
  void adapt_precedence();

  // Control thread.
  bool post(WorkerCommand command);
  bool push_kept_snapshot();
  void wake_worker();  // unless it is awake

  const Duration busy_poll;
  const unsigned number;
  const std::shared_ptr<DatagramExchange> exchange;  // nullptr: there is one worker
  const WakeSignal waking;
  const std::function<void()> wake;
  UdpSocketPair sockets;  // sending is thread-safe

  // From thread to thread.
  Mailbox<WorkerCommand> commands;
  Mailbox<WorkerEvent> events;
  std::atomic<bool> stopping{false};
  std::atomic<bool> asleep{false};         // or about to be: a command must be announced by `waking`
  std::atomic<bool> snapshot_kept{false};  // the control thread waits for room in `commands`
  std::array<std::atomic<std::uint64_t>, std::tuple_size_v<CounterNumbers<WorkerCounters>>> published{};
  std::error_code realtime_error;  // constant
  std::atomic<bool> failed{false};
  std::string failure;  // before `failed` is true: the worker's; then constant

  // The control thread's.
  std::shared_ptr<const Snapshot> kept_snapshot;

  // The worker's.
  TapQueue tap;
  std::optional<PortWriter> ports;
  Forwarder forwarder;
  FrameBacklog backlog;
  FrameBatch incoming{kFrameSlots};
  DatagramBatch outgoing{kDatagramSlots, kBatchOctets};
  CoalescingWatch coalescing_v4;
  CoalescingWatch coalescing_v6;
  WorkerCounters counters;  // its `forwarder` stays empty: the Forwarder has them
  Precedence precedence;
  bool ceded = false;        // it has gone first, and does not for now
  std::size_t arrivals = 0;  // in this turn, for `precedence`
  TimePoint now{};
  std::vector<Echo> echoes;        // of this turn's commands: answered when the TAP has been read empty
  TimePoint caught_up{};           // all datagrams that arrived before it have been handled
  std::array<pollfd, 5> polled{};  // waking, TAP, IPv4, IPv6, exchange

  std::thread thread;  // last: the rest exists when it starts
};

Worker::Impl::Impl(const WorkerConfig& config, TapQueue tap_queue, UdpSocketPair socket_pair,
                   std::optional<PortWriter> port_writer, std::function<void()> wake_callback)
    : busy_poll(config.busy_poll),
      number(config.forwarder.worker),
      exchange(config.exchange),
      wake(std::move(wake_callback)),
      sockets(std::move(socket_pair)),
      commands(config.commands_max),
      events(config.events_max),
      tap(std::move(tap_queue)),
      ports(std::move(port_writer)),
      forwarder(with_offloads(config.forwarder, tap.offloads())) {
  // poll() leaves out negative descriptors.
  const auto fd_of = [](const std::optional<UdpSocket>& socket) { return socket ? socket->fd() : -1; };
  polled = {{{waking.fd(), POLLIN, 0},
             {tap.fd(), POLLIN, 0},
             {fd_of(sockets.v4), POLLIN, 0},
             {fd_of(sockets.v6), POLLIN, 0},
             {exchange ? exchange->fd(number) : -1, POLLIN, 0}}};
  const SignalsBlocked blocked;
  thread = std::thread{[this] { run(); }};
  const unsigned workers = exchange ? exchange->workers() : 1;
  const std::string name = workers == 1 ? "rove-worker" : "rove-worker-" + std::to_string(number);
  pthread_setname_np(thread.native_handle(), name.c_str());
  if (config.realtime) realtime_error = set_realtime(thread.native_handle(), config.busy_poll, workers);
}

void Worker::Impl::run() noexcept {
  try {
    while (!stopping.load(std::memory_order_acquire)) turn();
  } catch (const std::exception& error) {
    failure = error.what();
    failed.store(true, std::memory_order_release);
    wake();
  }
}

void Worker::Impl::turn() {
  wait();
  now = read_steady_clock();
  handle_commands();
  release_held();
  if (polled[4].revents != 0) handle_handed();
  // An error condition counts as ready: reading tells of it, or takes it away.
  // poll() was some time ago: what has come since may be what frames wait for that are about to be given up on.
  const auto deadline = forwarder.poll_timeout();
  const bool is_due = deadline && *deadline <= now;
  const bool v4_read =
      (polled[2].revents == 0 && !is_due) || !sockets.v4 || handle_datagrams(*sockets.v4, coalescing_v4);
  const bool v6_read =
      (polled[3].revents == 0 && !is_due) || !sockets.v6 || handle_datagrams(*sockets.v6, coalescing_v6);
  caught_up = std::max(caught_up, v4_read && v6_read ? now : now - kBacklogMax);
  release_held();
  if (polled[1].revents != 0 || !backlog.empty() || !echoes.empty()) handle_frames();
  handle_echoes();
  send_outgoing();
  adapt_precedence();
  publish();
}

// With busy polling: looks again and again for a while. Others who want this processor get it in between.
bool Worker::Impl::poll_busily() {
  const TimePoint until = std::min(now + busy_poll, forwarder.poll_timeout().value_or(TimePoint::max()));
  do {
    const int ready = poll(polled.data(), polled.size(), 0);
    if (ready != 0 || !commands.empty()) return ready > 0;
    sched_yield();
  } while (read_steady_clock() < until && !stopping.load(std::memory_order_relaxed));
  return false;
}

// Who posts looks at `asleep` after its push, and we look at the mailbox after having set it. Both change it by
// exchange: one of the two comes second in its order and sees what the other did before.
void Worker::Impl::wait() {
  if (busy_poll > Duration{0} && backlog.empty() && poll_busily()) return drain_signal();
  asleep.exchange(true, std::memory_order_acq_rel);
  int timeout = commands.empty() && backlog.empty() ? -1 : 0;
  if (const auto deadline = forwarder.poll_timeout(); deadline && timeout != 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - read_steady_clock());
    timeout = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
  }
  if (poll(polled.data(), polled.size(), timeout) < 0) {
    if (errno != EINTR) check_syscall("poll", -1);
    for (pollfd& entry : polled) entry.revents = 0;
  }
  asleep.store(false, std::memory_order_relaxed);
  drain_signal();
}

void Worker::Impl::drain_signal() {
  if (polled[0].revents != 0) waking.drain();
}

void Worker::Impl::handle_commands() {
  for (std::size_t i = 0; i < kCommandsPerTurn; ++i) {
    auto command = commands.pop();
    if (!command) break;
    if (const auto* write = std::get_if<WriteFrame>(&*command)) {
      write_frame(write->frame, false, forwarder.port_for(write->frame));
      continue;
    }
    if (const Echo* echo = std::get_if<Echo>(&*command)) {
      echoes.push_back(*echo);
      continue;
    }
    if (!outgoing.has_room(2, 2 * kDatagramSizeMax)) send_outgoing();
    forwarder.handle_command(now, std::move(*command), outgoing);
    release_held();
  }
  if (snapshot_kept.load(std::memory_order_relaxed) && snapshot_kept.exchange(false, std::memory_order_acq_rel)) wake();
}

bool Worker::Impl::handle_datagrams(UdpSocket& socket, CoalescingWatch& coalescing) {
  const std::span<UdpSocket::Received> batch = socket.receive();
  const ForwarderCounters& totals = forwarder.counters();
  const std::uint64_t& refused = totals.drops[static_cast<std::size_t>(DropReason::Undecryptable)];
  const CoalescingWatch::Counts before{totals.datagrams_opened, refused};
  CoalescingWatch::Counts joined;
  for (const UdpSocket::Received& received : batch) {
    const CoalescingWatch::Counts earlier{totals.datagrams_opened, refused};
    const std::size_t count = received.count();
    for (std::size_t i = 0; i < count; ++i) handle_datagram(received.from, received.datagram(i));
    if (!received.joined()) {
      ++arrivals;
      continue;
    }
    joined.opened += totals.datagrams_opened - earlier.opened;
    joined.refused += refused - earlier.refused;
  }
  const CoalescingWatch::Counts single{totals.datagrams_opened - before.opened - joined.opened,
                                       refused - before.refused - joined.refused};
  if (coalescing.handle_batch(now, joined, single)) socket.stop_coalescing();
  write_incoming();  // before the next receive(), which takes their memory back
  release_held();
  return socket.drained();
}

void Worker::Impl::handle_datagram(const Endpoint& from, MutableBytes datagram) {
  if (exchange && hand_over(from, datagram)) return;
  if (!outgoing.has_room(kRelaySlots, kRelayOctets)) send_outgoing();
  if (!incoming.has_room(kPackedFramesMax)) write_incoming();
  forwarder.handle_datagram(now, from, datagram, incoming, outgoing);
}

bool Worker::Impl::hand_over(const Endpoint& from, BytesView datagram) {
  const unsigned owner = exchange->owner_of(datagram, number);
  if (owner == number) return false;
  const bool handed = exchange->hand(number, owner, {from, {datagram.begin(), datagram.end()}});
  ++(handed ? counters.datagrams_handed : counters.datagrams_unhanded);
  return true;
}

void Worker::Impl::handle_handed() {
  exchange->acknowledge(number);
  while (auto handed = exchange->take(number)) {
    if (!outgoing.has_room(kRelaySlots, kRelayOctets)) send_outgoing();
    forwarder.handle_datagram(now, handed->from, handed->octets, incoming, outgoing);
    write_incoming();  // what lies in it
    release_held();
  }
}

void Worker::Impl::write_incoming() {
  for (const FrameBatch::Entry& entry : incoming.frames()) {
    if (entry.segment_size == 0) {
      write_frame(entry.frame, entry.needs_checksum, entry.port);
    } else if (!tap.write_superframe(entry)) {
      ++counters.tap_write_errors;
    }
  }
  incoming.clear();
}

// What the TAP has now, as far as there is room. Whether it may have more.
bool Worker::Impl::read_frames() {
  while (!backlog.full()) {
    const TapQueue::Frame frame = tap.read(backlog.buffer());
    if (frame.size == 0) return false;
    backlog.push(frame.size, frame.offload);
  }
  return true;
}

void Worker::Impl::handle_frames() {
  std::size_t octets = 0;
  const std::size_t frames_max = echoes.empty() ? kFramesPerTurn : kFramesBeforeEcho;
  bool more = read_frames();
  for (std::size_t i = 0; i < frames_max && (octets < kFrameOctetsPerTurn || !echoes.empty()); ++i) {
    const auto frame = backlog.pop();
    if (!frame) break;
    octets += frame->octets.size();
    if (frame->offload.segment_size == 0) ++arrivals;
    if (!outgoing.has_room(kSegmentsMax + 1, kSuperframeOctetsMax + kDatagramSizeMax)) send_outgoing();
    forwarder.handle_frame(now, frame->octets, frame->offload, outgoing);
    release_held();
    // While a superframe is sealed, a small frame may come.
    if (frame->offload.segment_size != 0 || (backlog.empty() && more)) more = read_frames();
  }
  if (outgoing.full()) send_outgoing();
  forwarder.flush(outgoing);
}

void Worker::Impl::handle_echoes() {
  for (const Echo& echo : echoes) forwarder.handle_command(now, echo, outgoing);
  echoes.clear();
}

void Worker::Impl::release_held() {
  while (forwarder.has_released(caught_up)) {
    if (!outgoing.has_room(2, 2 * kDatagramSizeMax)) send_outgoing();
    if (const auto frame = forwarder.release(now, outgoing))
      write_frame(frame->frame, frame->needs_checksum, frame->port);
  }
}

void Worker::Impl::write_frame(BytesView frame, bool needs_checksum, unsigned port) {
  if (port != 0) {
    if (!ports || !ports->write(port, frame, needs_checksum)) ++counters.port_write_errors;
    return;
  }
  if (!tap.write(frame, needs_checksum)) ++counters.tap_write_errors;
}

void Worker::Impl::send_outgoing() {
  if (outgoing.empty()) return;
  counters.udp_send_errors += outgoing.slots().size() - sockets.send(outgoing.slots());
  outgoing.clear();
}

// Only of a thread that goes first by its configuration, and was allowed to.
void Worker::Impl::adapt_precedence() {
  if (!precedence.handle_turn(now, std::exchange(arrivals, 0))) return;
  if (precedence.first()) {
    if (std::exchange(ceded, false)) (void)set_policy(pthread_self(), SCHED_FIFO);
  } else if (sched_getscheduler(0) == SCHED_FIFO) {
    ceded = !set_policy(pthread_self(), SCHED_OTHER);
    if (ceded) ++counters.realtime_pauses;
  }
}

void Worker::Impl::publish() {
  bool news = false;
  while (auto event = forwarder.poll_event()) {
    if (events.push(std::move(*event))) {
      news = true;
    } else {
      ++counters.events_lost;
    }
  }
  WorkerCounters snapshot = counters;
  snapshot.forwarder = forwarder.counters();
  const auto numbers = numbers_of(snapshot);
  for (std::size_t i = 0; i < numbers.size(); ++i) published[i].store(numbers[i], std::memory_order_relaxed);
  if (news) wake();
}

bool Worker::Impl::post(WorkerCommand command) {
  if (failed.load(std::memory_order_acquire)) return false;
  const auto* newer = std::get_if<NewSnapshot>(&command);
  if (newer != nullptr) {
    kept_snapshot = newer->snapshot;
    push_kept_snapshot();
    return true;
  }
  if (!push_kept_snapshot() || !commands.push(std::move(command))) return false;
  wake_worker();
  return true;
}

// True when none is kept any more.
bool Worker::Impl::push_kept_snapshot() {
  if (!kept_snapshot) return true;
  const bool pushed = commands.push(NewSnapshot{kept_snapshot});
  if (pushed) {
    kept_snapshot.reset();
  } else {
    snapshot_kept.store(true, std::memory_order_release);
  }
  wake_worker();
  return pushed;
}

void Worker::Impl::wake_worker() {
  if (asleep.exchange(false, std::memory_order_acq_rel)) waking.notify();
}

Worker::Worker(const WorkerConfig& config, TapQueue tap, UdpSocketPair sockets, std::optional<PortWriter> ports,
               std::function<void()> wake)
    : impl_(std::make_unique<Impl>(config, std::move(tap), std::move(sockets), std::move(ports), std::move(wake))) {}

Worker::~Worker() {
  impl_->stopping.store(true, std::memory_order_release);
  impl_->waking.notify();
  impl_->thread.join();
}

bool Worker::post(WorkerCommand command) {
  return impl_->post(std::move(command));
}

bool Worker::send(const Endpoint& to, BytesView datagram, std::size_t segment) {
  UdpSocket* socket = impl_->sockets.find(to.address.family());
  if (socket == nullptr) return false;
  return segment == 0 ? socket->send_one(to, datagram) : socket->send_segments(to, datagram, segment);
}

std::optional<WorkerEvent> Worker::poll_event() {
  impl_->push_kept_snapshot();
  return impl_->events.pop();
}

WorkerCounters Worker::counters() const {
  CounterNumbers<WorkerCounters> numbers;
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = impl_->published[i].load(std::memory_order_relaxed);
  auto counters = counters_of<WorkerCounters>(numbers);
  for (const auto* socket : {&impl_->sockets.v4, &impl_->sockets.v6}) {
    if (*socket) counters.udp_kernel_drops += (*socket)->kernel_drops();
  }
  return counters;
}

TapOffloads Worker::tap_offloads() const {
  return impl_->tap.offloads();
}

UdpOffloads Worker::udp_offloads() const {
  UdpOffloads offloads;
  for (const auto* socket : {&impl_->sockets.v4, &impl_->sockets.v6}) {
    if (!*socket) continue;
    offloads.segmentation = offloads.segmentation && (*socket)->offloads().segmentation;
    offloads.coalescing = offloads.coalescing && (*socket)->offloads().coalescing;
  }
  return offloads;
}

std::error_code Worker::realtime_error() const {
  return impl_->realtime_error;
}

std::optional<std::string> Worker::failure() const {
  if (!impl_->failed.load(std::memory_order_acquire)) return std::nullopt;
  return impl_->failure;
}

}  // namespace rove
