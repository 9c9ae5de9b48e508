#include "cli/qemu/qmp_client.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "cli/base/failure.h"

namespace rove {
namespace {

using Json = nlohmann::json;
using std::chrono::steady_clock;

// Who greets, does so at once. A monitor that serves another client keeps a second one waiting without a word.
constexpr std::chrono::seconds kGreetingTime{5};
// QEMU answers nothing while it sends or loads the last of a VM's state.
constexpr std::chrono::seconds kAnswerTime{60};

std::string text_of(const Json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_string() ? field->get<std::string>() : std::string{};
}

}  // namespace

QmpClient::QmpClient(FileDescriptor socket, std::string name, int interrupt_fd)
    : socket_(std::move(socket)), name_(std::move(name)), interrupt_fd_(interrupt_fd) {
  const auto greeting = receive(steady_clock::now() + kGreetingTime);
  if (ended_) return;
  if (!greeting) {
    throw Failure(ExitStatus::NotFound, "watch " + name_, "nobody greets; a monitor serves one client at a time",
                  "a QMP socket for rove alone: -qmp unix:PATH,server=on,wait=off");
  }
  if (!greeting->contains("QMP")) {
    throw Failure(ExitStatus::Failure, "watch " + name_, "who listens there does not greet as QEMU does",
                  "the socket of -qmp unix:PATH,server=on,wait=off");
  }
  const QmpAnswer negotiated = command("qmp_capabilities");
  if (negotiated.kind == QmpAnswer::Kind::Refused) {
    throw Failure(ExitStatus::Failure, "watch " + name_, "QEMU refuses commands: " + negotiated.why);
  }
}

QmpAnswer QmpClient::command(const std::string& name, const Json& arguments) {
  const Deadline deadline = steady_clock::now() + kAnswerTime;
  const std::uint64_t id = ++last_id_;
  Json request{{"execute", name}, {"id", id}};
  if (!arguments.empty()) request["arguments"] = arguments;
  send(request.dump() + "\n", deadline);
  while (auto message = receive(deadline)) {
    if (message->contains("event")) {
      handle_event(std::move(*message));
      continue;
    }
    // An error in a line that QEMU could not read has no id.
    const auto own = message->find("id");
    if (own != message->end() && *own != id) continue;
    if (const auto error = message->find("error"); error != message->end() && error->is_object()) {
      return {QmpAnswer::Kind::Refused, {}, text_of(*error, "desc")};
    }
    if (const auto value = message->find("return"); value != message->end()) {
      return {QmpAnswer::Kind::Returned, std::move(*value), {}};
    }
    throw Failure(ExitStatus::Failure, "watch " + name_, "the answer to " + name + " is neither result nor error");
  }
  if (!ended_) {
    throw Failure(ExitStatus::NotFound, "watch " + name_, "no answer to " + name + " within a minute");
  }
  return {};
}

void QmpClient::wait(std::chrono::milliseconds time) {
  if (!events_.empty()) return;
  if (auto message = receive(steady_clock::now() + time); message && message->contains("event")) {
    handle_event(std::move(*message));
  }
}

std::optional<QmpEvent> QmpClient::poll_event() {
  if (events_.empty()) return std::nullopt;
  std::optional<QmpEvent> event{std::move(events_.front())};
  events_.pop_front();
  return event;
}

std::optional<int> QmpClient::peer_pid() const {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket_.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0) return std::nullopt;
  return peer.pid;
}

void QmpClient::handle_event(Json message) {
  const auto data = message.find("data");
  QmpEvent event{text_of(message, "event"), data == message.end() ? Json{} : std::move(*data)};
  if (events_.size() >= kQmpEventsMax) events_.pop_front();
  events_.push_back(std::move(event));
}

std::optional<Json> QmpClient::take_line() {
  const std::size_t end = received_.find('\n', searched_);
  searched_ = received_.size();
  if (end == std::string::npos) {
    if (received_.size() <= kQmpLineMax) return std::nullopt;
    throw Failure(ExitStatus::Failure, "watch " + name_, "a line without an end came, which is no QMP");
  }
  Json message = Json::parse(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(end), nullptr,
                             /*allow_exceptions=*/false);
  received_.erase(0, end + 1);
  searched_ = 0;
  if (!message.is_object()) {
    throw Failure(ExitStatus::Failure, "watch " + name_, "a line came that is no JSON object, so this is no QMP",
                  "the socket of -qmp unix:PATH,server=on,wait=off");
  }
  return message;
}

std::optional<Json> QmpClient::receive(Deadline deadline) {
  while (!ended_) {
    if (auto message = take_line()) return message;
    if (!wait_ready(POLLIN, deadline)) return std::nullopt;
    if (ended_) break;
    std::array<char, 65536> chunk;
    const ssize_t got = ::recv(socket_.get(), chunk.data(), chunk.size(), 0);
    if (got > 0) received_.append(chunk.data(), static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) ended_ = true;
  }
  return std::nullopt;
}

bool QmpClient::wait_ready(short events, Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return false;
    std::array<pollfd, 2> entries{{{interrupt_fd_, POLLIN, 0}, {socket_.get(), events, 0}}};
    const int ready =
        ::poll(entries.data(), entries.size(), static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (ready <= 0) continue;
    if (entries[0].revents != 0) ended_ = true;
    return true;
  }
}

void QmpClient::send(std::string line, Deadline deadline) {
  while (!ended_ && !line.empty() && wait_ready(POLLOUT, deadline)) {
    const ssize_t sent = ::send(socket_.get(), line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) line.erase(0, static_cast<std::size_t>(sent));
    if (sent < 0 && errno != EAGAIN && errno != EINTR) ended_ = true;
  }
}

}  // namespace rove
