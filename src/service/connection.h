// One connection from accept to close, on a thread of its own: libmicrohttpd reads and writes HTTP,
// this holds it to the limits and gives requests to their handlers.
//
// Each connection has a libmicrohttpd daemon of its own, driven by the connection's thread. So
// threads, waiting and time limits are ours, and what the library finds wrong with a request
// reaches the client in the shape of all other errors.
#pragma once

#include <microhttpd.h>

#include <atomic>
#include <chrono>
#include <cstdarg>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "service/gate.h"
#include "service/http.h"
#include "service/server.h"

namespace semblance::service {

/// What all connections of a server share.
struct ServerCore {
  ServerCore(const GateOptions& gate_options, Router routes, const HttpLimits& http_limits);

  /// Books `bytes` of bodies; false where they would be too many.
  bool book(std::uint64_t bytes);

  Gate gate;
  Router router;
  HttpLimits limits;
  std::atomic<bool> stopping = false;
  std::atomic<std::uint64_t> bodies_bytes = 0;
  std::atomic<std::uint64_t> requests = 0;
  std::atomic<std::uint64_t> responses_4xx = 0;
  std::atomic<std::uint64_t> responses_5xx = 0;
  std::atomic<unsigned> handling = 0;
};

/// A socket that others may look at and shut down while its own thread works with it, and after.
class SharedSocket {
 public:
  explicit SharedSocket(int fd) : fd_(fd) {}
  /// True once the other side has closed, cut() was called, or the socket is gone.
  bool is_left() const;
  /// Ends reading alone: what has arrived is still read.
  void end_reading();
  /// Ends reading and writing, and is_left() is true from then on.
  void cut();
  /// The socket is about to be closed: nobody may touch its number any more.
  void forget();
  int fd() const { return fd_; }  // for the own thread

 private:
  mutable std::mutex mutex_;
  int fd_;
  bool is_cut_ = false;
};

class Connection {
 public:
  /// Owns `fd`, which is non-blocking, from run() on.
  Connection(ServerCore& core, int fd);
  ~Connection();

  /// Serves until the connection is closed.
  void run();

  /// For a server that stops: a connection that waits for a request ends. Any thread.
  void stop_waiting();
  /// Ends it, and tells its handler so. Any thread.
  void cut() { socket_->cut(); }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase { kWaiting, kHead, kBody, kHandling, kSending };
  struct Exchange;
  struct Stream;

  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url,
                               const char* method, const char* version, const char* upload,
                               std::size_t* upload_size, void** context);
  static void* on_target(void* self, const char* target, MHD_Connection* connection);
  static void on_completed(void* self, MHD_Connection* connection, void** context,
                           MHD_RequestTerminationCode code);
  static void on_connection(void* self, MHD_Connection* connection, void** context,
                            MHD_ConnectionNotificationCode code);
  static void on_log(void* self, const char* format, va_list arguments);
  static std::size_t keep_raw(void* self, MHD_Connection* connection, char* text);

  MHD_Result take_head(MHD_Connection* connection, const char* method, const char* version);
  MHD_Result take_body(std::string_view bytes);
  MHD_Result answer(MHD_Connection* connection);
  std::optional<HttpResponse> read_head(MHD_Connection* connection, const char* method,
                                        const char* version);
  std::optional<HttpResponse> find_route();
  std::optional<HttpResponse> book_body();
  HttpResponse handle();
  void drop_body();
  MHD_Result queue(MHD_Connection* connection, HttpResponse response);
  void finish(HttpResponse& response) const;
  void send_and_close(HttpResponse response);
  void enforce_deadline();
  void end_exchange();
  void drain();
  void set_phase(Phase phase, Clock::duration time);

  ServerCore& core_;
  std::string client_;  // HttpRequest's
  std::shared_ptr<SharedSocket> socket_;
  std::unique_ptr<Exchange> exchange_;
  std::atomic<Phase> phase_ = Phase::kWaiting;
  Clock::time_point deadline_;
  bool is_closed_ = false;
  bool is_ended_ = false;    // the last response is out, only closing is left
  bool has_unread_ = false;  // the client may still be sending what nobody reads
};

}  // namespace semblance::service
