#include "device/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <initializer_list>

#include "core/error.h"

namespace semblance {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kMostOutput = std::size_t{1} << 20;

void write_all(int descriptor, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t count = write(descriptor, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) _exit(1);  // the parent is gone
    done += static_cast<std::size_t>(count);
  }
}

/// Handlers of the program would report a crash as its own; a core file would be large.
void prepare_child(int output) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTERM, SIGINT, SIGPIPE})
    std::signal(signal, SIG_DFL);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (stream != output) dup2(nowhere, stream);
  }
}

/// Reads until the child closes the pipe; false if it takes too long.
bool read_output(int descriptor, Clock::time_point deadline, std::string& output) {
  std::array<char, 4096> bytes{};
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    pollfd waiting{descriptor, POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t count = read(descriptor, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return true;
    output.append(bytes.data(), static_cast<std::size_t>(count));
    if (output.size() > kMostOutput) return false;
  }
}

}  // namespace

ChildEnd run_child(
    const std::function<void(const std::function<void(const std::string&)>& write)>& work,
    std::chrono::milliseconds patience) {
  constexpr const char* kDoing = "cannot ask the graphics drivers: {}\n  close other programs";
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0)
    fail(ErrorKind::kDevice, fmt::runtime(kDoing), std::strerror(errno));
  const pid_t child = fork();
  if (child < 0) {
    const int error = errno;
    close(ends[0]);
    close(ends[1]);
    fail(ErrorKind::kDevice, fmt::runtime(kDoing), std::strerror(error));
  }
  if (child == 0) {
    prepare_child(ends[1]);
    try {
      work([&](const std::string& line) { write_all(ends[1], line + '\n'); });
    } catch (...) {
      _exit(1);
    }
    _exit(0);
  }
  close(ends[1]);
  ChildEnd end;
  end.timed_out = !read_output(ends[0], Clock::now() + patience, end.output);
  close(ends[0]);
  // A driver's thread may keep a child alive that has said everything.
  kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  return end;
}

}  // namespace semblance
