// A connected socket of one thread, which others may look at and shut down meanwhile, and after.
//
// It never blocks but in wait(). What goes wrong with it beyond repair is the end of the
// connection, and of nothing else: Closed.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <span>
#include <string_view>

namespace semblance::service {

/// Thrown where the connection is over: the other side closed it, was too slow, or the system
/// failed.
struct Closed {};

class Socket {
 public:
  /// Owns `fd`, which is non-blocking.
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Any thread.
  /// True once the other side has closed, cut() was called, or the socket is gone.
  bool is_left() const;
  /// Ends reading alone: what has arrived is still read.
  void end_reading();
  /// Ends reading and writing, and is_left() is true from then on.
  void cut();

  // The own thread.
  /// What has arrived, at most `dst`; 0 where that is nothing yet. Throws Closed.
  std::size_t receive(std::span<char> dst);
  /// How many of the bytes were taken; 0 where there is no room yet. Throws Closed.
  std::size_t send(std::string_view bytes);
  /// Waits until there is something to receive, a second at most.
  void wait_to_receive(std::chrono::milliseconds most);
  /// The same for room to send; false where there is none. Only then send(): the system takes much
  /// more than its buffer should hold from who does not ask.
  bool wait_to_send(std::chrono::milliseconds most);
  void end_sending();
  void close();

 private:
  mutable std::mutex mutex_;  // guards the number, which the system gives to others once closed
  int fd_;
  bool is_cut_ = false;
};

}  // namespace semblance::service
