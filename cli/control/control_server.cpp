#include "cli/control/control_server.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <system_error>

#include "cli/base/failure.h"
#include "cli/base/file_io.h"
#include "cli/control/watch_queue.h"

namespace rove {
namespace {

using Socket = asio::local::stream_protocol::socket;

constexpr std::chrono::seconds kIdleTimeout{30};

sockaddr_un socket_address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof address.sun_path) {
    throw Failure(ExitStatus::Usage, "control socket " + text, "the path is too long for a unix socket",
                  "a shorter ROVE_RUN_DIR");
  }
  std::memcpy(address.sun_path, text.data(), text.size());
  return address;
}

Failure already_running(const ControlServerConfig& config) {
  return {ExitStatus::Failure, "start",
          "a daemon for network " + config.network + " runs already (" + config.socket.string() + ")",
          "rove status -n " + config.network};
}

// Held for the daemon's life. The kernel drops it when the process dies, however it dies.
FileDescriptor lock_socket(const ControlServerConfig& config) {
  const std::string path = config.socket.string() + ".lock";
  FileDescriptor lock{check_syscall("open " + path, ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600))};
  const int locked = ::flock(lock.get(), LOCK_EX | LOCK_NB);
  if (locked < 0 && errno == EWOULDBLOCK) throw already_running(config);
  check_syscall("lock " + path, locked);
  return lock;
}

// We hold the lock, so whoever still listens is no daemon that knows of it; a file that nobody listens on
// was left by a daemon that was killed.
void remove_stale_socket(const ControlServerConfig& config, const sockaddr_un& address) {
  const FileDescriptor probe{
      check_syscall("create a socket", ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
  const int connected = ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  if (connected == 0 || errno == EAGAIN) throw already_running(config);
  if (errno == ECONNREFUSED) ::unlink(config.socket.c_str());
}

FileDescriptor listen_on(const ControlServerConfig& config, const ControlPolicy& policy) {
  const std::string attempt = "control socket " + config.socket.string();
  const sockaddr_un address = socket_address(config.socket);
  remove_stale_socket(config, address);
  FileDescriptor listener{check_syscall(attempt, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
  const mode_t mask = ::umask(0177);  // nobody but us, until owner and mode are right
  const int bound = ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const int error = errno;
  ::umask(mask);
  if (bound < 0) throw std::system_error(error, std::generic_category(), attempt);
  if (policy.has_group) {
    check_syscall(attempt + ": give it to group " + config.group,
                  ::chown(config.socket.c_str(), static_cast<uid_t>(-1), policy.group));
  }
  check_syscall(attempt, ::chmod(config.socket.c_str(), 0660));
  check_syscall(attempt, ::listen(listener.get(), SOMAXCONN));
  return listener;
}

ControlPolicy make_policy(const ControlServerConfig& config) {
  ControlPolicy policy{
      .daemon_uid = ::geteuid(), .group = 0, .has_group = false, .group_may_claim = config.group_may_claim};
  // getgrnam's static buffer: this runs at start-up, on the only thread that asks.
  if (const group* found = ::getgrnam(config.group.c_str())) {  // NOLINT(concurrency-mt-unsafe)
    policy.group = found->gr_gid;
    policy.has_group = true;
  }
  return policy;
}

// False when the kernel does not tell: such a peer is nobody.
bool read_peer(int fd, ControlPeer& peer) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0) return false;
  peer.uid = credentials.uid;
  peer.gid = credentials.gid;
  constexpr std::size_t kGroupsMax = 65536;  // NGROUPS_MAX
  peer.groups.resize(64);
  for (;;) {
    size = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
    const int got = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size);
    const std::size_t count = size / sizeof(gid_t);
    if (got < 0 && errno == ERANGE && count > peer.groups.size() && count <= kGroupsMax) {
      peer.groups.resize(count);
      continue;
    }
    peer.groups.resize(got < 0 ? 0 : count);
    return true;
  }
}

ControlResponse refusal(ExitStatus status, std::string what, std::string why, std::string next = {}) {
  return {.status = status, .data = {}, .what = std::move(what), .why = std::move(why), .next = std::move(next)};
}

}  // namespace

struct ControlServer::Impl : std::enable_shared_from_this<ControlServer::Impl> {
  // One client. Kept alive by its operations under way and by the set of sessions.
  struct Session : std::enable_shared_from_this<Session> {
    Session(Impl& server_, Socket socket_)
        : server(&server_), socket(std::move(socket_)), idle(socket.get_executor()) {}

    void start() {
      if (!read_peer(socket.native_handle(), peer)) return close();
      read();
    }

    void read() {
      watch_idle();
      const auto self = shared_from_this();
      socket.async_read_some(asio::buffer(chunk), [self](std::error_code error, std::size_t size) {
        if (error || self->server == nullptr) return self->close();
        self->pending.append(self->chunk.data(), size);
        self->take_line();
      });
    }

    // Handles the first whole line, or goes on reading. The next line waits until this one is answered.
    void take_line() {
      const std::size_t end = pending.find('\n');
      if (end == std::string::npos) {
        if (pending.size() <= kRequestSizeMax) return read();
        return refuse_line("longer than " + std::to_string(kRequestSizeMax) + " octets");
      }
      if (end > kRequestSizeMax) return refuse_line("longer than " + std::to_string(kRequestSizeMax) + " octets");
      DecodedRequest decoded = decode_request(std::string_view{pending}.substr(0, end));
      pending.erase(0, end + 1);
      if (!decoded.request) return refuse_line(decoded.error);
      handle(std::move(*decoded.request));
    }

    void refuse_line(const std::string& why) {
      ++server->counters.malformed;
      last = true;
      write(refusal(ExitStatus::Usage, "control request", why));
    }

    void handle(ControlRequest request) {
      ++server->counters.requests;
      if (!is_permitted(peer, server->policy, right_for(request.verb))) {
        ++server->counters.denied;
        return write(refusal(ExitStatus::Conflict, std::string{to_string(request.verb)},
                             "not permitted for uid " + std::to_string(peer.uid), "the same command as root"));
      }
      const bool watch = request.verb == ControlVerb::Watch;
      if (watch && server->watchers >= kWatchersMax) {
        ++server->counters.watchers_refused;
        return write(
            refusal(ExitStatus::Failure, "watch", "there are " + std::to_string(kWatchersMax) + " watchers already"));
      }
      idle.cancel();  // the time that the daemon takes is not the client's
      const std::weak_ptr<Session> weak = weak_from_this();
      server->handler(std::move(request), [weak, watch](ControlResponse response) {
        const auto self = weak.lock();
        if (!self || self->server == nullptr || !self->socket.is_open()) return;
        if (watch && response.status == ExitStatus::Ok) return self->start_watching(response);
        self->write(std::move(response));
      });
    }

    void start_watching(const ControlResponse& response) {
      watching.emplace();
      ++server->watchers;
      discard_input();
      tell(encode_response(response));
    }

    // A watcher says nothing more; reading on tells when it has gone.
    void discard_input() {
      const auto self = shared_from_this();
      socket.async_read_some(asio::buffer(chunk), [self](std::error_code error, std::size_t) {
        if (error || self->server == nullptr) return self->close();
        self->discard_input();
      });
    }

    void tell(std::string line) {
      if (!watching->push(std::move(line))) ++server->counters.watch_events_lost;
      if (output.empty()) write_queue();
    }

    // As long as the client takes to read, events gather in its queue.
    void write_queue() {
      output = watching->take();
      if (output.empty()) return;
      const auto self = shared_from_this();
      asio::async_write(socket, asio::buffer(output), [self](std::error_code error, std::size_t) {
        if (error || self->server == nullptr) return self->close();
        self->write_queue();
      });
    }

    void write(ControlResponse response) {
      watch_idle();
      output = encode_response(response) + '\n';
      const auto self = shared_from_this();
      asio::async_write(socket, asio::buffer(output), [self](std::error_code error, std::size_t) {
        if (error || self->server == nullptr || self->last) return self->close();
        self->output.clear();
        self->take_line();
      });
    }

    void watch_idle() {
      idle.expires_after(kIdleTimeout);
      const std::weak_ptr<Session> weak = weak_from_this();
      idle.async_wait([weak](std::error_code error) {
        const auto self = weak.lock();
        if (!error && self) self->close();
      });
    }

    void close() {
      std::error_code ignored;  // a socket that is broken is closed all the same
      idle.cancel();
      socket.close(ignored);
      if (server == nullptr || server->sessions.erase(shared_from_this()) == 0) return;
      if (watching) --server->watchers;
    }

    Impl* server;  // nullptr once the server is gone
    Socket socket;
    asio::steady_timer idle;
    ControlPeer peer;
    std::array<char, 4096> chunk{};
    std::string pending;  // read, and not handled yet
    std::string output;
    std::optional<WatchQueue> watching;
    bool last = false;  // close after this answer
  };

  Impl(asio::io_context& io, const ControlServerConfig& config_, Handler handler_)
      : config(config_), policy(make_policy(config_)), handler(std::move(handler_)), acceptor(io), pause(io) {}

  void open() {
    make_directory(config.socket.parent_path(), 0755);
    lock = lock_socket(config);
    FileDescriptor listener = listen_on(config, policy);
    // The acceptor takes a descriptor of its own, so that the owned one can go out of scope here.
    acceptor.assign(asio::local::stream_protocol{},
                    check_syscall("control socket", ::fcntl(listener.get(), F_DUPFD_CLOEXEC, 0)));
    accept();
  }

  void accept() {
    const std::weak_ptr<Impl> weak = weak_from_this();
    acceptor.async_accept([weak](std::error_code error, Socket socket) {
      const auto self = weak.lock();
      if (!self || error == asio::error::operation_aborted) return;
      if (error) return self->accept_later();
      self->welcome(std::move(socket));
      self->accept();
    });
  }

  // accept() fails for want of descriptors or memory; trying again at once would spin.
  void accept_later() {
    pause.expires_after(std::chrono::milliseconds{100});
    const std::weak_ptr<Impl> weak = weak_from_this();
    pause.async_wait([weak](std::error_code error) {
      const auto self = weak.lock();
      if (!error && self) self->accept();
    });
  }

  void welcome(Socket socket) {
    if (sessions.size() >= kControlClientsMax) {
      ++counters.clients_refused;
      const std::string line =
          encode_response(refusal(ExitStatus::Failure, "control socket", "too many clients at a time")) + '\n';
      std::error_code ignored;  // it is a courtesy: a client that cannot take one line gets none
      socket.non_blocking(true, ignored);
      socket.write_some(asio::buffer(line), ignored);
      return;
    }
    const auto session = std::make_shared<Session>(*this, std::move(socket));
    sessions.insert(session);
    session->start();
  }

  void publish(const std::string& data) {
    if (watchers == 0) return;
    const std::string line = encode_data(data);
    for (const auto& session : sessions) {
      if (session->watching) session->tell(line);
    }
  }

  void shut_down() {
    std::error_code ignored;  // nothing is left to do about an acceptor that does not close
    acceptor.close(ignored);
    pause.cancel();
    ::unlink(config.socket.c_str());
    for (const auto& session : std::exchange(sessions, {})) {
      session->server = nullptr;
      session->close();
    }
  }

  ControlServerConfig config;
  ControlPolicy policy;
  Handler handler;
  ControlCounters counters;
  FileDescriptor lock;
  asio::local::stream_protocol::acceptor acceptor;
  asio::steady_timer pause;
  std::set<std::shared_ptr<Session>> sessions;
  std::size_t watchers = 0;  // of the sessions
};

ControlServer::ControlServer(asio::io_context& io, const ControlServerConfig& config, Handler handler)
    : impl_(std::make_shared<Impl>(io, config, std::move(handler))) {
  impl_->open();
}

ControlServer::~ControlServer() {
  impl_->shut_down();
}

void ControlServer::publish(const std::string& data) {
  impl_->publish(data);
}

bool ControlServer::has_watchers() const {
  return impl_->watchers > 0;
}

const ControlCounters& ControlServer::counters() const {
  return impl_->counters;
}

}  // namespace rove
