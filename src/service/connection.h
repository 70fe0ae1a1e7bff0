// One connection from accept to close, on its own thread: receives one request after the other,
// enforces the limits, calls the handler and sends the response.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "memory/buffer.h"
#include "service/access_control.h"
#include "service/http.h"
#include "service/http_limits.h"
#include "service/request.h"
#include "service/socket.h"

namespace semblance::service {

/// A number of bytes that can be booked. Any thread.
class Pool {
 public:
  explicit Pool(std::uint64_t limit) : limit_(limit) {}
  /// False if that would exceed the limit.
  bool take(std::uint64_t bytes);
  void give(std::uint64_t bytes) { used_ -= bytes; }
  std::uint64_t used() const { return used_; }
  bool is_half_used() const { return used_ > limit_ / 2; }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_ = 0;
};

/// Shared by all connections of a server. Any thread.
struct ServerCore {
  ServerCore(const AccessOptions& access_options, Router routes, const HttpLimits& http_limits);

  /// Whether memory or connections run short, in total or for this client, so that slow clients
  /// must make room.
  bool is_short(const std::string& client) const;

  AccessControl access;
  Router router;
  const HttpLimits limits;
  Pool bodies;
  Pool small_bodies;
  std::atomic<std::uint64_t> work_bytes = 0;  // of the pools, booked for handlers' own work
  std::atomic<bool> stopping = false;
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<std::uint64_t> responses_4xx = 0;
  std::atomic<std::uint64_t> responses_5xx = 0;
  std::atomic<unsigned> handling = 0;

  mutable std::mutex mutex;
  std::map<std::string, unsigned> connections;  // of each client
  unsigned connection_count = 0;
};

/// Bytes booked for one request or response.
class Booking {
 public:
  /// `is_work`: for a handler's own work, and not for a body or text.
  explicit Booking(ServerCore& core, bool is_work = false) : core_(core), is_work_(is_work) {}
  ~Booking() { resize(0); }
  Booking(const Booking&) = delete;
  Booking& operator=(const Booking&) = delete;

  /// Replaces the booking with one of `bytes`. False, and unchanged, if there is no room.
  bool resize(std::uint64_t bytes);
  std::uint64_t bytes() const { return bytes_; }

 private:
  ServerCore& core_;
  bool is_work_;
  std::uint64_t bytes_ = 0;
};

class Connection {
 public:
  /// Owns `fd`, which is non-blocking. `client`: the key by which connections are counted.
  Connection(ServerCore& core, int fd, std::string client);

  /// Serves until the connection is closed. A failure ends only this connection.
  void run() noexcept;

  /// Ends a connection that is waiting for a request, when the server stops. Any thread.
  void stop_waiting();
  /// Ends it; its handler sees client_left(). Any thread.
  void cut() { socket_->cut(); }
  const std::string& client() const { return client_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Exchange;
  class Sender;

  bool serve_one();
  void exchange(Exchange& exchange);
  std::size_t receive(std::span<char> dst, Clock::time_point end);
  RequestHead receive_head();
  std::optional<HttpResponse> find_route(Exchange& exchange);
  std::optional<HttpResponse> book_body(Exchange& exchange, std::uint64_t bytes);
  void receive_body(Exchange& exchange, bool is_kept);
  void book_work(Exchange& exchange, std::uint64_t bytes);
  HttpResponse handle(Exchange& exchange);
  void answer(Exchange& exchange, HttpResponse response);
  void finish(const Exchange& exchange, HttpResponse& response);
  void send_stream(const Exchange& exchange, const HttpResponse& response, Sender& sender);
  void drain();

  ServerCore& core_;
  std::string client_;              // the key by which connections are counted
  std::string address_;             // numeric, for the log and access control
  std::shared_ptr<Socket> socket_;  // shared with requests that handlers keep
  std::string received_;            // and not parsed yet
  const Counted held_{Tag::kClients, kConnectionLeastBytes};
  std::atomic<bool> is_waiting_ = true;
  bool is_first_ = true;     // no request has been served yet
  bool is_last_ = false;     // the connection is closed after this response
  bool has_unread_ = false;  // the client may still be sending data that is not read
};

}  // namespace semblance::service
