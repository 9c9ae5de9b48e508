#include "cli/control/control_server.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <cerrno>
#include <optional>
#include <set>
#include <system_error>

#include "cli/base/failure.h"
#include "cli/base/file_io.h"
#include "cli/control/unix_listener.h"
#include "cli/control/watch_queue.h"

namespace rove {
namespace {

using Socket = asio::local::stream_protocol::socket;

constexpr std::chrono::seconds kIdleTimeout{30};

sockaddr_un socket_address(const std::filesystem::path& path) {
  const auto address = make_unix_address(path);
  if (!address) {
    throw Failure(ExitStatus::Usage, "control socket " + path.string(), "the path is too long for a unix socket",
                  "a shorter ROVE_RUN_DIR");
  }
  return *address;
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

// We hold the lock, so whoever listens there is no daemon that knows of it.
FileDescriptor listen_on(const ControlServerConfig& config, const ControlPolicy& policy) {
  const sockaddr_un address = socket_address(config.socket);
  if (is_taken(address)) throw already_running(config);
  return listen_unix(address, policy.has_group ? std::optional{policy.group} : std::nullopt,
                     "control socket " + config.socket.string());
}

ControlPolicy make_policy(const std::string& group, bool group_may_claim) {
  const std::optional<gid_t> found = find_group(group);
  return {.daemon_uid = ::geteuid(),
          .group = found.value_or(0),
          .has_group = found.has_value(),
          .group_may_claim = group_may_claim};
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
      : config(config_),
        policy(make_policy(config_.group, config_.group_may_claim)),
        handler(std::move(handler_)),
        acceptor(io),
        pause(io) {}

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

void ControlServer::set_access(const std::string& group, bool group_may_claim) {
  const ControlPolicy policy = make_policy(group, group_may_claim);
  give_to_group(impl_->config.socket, policy.has_group ? std::optional{policy.group} : std::nullopt,
                "control socket " + impl_->config.socket.string());
  impl_->policy = policy;
}

const ControlCounters& ControlServer::counters() const {
  return impl_->counters;
}

}  // namespace rove
