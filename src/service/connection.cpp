#include "service/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>
#include <utility>

#include "service/log.h"
#include "service/target.h"

namespace semblance::service {
namespace {

using namespace std::chrono_literals;

/// How long a client that is still sending what was refused is heard out, so that it reads the
/// response instead of meeting a reset connection.
constexpr auto kDrainTime = 2s;
/// A refused body up to here is read and forgotten, and the connection lives on.
constexpr std::uint64_t kSwallowBytes = std::uint64_t{64} << 10;
/// What libmicrohttpd asks of a response's body at a time.
constexpr std::size_t kBlockBytes = std::size_t{32} << 10;
/// What libmicrohttpd needs beside the header itself: its records, and the head of the response.
constexpr std::size_t kPoolSpareBytes = std::size_t{16} << 10;

std::uint64_t body_bytes_in(std::string_view digits) {
  // libmicrohttpd has checked that it is a number that fits.
  std::uint64_t bytes = 0;
  for (char c : digits) bytes = bytes * 10 + static_cast<std::uint64_t>(c - '0');
  return bytes;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_header_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
  });
}

/// The address in numbers; of IPv4 also where it came by an IPv6 socket.
std::string text_of(const sockaddr_storage& storage) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  const bool is_v4 = storage.ss_family == AF_INET;
  const bool is_mapped = !is_v4 && IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr);
  const void* const address = is_v4       ? static_cast<const void*>(&v4.sin_addr)
                              : is_mapped ? static_cast<const void*>(&v6.sin6_addr.s6_addr[12])
                                          : static_cast<const void*>(&v6.sin6_addr);
  ::inet_ntop(is_v4 || is_mapped ? AF_INET : AF_INET6, address, text.data(), text.size());
  return text.data();
}

HttpResponse malformed(const std::string& what) {
  return error_response(400, "argument", "cannot read the request: " + what);
}

struct Headers {
  std::map<std::string, std::string> all;
  std::string problem;  // the first thing that is wrong
};

MHD_Result add_header(void* self, MHD_ValueKind, const char* key, std::size_t key_size,
                      const char* value, std::size_t value_size) {
  Headers& headers = *static_cast<Headers*>(self);
  const std::string_view name(key, key_size);
  const std::string_view text = value == nullptr ? "" : std::string_view(value, value_size);
  if (!is_token(name)) {
    headers.problem = "a header's name must be letters, digits and dashes before the colon";
    return MHD_NO;
  }
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (!is_header_text(text)) {
    headers.problem = "the header " + lower + " has control characters";
    return MHD_NO;
  }
  const auto [place, is_new] = headers.all.try_emplace(lower, text);
  if (is_new) return MHD_YES;
  if (lower == "host" || lower == "content-length" || lower == "transfer-encoding" ||
      lower == "origin" || lower == "authorization" || lower == "content-type") {
    headers.problem = "the header " + lower + " is there more than once";
    return MHD_NO;
  }
  place->second += (lower == "cookie" ? "; " : ", ") + std::string(text);
  return MHD_YES;
}

}  // namespace

// ---- ServerCore, SharedSocket

ServerCore::ServerCore(const GateOptions& gate_options, Router routes,
                       const HttpLimits& http_limits)
    : gate(gate_options), router(std::move(routes)), limits(http_limits) {
  router.add(
      "POST", "/api/login",
      [this](const HttpRequest& request, const Router::Captures&) { return gate.login(request); },
      {.body_limit = 4096, .open = true});
  router.add(
      "POST", "/api/logout",
      [this](const HttpRequest& request, const Router::Captures&) { return gate.logout(request); },
      {.body_limit = 4096, .open = true});
}

bool ServerCore::book(std::uint64_t bytes) {
  std::uint64_t before = bodies_bytes.load();
  do {
    if (bytes > limits.bodies_bytes || before > limits.bodies_bytes - bytes) return false;
  } while (!bodies_bytes.compare_exchange_weak(before, before + bytes));
  return true;
}

bool SharedSocket::is_left() const {
  const std::lock_guard lock(mutex_);
  if (fd_ < 0 || is_cut_) return true;
  pollfd state{fd_, POLLRDHUP, 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void SharedSocket::end_reading() {
  const std::lock_guard lock(mutex_);
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RD);
}

void SharedSocket::cut() {
  const std::lock_guard lock(mutex_);
  is_cut_ = true;
  if (fd_ >= 0) ::shutdown(fd_, SHUT_RDWR);
}

void SharedSocket::forget() {
  const std::lock_guard lock(mutex_);
  fd_ = -1;
}

// ---- One request and its response

struct Connection::Exchange {
  std::string target;
  HttpRequest request;
  Router::Match match;
  std::optional<HttpResponse> refusal;
  bool is_head = false;
  bool has_body = false;
  bool is_chunked = false;
  bool is_begun = false;  // the head was looked at
  std::uint64_t declared_bytes = 0;
  std::uint64_t booked_bytes = 0;
};

/// A body on its way out: of a text, or piece by piece.
struct Connection::Stream {
  Connection& connection;
  HttpResponse response;
  std::string piece;
  std::size_t given = 0;  // of the piece

  ssize_t give(char* dst, std::size_t most) {
    connection.set_phase(Phase::kSending, connection.core_.limits.idle_time);
    const std::string& src = response.stream ? piece : response.body;
    if (response.stream && given == piece.size() && !next_piece()) {
      return connection.socket_->is_left() ? MHD_CONTENT_READER_END_WITH_ERROR
                                           : MHD_CONTENT_READER_END_OF_STREAM;
    }
    const std::size_t count = std::min(most, src.size() - given);
    std::memcpy(dst, src.data() + given, count);
    given += count;
    connection.set_phase(Phase::kSending, connection.core_.limits.idle_time);
    return static_cast<ssize_t>(count);
  }

  /// False when there is none any more, for whatever reason.
  bool next_piece() {
    piece.clear();
    given = 0;
    while (piece.empty()) {
      if (connection.core_.stopping || connection.socket_->is_left()) return false;
      const auto begin = Clock::now();
      auto next = response.stream();
      if (!next) return false;
      piece = std::move(*next);
      // A stream that does not block itself would keep a core busy with asking.
      if (piece.empty() && Clock::now() - begin < 1ms) std::this_thread::sleep_for(10ms);
    }
    return true;
  }
};

// ---- The connection's life

Connection::Connection(ServerCore& core, int fd)
    : core_(core), socket_(std::make_shared<SharedSocket>(fd)) {
  set_phase(Phase::kWaiting, core_.limits.head_time);
}

Connection::~Connection() = default;

void Connection::set_phase(Phase phase, Clock::duration time) {
  phase_ = phase;
  deadline_ = Clock::now() + time;
}

void Connection::stop_waiting() {
  if (phase_ == Phase::kWaiting) socket_->end_reading();
}

void Connection::run() {
  const int fd = socket_->fd();
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    socket_->forget();
    ::close(fd);
    return;
  }
  client_ = text_of(address);
  MHD_Daemon* daemon = MHD_start_daemon(
      MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0, nullptr, nullptr,
      &Connection::on_request, this, MHD_OPTION_EXTERNAL_LOGGER, &Connection::on_log, this,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      static_cast<std::size_t>(2 * core_.limits.header_bytes + kPoolSpareBytes),
      MHD_OPTION_UNESCAPE_CALLBACK, &Connection::keep_raw, this, MHD_OPTION_URI_LOG_CALLBACK,
      &Connection::on_target, this, MHD_OPTION_NOTIFY_COMPLETED, &Connection::on_completed, this,
      MHD_OPTION_NOTIFY_CONNECTION, &Connection::on_connection, this, MHD_OPTION_END);
  if (daemon == nullptr) {
    socket_->forget();
    ::close(fd);
    return;
  }
  // From here on the daemon closes the socket, also where it does not take it.
  if (MHD_add_connection(daemon, fd, reinterpret_cast<sockaddr*>(&address), length) != MHD_YES) {
    socket_->forget();
    is_closed_ = true;
  }
  while (!is_closed_) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::now());
    const auto wait = std::clamp<std::int64_t>(left.count(), 0, 60'000);
    if (MHD_run_wait(daemon, static_cast<std::int32_t>(wait)) != MHD_YES) break;
    if (!is_closed_) enforce_deadline();
  }
  MHD_stop_daemon(daemon);
  end_exchange();
}

void Connection::enforce_deadline() {
  if (core_.stopping && phase_ == Phase::kWaiting && !is_ended_) {
    is_ended_ = true;
    socket_->end_reading();
  }
  if (Clock::now() < deadline_) return;
  if ((phase_ == Phase::kHead || phase_ == Phase::kBody) && !is_ended_) {
    send_and_close(error_response(
        408, "timeout",
        phase_ == Phase::kHead
            ? "cannot wait for the request any longer: its headers took too long to arrive"
            : "cannot wait for the request any longer: its body took too long to arrive"));
    has_unread_ = false;  // this client has had its time
  }
  socket_->cut();
  deadline_ = Clock::now() + 1s;
}

void Connection::end_exchange() {
  if (!exchange_) return;
  core_.bodies_bytes -= exchange_->booked_bytes;
  if (exchange_->is_begun) --core_.handling;
  exchange_.reset();
}

/// Hears the client out for a moment, after the response was sent.
void Connection::drain() {
  const int fd = socket_->fd();
  ::shutdown(fd, SHUT_WR);
  const auto end = Clock::now() + kDrainTime;
  std::array<char, 4096> waste;
  while (!core_.stopping) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd state{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&state, 1, static_cast<int>(left)) <= 0) return;
    if (::recv(fd, waste.data(), waste.size(), MSG_DONTWAIT) <= 0) return;
  }
}

// ---- What libmicrohttpd calls

std::size_t Connection::keep_raw(void*, MHD_Connection*, char* text) {
  return std::strlen(text);  // target.h decodes
}

void* Connection::on_target(void* self, const char* target, MHD_Connection*) {
  Connection& me = *static_cast<Connection*>(self);
  me.end_exchange();
  me.exchange_ = std::make_unique<Exchange>();
  me.exchange_->target = target == nullptr ? "" : target;
  me.exchange_->request.client = me.client_;
  me.set_phase(Phase::kHead, me.core_.limits.head_time);
  return nullptr;
}

void Connection::on_completed(void* self, MHD_Connection*, void**, MHD_RequestTerminationCode) {
  Connection& me = *static_cast<Connection*>(self);
  me.end_exchange();
  me.set_phase(Phase::kWaiting, me.core_.limits.idle_time);
}

void Connection::on_connection(void* self, MHD_Connection*, void**,
                               MHD_ConnectionNotificationCode code) {
  if (code != MHD_CONNECTION_NOTIFY_CLOSED) return;
  Connection& me = *static_cast<Connection*>(self);
  if (me.has_unread_) me.drain();
  me.socket_->forget();
  me.is_closed_ = true;
}

void Connection::on_log(void* self, const char* format, va_list arguments) {
  // The library says here what it is about to answer to a request that it cannot read. Its own
  // answer is HTML: ours goes out first, and ends the connection as its own would.
  if (!std::string_view(format).starts_with("Error processing request (HTTP response code is %u")) {
    return;
  }
  Connection& me = *static_cast<Connection*>(self);
  const auto status = static_cast<int>(va_arg(arguments, unsigned));
  const bool is_large = status == 413 || status == 414 || status == 431;
  me.send_and_close(
      status == 500 ? error_response(500, "internal", "internal error: the request got stuck")
      : is_large    ? error_response(status, "too_large",
                                     fmt::format("cannot read the request: its {} too large",
                                              status == 413   ? "body's length is"
                                                 : status == 414 ? "target is"
                                                                 : "headers are"))
                    : error_response(status, "argument",
                                     "cannot read the request: it is no well-formed HTTP/1.1"));
}

MHD_Result Connection::on_request(void* self, MHD_Connection* connection, const char*,
                                  const char* method, const char* version, const char* upload,
                                  std::size_t* upload_size, void**) {
  Connection& me = *static_cast<Connection*>(self);
  // No exception may pass through the library.
  try {
    if (me.is_ended_) return MHD_NO;
    if (!me.exchange_->is_begun) return me.take_head(connection, method, version);
    if (*upload_size > 0) {
      const std::string_view bytes(upload, *upload_size);
      *upload_size = 0;
      return me.take_body(bytes);
    }
    return me.answer(connection);
  } catch (const std::bad_alloc&) {
    me.send_and_close(error_response(503, "memory", "cannot answer: there is no memory left"));
  } catch (const std::exception& error) {
    me.send_and_close(
        error_response(500, "internal", std::string("internal error: ") + error.what()));
  }
  return MHD_NO;
}

// ---- From head to answer

MHD_Result Connection::take_head(MHD_Connection* connection, const char* method,
                                 const char* version) {
  Exchange& exchange = *exchange_;
  exchange.is_begun = true;
  ++core_.handling;
  ++core_.requests;
  std::optional<HttpResponse> fatal = read_head(connection, method, version);
  if (fatal) {
    send_and_close(std::move(*fatal));
    return MHD_NO;
  }
  exchange.refusal = find_route();
  if (!exchange.refusal && exchange.has_body) exchange.refusal = book_body();
  if (exchange.has_body) {
    const auto seconds =
        exchange.declared_bytes / std::max<std::uint64_t>(1, core_.limits.body_rate);
    set_phase(Phase::kBody, core_.limits.body_time + std::chrono::seconds(seconds));
  } else {
    set_phase(Phase::kHandling, core_.limits.idle_time);
  }
  const bool swallows = !exchange.is_chunked && exchange.declared_bytes <= kSwallowBytes &&
                        exchange.request.header("expect").empty();
  if (exchange.refusal && exchange.has_body && !swallows) {
    has_unread_ = true;
    HttpResponse refusal = std::move(*exchange.refusal);
    refusal.headers["Connection"] = "close";
    return queue(connection, std::move(refusal));
  }
  return MHD_YES;
}

/// What cannot be read ends the connection: where the next request begins is not known.
std::optional<HttpResponse> Connection::read_head(MHD_Connection* connection, const char* method,
                                                  const char* version) {
  Exchange& exchange = *exchange_;
  HttpRequest& request = exchange.request;
  Headers headers;
  MHD_get_connection_values_n(connection, MHD_HEADER_KIND, &add_header, &headers);
  if (!headers.problem.empty()) return malformed(headers.problem);
  request.headers = std::move(headers.all);
  const MHD_ConnectionInfo* size =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  if (size != nullptr && size->header_size > core_.limits.header_bytes) {
    return error_response(
        431, "too_large",
        fmt::format("cannot read the request: its target and headers may have {} bytes, got {}",
                    core_.limits.header_bytes, size->header_size));
  }
  const bool is_old = std::string_view(version) == "HTTP/1.0";
  if (!is_old && request.header("host").empty()) return malformed("it must have the header host");
  if (!is_token(method)) return malformed("its method must be a word");
  const std::string_view encoding = request.header("transfer-encoding");
  const std::string_view length = request.header("content-length");
  exchange.is_chunked = !encoding.empty();
  if (exchange.is_chunked &&
      (is_old || !length.empty() || !(encoding == "chunked" || encoding == "Chunked"))) {
    return malformed(
        "its length must be given by content-length, or by transfer-encoding: chunked");
  }
  exchange.declared_bytes = body_bytes_in(length);
  exchange.has_body = exchange.is_chunked || exchange.declared_bytes > 0;
  exchange.is_head = std::string_view(method) == "HEAD";
  request.method = exchange.is_head ? "GET" : method;
  if (exchange.target == "*" && request.method == "OPTIONS") {
    request.path = "*";
    return {};
  }
  try {
    Target target = parse_target(exchange.target);
    request.path = std::move(target.path);
    request.query = std::move(target.query);
  } catch (const Error& error) {
    return error_response(error);
  }
  return {};
}

std::optional<HttpResponse> Connection::find_route() {
  Exchange& exchange = *exchange_;
  const HttpRequest& request = exchange.request;
  if (core_.stopping) {
    HttpResponse response = error_response(
        503, "shutting_down", "cannot take the request: the service is being shut down");
    response.headers["Retry-After"] = "5";
    return response;
  }
  exchange.match = core_.router.find(request.method, request.path);
  const bool is_options = request.method == "OPTIONS";
  const bool open =
      is_options || (exchange.match.route != nullptr && exchange.match.route->options.open);
  if (auto refusal = core_.gate.refuse(request, open)) return refusal;
  if (is_options && request.path == "*") {
    return core_.gate.answer_options(request, {"GET", "HEAD", "OPTIONS", "POST", "DELETE"});
  }
  if (exchange.match.methods.empty()) {
    return error_response(404, "not_found",
                          fmt::format("cannot find {}: there is no such path", request.path));
  }
  if (is_options) return core_.gate.answer_options(request, exchange.match.methods);
  if (exchange.match.route == nullptr) {
    std::string methods;
    for (const std::string& method : exchange.match.methods) {
      methods += (methods.empty() ? "" : ", ") + method;
    }
    HttpResponse response = error_response(
        405, "method_not_allowed",
        fmt::format("cannot {} {}: it takes {}", request.method, request.path, methods));
    response.headers["Allow"] = methods;
    return response;
  }
  return {};
}

/// Books the body's bytes before they come, as far as the client says how many.
std::optional<HttpResponse> Connection::book_body() {
  Exchange& exchange = *exchange_;
  const std::uint64_t limit = exchange.match.route->options.body_limit;
  const std::uint64_t bytes =
      std::max<std::uint64_t>(exchange.declared_bytes, exchange.request.body.size());
  if (bytes > limit) {
    return error_response(
        413, "too_large",
        fmt::format("cannot take the request: its body may have {} bytes{}", limit,
                    exchange.is_chunked ? ", got more" : fmt::format(", got {}", bytes)));
  }
  if (bytes <= exchange.booked_bytes) return {};
  // In large steps, so that a chunked body does not book with every chunk.
  const std::uint64_t more =
      exchange.is_chunked
          ? std::min(limit, std::max(bytes, 2 * exchange.booked_bytes)) - exchange.booked_bytes
          : bytes;
  if (!core_.book(more)) {
    HttpResponse response = error_response(
        503, "busy",
        fmt::format("cannot take the request now: all requests together may have {} bytes of "
                    "bodies; try again in a moment",
                    core_.limits.bodies_bytes));
    response.headers["Retry-After"] = "2";
    return response;
  }
  exchange.booked_bytes += more;
  exchange.request.body.reserve(exchange.booked_bytes);
  return {};
}

MHD_Result Connection::take_body(std::string_view bytes) {
  Exchange& exchange = *exchange_;
  if (exchange.refusal) return MHD_YES;
  if (exchange.is_chunked) {
    // What is more than booked is looked at before it is kept.
    exchange.declared_bytes = exchange.request.body.size() + bytes.size();
    if (auto refusal = book_body()) {
      has_unread_ = true;
      send_and_close(std::move(*refusal));
      return MHD_NO;
    }
    if (core_.limits.body_rate > 0) {
      deadline_ += std::chrono::microseconds(bytes.size() * 1'000'000 / core_.limits.body_rate);
    }
  }
  exchange.request.body.append(bytes);
  return MHD_YES;
}

MHD_Result Connection::answer(MHD_Connection* connection) {
  Exchange& exchange = *exchange_;
  if (exchange.refusal) return queue(connection, std::move(*exchange.refusal));
  set_phase(Phase::kHandling, core_.limits.idle_time);
  HttpResponse response = handle();
  drop_body();
  return queue(connection, std::move(response));
}

void Connection::drop_body() {
  std::string().swap(exchange_->request.body);  // an assignment would keep the memory
  core_.bodies_bytes -= std::exchange(exchange_->booked_bytes, 0);
}

HttpResponse Connection::handle() {
  Exchange& exchange = *exchange_;
  exchange.request.drop_body = [this] { drop_body(); };
  exchange.request.client_left = [socket = socket_] { return socket->is_left(); };
  try {
    return exchange.match.route->handler(exchange.request, exchange.match.captures);
  } catch (const HttpError& error) {
    return error.response();
  } catch (const Error& error) {
    return error_response(error);
  } catch (const std::bad_alloc&) {
    return error_response(503, "memory", "cannot answer: there is no memory left");
  } catch (const std::exception& error) {
    return error_response(500, "internal", std::string("internal error: ") + error.what());
  }
}

/// Adds what every response has.
void Connection::finish(HttpResponse& response) const {
  if (response.status >= 500) {
    ++core_.responses_5xx;
    log_response(exchange_ ? &exchange_->request : nullptr, client_, response);
  } else if (response.status >= 400) {
    ++core_.responses_4xx;
  }
  if (exchange_) core_.gate.add_cors_headers(exchange_->request, response);
  auto& headers = response.headers;
  if (!response.type.empty()) headers.try_emplace("Content-Type", response.type);
  headers.try_emplace("Cache-Control", "no-store");
  headers.try_emplace("Content-Security-Policy",
                      "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
                      "object-src 'none'; base-uri 'none'; form-action 'self'; "
                      "frame-ancestors 'none'");
  headers.try_emplace("Cross-Origin-Opener-Policy", "same-origin");
  headers.try_emplace("Cross-Origin-Resource-Policy", "same-origin");
  headers.try_emplace("Referrer-Policy", "no-referrer");
  headers.try_emplace("X-Content-Type-Options", "nosniff");
  headers.try_emplace("X-Frame-Options", "DENY");
  if (core_.stopping) headers["Connection"] = "close";
}

MHD_Result Connection::queue(MHD_Connection* connection, HttpResponse response) {
  finish(response);
  const bool has_no_body = exchange_->is_head || response.status == 204 || response.status == 304;
  auto stream = std::make_unique<Stream>(Stream{*this, std::move(response), {}, 0});
  HttpResponse& sent = stream->response;
  if (has_no_body && sent.stream) sent.stream = {};
  const auto status = static_cast<unsigned>(sent.status);
  const auto headers = std::move(sent.headers);
  const std::uint64_t size = sent.stream ? MHD_SIZE_UNKNOWN : sent.body.size();
  MHD_Response* out = MHD_create_response_from_callback(
      size, kBlockBytes,
      [](void* self, std::uint64_t, char* dst, std::size_t most) -> ssize_t {
        try {
          return static_cast<Stream*>(self)->give(dst, most);
        } catch (const std::exception&) {
          return MHD_CONTENT_READER_END_WITH_ERROR;
        }
      },
      stream.get(), [](void* self) { delete static_cast<Stream*>(self); });
  if (out == nullptr) return MHD_NO;
  stream.release();  // the response's own now
  MHD_Result result = MHD_YES;
  for (const auto& [name, value] : headers) {
    if (MHD_add_response_header(out, name.c_str(), value.c_str()) != MHD_YES) result = MHD_NO;
  }
  set_phase(Phase::kSending, core_.limits.idle_time);
  if (result == MHD_YES) {
    result = MHD_queue_response(connection, status, out);
  } else {
    send_and_close(error_response(500, "internal", "internal error: a header with line breaks"));
  }
  MHD_destroy_response(out);
  return result;
}

/// Past the library, where it cannot be told to answer; it then finds the connection closed.
void Connection::send_and_close(HttpResponse response) {
  if (is_ended_) return;
  is_ended_ = true;
  has_unread_ = true;
  finish(response);
  response.headers["Connection"] = "close";
  response.headers["Content-Length"] = std::to_string(response.body.size());
  std::string text = fmt::format("HTTP/1.1 {} {}\r\n", response.status,
                                 MHD_get_reason_phrase_for(static_cast<unsigned>(response.status)));
  for (const auto& [name, value] : response.headers) text += name + ": " + value + "\r\n";
  text += "\r\n";
  if (!exchange_ || !exchange_->is_head) text += response.body;
  // So little fits into the socket's buffer; where it does not, the client reads nothing anyway.
  [[maybe_unused]] const auto sent =
      ::send(socket_->fd(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(socket_->fd(), SHUT_WR);
}

}  // namespace semblance::service
