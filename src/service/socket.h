// A connected socket owned by one thread; other threads may query it and shut it down, even after
// it is closed.
//
// Only the wait functions block. An unrecoverable failure ends the connection and nothing else:
// Closed.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <span>
#include <string_view>

namespace semblance::service {

/// Thrown when the connection is over: the peer closed it or was too slow, or the system failed.
struct Closed {};

class Socket {
 public:
  /// Owns `fd`, which is non-blocking.
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Any thread.
  /// True once the peer has closed, cut() was called, or the socket is closed.
  bool is_left() const;
  /// Ends reading only; data that has already arrived can still be read.
  void end_reading();
  /// Ends reading and writing; is_left() is true from then on.
  void cut();

  // The owning thread.
  /// Reads data that has arrived into `dst`; 0 if there is none yet. Throws Closed.
  std::size_t receive(std::span<char> dst);
  /// The number of bytes accepted; 0 if there is no room yet. Throws Closed.
  std::size_t send(std::string_view bytes);
  /// Waits until there is something to receive, at most a second.
  void wait_to_receive(std::chrono::milliseconds most);
  /// Waits for room to send, at most a second; false if there is none. Call send() only if true:
  /// otherwise the kernel accepts far more than its buffer's size.
  bool wait_to_send(std::chrono::milliseconds most);
  void end_sending();
  void close();

 private:
  mutable std::mutex mutex_;  // guards fd_: once closed, the system reuses the number
  int fd_;
  bool is_cut_ = false;
};

}  // namespace semblance::service
