// One connection from accept to close, on its own thread: receives one request after the other,
// enforces the limits, calls the handler and sends the response.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "memory/buffer.h"
#include "service/http.h"
#include "service/request.h"
#include "service/server_core.h"
#include "service/socket.h"

namespace semblance::service {

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
  bool serve(Exchange& exchange);
  void note(const Exchange& exchange) noexcept;
  void exchange(Exchange& exchange);
  std::size_t receive(std::span<char> dst, Clock::time_point end);
  RequestHead receive_head();
  std::optional<HttpResponse> find_route(Exchange& exchange);
  std::optional<HttpResponse> book_body(Exchange& exchange, std::uint64_t bytes);
  void receive_body(Exchange& exchange, bool is_kept);
  void book_work(Exchange& exchange, std::uint64_t bytes);
  HttpResponse handle(Exchange& exchange);
  void answer(Exchange& exchange, HttpResponse response);
  void finish(Exchange& exchange, HttpResponse& response);
  void send_stream(const Exchange& exchange, const HttpResponse& response, Sender& sender);
  void drain();

  ServerCore& core_;
  std::string client_;              // the key by which connections are counted
  std::string address_;             // numeric, for the log and access control
  std::shared_ptr<Socket> socket_;  // shared with requests that handlers keep
  std::string received_;            // and not parsed yet
  std::uint64_t sent_bytes_ = 0;    // since the request began
  const Counted held_{Tag::kClients, kConnectionLeastBytes};
  std::atomic<bool> is_waiting_ = true;
  bool is_first_ = true;     // no request has been served yet
  bool is_last_ = false;     // the connection is closed after this response
  bool has_unread_ = false;  // the client may still be sending data that is not read
};

}  // namespace semblance::service
