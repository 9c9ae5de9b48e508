#include "cli/doctor/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/base/check.h"
#include "tap/file_descriptor.h"

namespace rove {
namespace {

using Deadline = std::chrono::steady_clock::time_point;

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  check_syscall("make a pipe", ::pipe2(ends.data(), O_CLOEXEC));
  return {FileDescriptor{ends[0]}, FileDescriptor{ends[1]}};
}

// posix_spawn's list of what to do in the child.
class SpawnActions {
 public:
  SpawnActions() { ROVE_CHECK(::posix_spawn_file_actions_init(&actions_) == 0); }
  ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  [[nodiscard]] bool open_null(int to) {
    return ::posix_spawn_file_actions_addopen(&actions_, to, "/dev/null", O_RDONLY, 0) == 0;
  }
  [[nodiscard]] bool duplicate(int from, int to) {
    return ::posix_spawn_file_actions_adddup2(&actions_, from, to) == 0;
  }
  [[nodiscard]] const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

// Until the program has closed both ends; false when it has not by the deadline.
bool read_both(const FileDescriptor& output, const FileDescriptor& errors, ProgramOutput& into, Deadline deadline) {
  std::array<pollfd, 2> polled{pollfd{output.get(), POLLIN, 0}, pollfd{errors.get(), POLLIN, 0}};
  std::array<std::string*, 2> texts{&into.output, &into.errors};
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    const int ready = ::poll(polled.data(), polled.size(), static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) return false;
    for (std::size_t i = 0; ready > 0 && i < polled.size(); ++i) {
      if (polled[i].fd < 0 || polled[i].revents == 0) continue;
      std::array<char, 16384> chunk;
      const ssize_t got = ::read(polled[i].fd, chunk.data(), chunk.size());
      if (got == 0 || (got < 0 && errno != EINTR)) polled[i].fd = -1;  // poll(2) leaves it out
      if (got <= 0) continue;
      const std::size_t room = kProgramOutputMax - texts[i]->size();
      texts[i]->append(chunk.data(), std::min(room, static_cast<std::size_t>(got)));
    }
  }
  return true;
}

}  // namespace

std::optional<ProgramOutput> run_program(const std::vector<std::string>& words, std::chrono::milliseconds patience) {
  ROVE_CHECK(!words.empty() && words.front().starts_with('/'));
  const Deadline deadline = std::chrono::steady_clock::now() + patience;
  Pipe output = make_pipe();
  Pipe errors = make_pipe();
  SpawnActions actions;
  if (!actions.open_null(STDIN_FILENO) || !actions.duplicate(output.write.get(), STDOUT_FILENO) ||
      !actions.duplicate(errors.write.get(), STDERR_FILENO)) {
    return std::nullopt;
  }
  std::vector<std::string> copies = words;
  std::vector<char*> arguments;
  for (std::string& word : copies) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::string locale = "LC_ALL=C";
  std::array<char*, 2> environment{locale.data(), nullptr};
  pid_t child = 0;
  if (::posix_spawn(&child, words.front().c_str(), actions.get(), nullptr, arguments.data(), environment.data()) != 0) {
    return std::nullopt;
  }
  output.write.reset();
  errors.write.reset();

  ProgramOutput result;
  const bool ended = read_both(output.read, errors.read, result, deadline);
  if (!ended) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) return std::nullopt;
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

}  // namespace rove
