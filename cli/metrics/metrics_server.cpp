// A request's way:
//
//   accept ─► read ─► GET /metrics, /health ─► a report that is fresh? ── yes ──► render ─► write ─► end
//                │                                      │ no                        ▲
//                └► anything else: refused              └► wake the control thread ─┘ answer(), or time is over
#include "cli/metrics/metrics_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <asio/basic_socket_acceptor.hpp>
#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "cli/base/failure.h"
#include "cli/control/unix_listener.h"
#include "cli/metrics/exposition.h"
#include "cli/metrics/http_message.h"
#include "cli/metrics/metrics_report.h"
#include "tap/file_descriptor.h"
#include "tap/signals_blocked.h"

namespace rove {
namespace {

using Protocol = asio::generic::stream_protocol;
using Clock = std::chrono::steady_clock;

constexpr int kNice = 10;  // below ordinary processes: who asks can wait
constexpr std::string_view kText = "text/plain; charset=utf-8";
constexpr std::string_view kJson = "application/json";

Failure taken(const MetricsAddress& address) {
  return {ExitStatus::Failure, "serve metrics at " + to_string(address), "another process listens there",
          "another address for metrics in the configuration"};
}

FileDescriptor listen_tcp(const MetricsAddress& address) {
  const std::string attempt = "serve metrics at " + to_string(address);
  const Endpoint& endpoint = address.tcp;
  const BytesView octets = endpoint.address.bytes();
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (endpoint.address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, octets.data(), octets.size());
    size = sizeof v4;
  } else {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, octets.data(), octets.size());
    size = sizeof v6;
  }
  FileDescriptor listener{
      check_syscall(attempt, ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
  const int yes = 1;
  check_syscall(attempt, ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes));
  // An IPv6 address means IPv6 only, [::] too, as for the underlay.
  if (storage.ss_family == AF_INET6) {
    check_syscall(attempt, ::setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes));
  }
  const int bound = ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&storage), size);
  if (bound < 0 && errno == EADDRINUSE) throw taken(address);
  check_syscall(attempt, bound);
  check_syscall(attempt, ::listen(listener.get(), kMetricsClientsMax));
  return listener;
}

FileDescriptor listen_on(const MetricsAddress& address, std::optional<gid_t> group) {
  if (address.socket.empty()) return listen_tcp(address);
  const std::string attempt = "serve metrics at " + to_string(address);
  const auto path = make_unix_address(address.socket);
  if (!path) throw Failure(ExitStatus::Usage, attempt, "the path is too long for a unix socket", "a shorter one");
  if (is_taken(*path)) throw taken(address);
  return listen_unix(*path, group, attempt);
}

int family_of(const MetricsAddress& address) {
  if (!address.socket.empty()) return AF_UNIX;
  return address.tcp.address.is_v4() ? AF_INET : AF_INET6;
}

}  // namespace

struct MetricsServer::Impl {
  // One client. Kept alive by its operations under way and by the set of sessions. The server outlives all of them:
  // its io_context does.
  struct Session : std::enable_shared_from_this<Session> {
    enum class Stage { Reading, Waiting, Ending };

    Session(Impl& server_, Protocol::socket socket_) : server(server_), socket(std::move(socket_)), timer(server_.io) {}

    void start() {
      limit(kMetricsExchangeMax);
      read();
    }

    void read() {
      socket.async_read_some(asio::buffer(chunk), [self = shared_from_this()](std::error_code error, std::size_t size) {
        if (error) return self->close();
        self->take({self->chunk.data(), size});
      });
    }

    void take(std::string_view octets) {
      switch (reader.feed(octets)) {
        case HttpRequestReader::State::Incomplete: return read();
        case HttpRequestReader::State::Refused: return refuse(reader.refusal(), "GET /metrics or GET /health\n");
        case HttpRequestReader::State::Complete: break;
      }
      path = reader.path();
      if (path != "/metrics" && path != "/health") {
        return refuse(HttpStatus::NotFound, "there is /metrics and /health\n");
      }
      server.requests.fetch_add(1, std::memory_order_relaxed);
      stage = Stage::Waiting;
      limit(kMetricsAnswerMax);
      server.want_report(*this);
    }

    void refuse(HttpStatus status, std::string why) {
      server.refused.fetch_add(1, std::memory_order_relaxed);
      write(encode_http_response(status, kText, std::move(why)));
    }

    void respond(const StatusReport& report) {
      if (stage != Stage::Waiting) return;
      if (path == "/metrics") {
        return write(encode_http_response(HttpStatus::Ok, Exposition::kContentType, render_metrics(report)));
      }
      const HttpStatus status = report.usable ? HttpStatus::Ok : HttpStatus::Unavailable;
      write(encode_http_response(status, kJson, render_health(report)));
    }

    void respond_unknown() {
      server.unanswered.fetch_add(1, std::memory_order_relaxed);
      if (path == "/health")
        return write(encode_http_response(HttpStatus::Unavailable, kJson, render_health_unknown()));
      write(encode_http_response(HttpStatus::Unavailable, kText, "the control thread does not answer\n"));
    }

    // Reads on to the client's end: closing on what it still sends would take the answer from it.
    void write(std::string response) {
      stage = Stage::Ending;
      limit(kMetricsExchangeMax);
      output = std::move(response);
      asio::async_write(socket, asio::buffer(output), [self = shared_from_this()](std::error_code error, std::size_t) {
        if (error) return self->close();
        self->socket.shutdown(Protocol::socket::shutdown_send, error);
        if (error) return self->close();
        self->discard();
      });
    }

    void discard() {
      socket.async_read_some(asio::buffer(chunk), [self = shared_from_this()](std::error_code error, std::size_t) {
        if (error) return self->close();
        self->discard();
      });
    }

    // For all that is left of this stage.
    void limit(std::chrono::seconds time) {
      timer.expires_after(time);
      timer.async_wait([weak = weak_from_this()](std::error_code error) {
        const auto self = weak.lock();
        if (error || !self) return;
        if (self->stage == Stage::Waiting) return self->respond_unknown();
        self->close();
      });
    }

    void close() {
      std::error_code ignored;  // a socket that is broken is closed all the same
      timer.cancel();
      socket.close(ignored);
      server.sessions.erase(shared_from_this());
    }

    Impl& server;
    Protocol::socket socket;
    asio::steady_timer timer;
    HttpRequestReader reader;
    std::array<char, 2048> chunk{};
    std::string path;
    std::string output;
    Stage stage = Stage::Reading;
  };

  Impl(const MetricsAddress& address_, std::optional<gid_t> group, std::function<void()> wake_)
      : address(address_), wake(std::move(wake_)), acceptor(io), pause(io) {
    FileDescriptor listener = listen_on(address, group);
    // The acceptor takes a descriptor of its own, so that the owned one can go out of scope here.
    acceptor.assign(Protocol{family_of(address), 0},
                    check_syscall("serve metrics", ::fcntl(listener.get(), F_DUPFD_CLOEXEC, 0)));
    accept();
    const SignalsBlocked blocked;
    thread = std::thread{[this] {
      // Raising it is always permitted.
      ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
      io.run();
    }};
    pthread_setname_np(thread.native_handle(), "rove-metrics");
  }

  void accept() {
    acceptor.async_accept([this](std::error_code error, Protocol::socket socket) {
      if (error) return accept_later();
      if (sessions.size() >= kMetricsClientsMax) {
        clients_refused.fetch_add(1, std::memory_order_relaxed);
      } else {
        const auto session = std::make_shared<Session>(*this, std::move(socket));
        sessions.insert(session);
        session->start();
      }
      accept();
    });
  }

  // accept() fails for want of descriptors or memory; trying again at once would spin.
  void accept_later() {
    pause.expires_after(std::chrono::milliseconds{100});
    pause.async_wait([this](std::error_code error) {
      if (!error) accept();
    });
  }

  void want_report(Session& session) {
    if (report && Clock::now() - report_time < kMetricsReportAge) return session.respond(*report);
    if (std::exchange(asked, true)) return;
    question.store(true, std::memory_order_release);
    wake();
  }

  void take_report(std::shared_ptr<const StatusReport> newer) {
    asked = false;
    report = std::move(newer);
    report_time = Clock::now();
    for (const auto& session : sessions) session->respond(*report);  // those that wait; none ends in here
  }

  const MetricsAddress address;
  const std::function<void()> wake;
  asio::io_context io{/*concurrency_hint=*/1};

  // From thread to thread.
  std::atomic<bool> question{false};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> refused{0};
  std::atomic<std::uint64_t> clients_refused{0};
  std::atomic<std::uint64_t> unanswered{0};

  // The thread's.
  asio::basic_socket_acceptor<Protocol> acceptor;
  asio::steady_timer pause;
  std::set<std::shared_ptr<Session>> sessions;
  bool asked = false;  // the control thread was, and has not answered
  std::shared_ptr<const StatusReport> report;
  Clock::time_point report_time{};

  std::thread thread;  // last: the rest exists when it starts
};

MetricsServer::MetricsServer(const MetricsAddress& address, std::optional<gid_t> group, std::function<void()> wake)
    : impl_(std::make_unique<Impl>(address, group, std::move(wake))) {}

MetricsServer::~MetricsServer() {
  impl_->io.stop();
  impl_->thread.join();
  impl_->sessions.clear();
  if (!impl_->address.socket.empty()) ::unlink(impl_->address.socket.c_str());
}

bool MetricsServer::poll_question() {
  return impl_->question.exchange(false, std::memory_order_acq_rel);
}

void MetricsServer::answer(std::shared_ptr<const StatusReport> report) {
  asio::post(impl_->io,
             [impl = impl_.get(), report = std::move(report)]() mutable { impl->take_report(std::move(report)); });
}

MetricsCounters MetricsServer::counters() const {
  return {.requests = impl_->requests.load(std::memory_order_relaxed),
          .refused = impl_->refused.load(std::memory_order_relaxed),
          .clients_refused = impl_->clients_refused.load(std::memory_order_relaxed),
          .unanswered = impl_->unanswered.load(std::memory_order_relaxed)};
}

const MetricsAddress& MetricsServer::address() const {
  return impl_->address;
}

}  // namespace rove
