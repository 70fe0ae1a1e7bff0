#include "service/socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>

namespace semblance::service {
namespace {

using namespace std::chrono_literals;

bool wait(int fd, short events, std::chrono::milliseconds most) {
  pollfd state{fd, events, 0};
  const auto time = std::clamp<std::chrono::milliseconds>(most, 0ms, 1000ms);
  // If even poll() fails, the callers' loops must not keep a core busy.
  const int result = ::poll(&state, 1, static_cast<int>(time.count()));
  if (result < 0) std::this_thread::sleep_for(10ms);
  return result != 0;  // after a failure, the following send() or receive() reports it
}

std::size_t count_of(ssize_t result) {
  if (result >= 0) return static_cast<std::size_t>(result);
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return 0;
  throw Closed();
}

}  // namespace

bool Socket::is_left() const {
  const std::lock_guard lock(mutex_);
  if (fd_ < 0 || is_cut_) return true;
  pollfd state{fd_, POLLRDHUP, 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void Socket::end_reading() {
  const std::lock_guard lock(mutex_);
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RD);
}

void Socket::cut() {
  const std::lock_guard lock(mutex_);
  is_cut_ = true;
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

std::size_t Socket::receive(std::span<char> dst) {
  const ssize_t result = ::recv(fd_, dst.data(), dst.size(), MSG_DONTWAIT);
  if (result == 0 && !dst.empty()) throw Closed();
  return count_of(result);
}

std::size_t Socket::send(std::string_view bytes) {
  return count_of(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

void Socket::wait_to_receive(std::chrono::milliseconds most) { wait(fd_, POLLIN, most); }
bool Socket::wait_to_send(std::chrono::milliseconds most) { return wait(fd_, POLLOUT, most); }
void Socket::end_sending() { ::shutdown(fd_, SHUT_WR); }

void Socket::close() {
  const std::lock_guard lock(mutex_);
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace semblance::service
