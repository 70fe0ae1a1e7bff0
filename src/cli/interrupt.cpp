#include "cli/interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "core/refusal.h"
#include "memory/file.h"

namespace semblance::cli {
namespace {

constexpr int kGraceMilliseconds = 100;
constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};
constexpr char kSignalled = 's';
constexpr char kFinished = 'f';

int pipe_ends[2] = {-1, -1};
std::stop_source stop_source;
std::thread watcher;
std::mutex last_words_mutex;
std::string& last_words() {
  static auto& text = *new std::string();  // never destroyed: outlives exit handlers
  return text;
}

void on_signal(int) {
  const int saved = errno;
  const ssize_t ignored = write(pipe_ends[1], &kSignalled, 1);
  (void)ignored;
  errno = saved;
}

/// The next byte of the pipe, or 0 after a timeout; a negative timeout waits forever.
char next_byte(int milliseconds) {
  pollfd waiting{pipe_ends[0], POLLIN, 0};
  const int ready = poll(&waiting, 1, milliseconds);
  if (ready < 0 && errno == EINTR) return next_byte(milliseconds);
  char byte = 0;
  if (ready > 0 && read(pipe_ends[0], &byte, 1) != 1) byte = kFinished;
  return byte;
}

void watch() {
  if (next_byte(-1) == kFinished) return;
  stop_source.request_stop();
  if (next_byte(kGraceMilliseconds) == kFinished) return;
  remove_unfinished_outputs();
  std::string text = "\nsemblance: cancelled\n";
  {
    const std::lock_guard lock(last_words_mutex);
    text += last_words();
  }
  const ssize_t ignored = write(STDERR_FILENO, text.data(), text.size());
  (void)ignored;
  _exit(exit_code(ErrorKind::kCancelled));
}

}  // namespace

Interrupt::Interrupt() {
  if (pipe2(pipe_ends, O_CLOEXEC) != 0)
    fail(ErrorKind::kDevice, "cannot watch for ctrl-C: {}", std::strerror(errno));
  stop_source = std::stop_source();
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : kSignals) {
    // Ignored signals stay ignored: SIGHUP under nohup, SIGINT in a shell's background job.
    struct sigaction before {};
    if (sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) continue;
    sigaction(signal, &action, nullptr);
  }
  watcher = start_thread("that waits for ctrl-C", watch);
}

Interrupt::~Interrupt() {
  for (const int signal : kSignals) {
    struct sigaction now {};
    if (sigaction(signal, nullptr, &now) == 0 && now.sa_handler == on_signal)
      ::signal(signal, SIG_DFL);
  }
  close(pipe_ends[1]);  // the watcher reads this as kFinished
  watcher.join();
  close(pipe_ends[0]);
}

std::stop_token Interrupt::token() const { return stop_source.get_token(); }

void Interrupt::check() const {
  if (stop_source.stop_requested()) fail(ErrorKind::kCancelled, "cancelled");
}

void Interrupt::tell_at_end(std::string text) {
  const std::lock_guard lock(last_words_mutex);
  last_words() = std::move(text);
}

}  // namespace semblance::cli
