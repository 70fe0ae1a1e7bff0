#include "service/connection.h"

#include <arpa/inet.h>
#include <fmt/chrono.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "service/base64.h"
#include "service/log.h"

namespace semblance::service {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

/// How long to keep reading from a client that is still sending a refused request, so that it reads
/// the response instead of seeing a reset connection.
constexpr auto kDrainTime = 2s;
/// How often a wait checks for other reasons to end.
constexpr milliseconds kSlice = 250ms;
/// Bytes received or sent at a time; buffers are on the stack.
constexpr std::size_t kBlockBytes = std::size_t{16} << 10;
/// In the log, for a client that left before the response.
constexpr int kClientLeft = 499;

std::uint64_t bytes_in(std::chrono::nanoseconds time, std::uint64_t rate) {
  return static_cast<std::uint64_t>(std::chrono::duration<double>(time).count() *
                                    static_cast<double>(rate));
}

HttpResponse busy(const std::string& what) {
  HttpResponse response =
      error_response(503, "busy", fmt::format("cannot {}; try again in a moment", what));
  response.headers["Retry-After"] = "2";
  return response;
}

/// The response to the exception that is being handled.
HttpResponse response_to_exception() {
  try {
    throw;
  } catch (const HttpError& error) {
    return error.response();
  } catch (const Error& error) {
    return error_response(error);
  } catch (const std::bad_alloc&) {
    return error_response(503, "memory", "cannot answer: out of memory");
  } catch (const std::exception& error) {
    return error_response(500, "internal", std::string("internal error: ") + error.what());
  }
}

bool has_line_break(const HttpResponse& response) {
  return std::any_of(response.headers.begin(), response.headers.end(), [](const auto& header) {
    return (header.first + header.second).find_first_of(std::string_view("\r\n\0", 3)) !=
           std::string::npos;
  });
}

/// The peer's numeric address; IPv4 even if it connected to an IPv6 socket.
std::string address_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return "?";
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

}  // namespace

// ---- One request and its response

struct Connection::Exchange {
  explicit Exchange(ServerCore& shared) : core(shared), booking(shared), work(shared, true) {}
  ~Exchange() {
    if (is_begun) --core.handling;
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  void begin(RequestHead received) {
    head = std::move(received);
    begun = Clock::now();
    is_begun = true;
    ++core.handling;
    ++core.stats->requests;
  }
  /// `kept_bytes` stay booked.
  void drop_body(std::uint64_t kept_bytes) {
    std::string().swap(head.request.body);  // an assignment would keep the memory
    booking.resize(std::min(kept_bytes, booking.bytes()));
    held.set(booking.bytes());
  }
  /// A body that could never be booked is too large for any route.
  std::uint64_t body_limit() const {
    return match.route == nullptr
               ? 0
               : std::min(match.route->options.body_limit, core.limits.bodies_bytes);
  }

  ServerCore& core;
  RequestHead head;
  Router::Match match;
  Booking booking;  // of the body
  Booking work;     // of the handler's own memory
  Counted held{Tag::kClients};
  Clock::time_point begun = Clock::now();
  int status = 0;  // 0: no response yet
  bool is_begun = false;
  bool is_answered = false;
  bool is_sent = false;  // the whole response
};

/// Sends a response in blocks. Throws Closed if the client is too slow.
class Connection::Sender {
 public:
  /// `is_live`: data comes irregularly, so its rate is not checked.
  Sender(Connection& connection, bool is_live) : connection_(connection), is_live_(is_live) {}

  void put(std::string_view bytes) {
    while (!bytes.empty()) {
      if (used_ == block_.size()) flush();
      const std::string_view now = bytes.substr(0, block_.size() - used_);
      std::memcpy(block_.data() + used_, now.data(), now.size());
      used_ += now.size();
      bytes.remove_prefix(now.size());
    }
  }

  void put_body(const Body& body) {
    for (const Body::Piece& piece : body.pieces()) {
      if (piece.file) {
        put_file(*piece.file, piece.form);
      } else {
        put(piece.text);
      }
    }
  }

  void flush() {
    std::string_view rest(block_.data(), used_);
    progressed_ = Clock::now();
    while (!rest.empty()) {
      // Checked whenever the client lags, not only when it reads nothing for long.
      while (!connection_.socket_->wait_to_send(0ms)) {
        check_pace();
        connection_.socket_->wait_to_send(kSlice);
      }
      const std::size_t count = connection_.socket_->send(rest);
      rest.remove_prefix(count);
      sent_ += count;
      connection_.sent_bytes_ += count;
      if (count > 0) progressed_ = Clock::now();
    }
    used_ = 0;
  }

 private:
  void put_file(const File& file, Body::Form form) {
    std::array<char, 3 * (kBlockBytes / 8)> raw;  // whole groups of base64
    for (std::uint64_t at = 0; at < file.size();) {
      if (used_ == block_.size()) flush();
      const bool is_plain = form == Body::Form::kPlain;
      std::span<char> dst(raw);
      if (is_plain) dst = std::span(block_).subspan(used_);
      dst = dst.first(std::min<std::uint64_t>(dst.size(), file.size() - at));
      file.read(at, std::as_writable_bytes(dst));
      at += dst.size();
      if (is_plain) {
        used_ += dst.size();
      } else {
        put(base64({dst.data(), dst.size()}));
      }
    }
  }

  void check_pace() const {
    const HttpLimits& limits = connection_.core_.limits;
    const auto now = Clock::now();
    const auto silence = now - progressed_;
    if (silence > limits.idle_time) throw Closed();
    if (!connection_.core_.is_short(connection_.client_)) return;
    const auto time = now - begin_ - limits.start_time;
    if (is_live_ ? silence > limits.start_time
                 : time > 0s && sent_ < bytes_in(time, limits.least_rate)) {
      throw Closed();
    }
  }

  Connection& connection_;
  bool is_live_;
  std::array<char, kBlockBytes> block_;
  std::size_t used_ = 0;
  std::uint64_t sent_ = 0;
  const Clock::time_point begin_ = Clock::now();
  Clock::time_point progressed_ = begin_;
};

// ---- The connection's life

Connection::Connection(ServerCore& core, int fd, std::string client)
    : core_(core),
      client_(std::move(client)),
      address_(address_of(fd)),
      socket_(std::make_shared<Socket>(fd)) {}

void Connection::stop_waiting() {
  if (is_waiting_) socket_->end_reading();
}

void Connection::run() noexcept {
  try {
    while (serve_one()) is_first_ = false;
    if (has_unread_) drain();
  } catch (const Closed&) {
  } catch (const std::exception&) {
    // Not even enough memory to report it.
  }
  socket_->close();
}

/// Reads on for a moment after the response was sent.
void Connection::drain() {
  socket_->end_sending();
  const auto end = Clock::now() + kDrainTime;
  std::array<char, 4096> waste;
  while (!core_.stopping && Clock::now() < end) receive(waste, end);
}

/// False when the connection is to be closed.
bool Connection::serve_one() {
  Exchange exchange(core_);
  sent_bytes_ = 0;
  try {
    const bool goes_on = serve(exchange);
    note(exchange);
    return goes_on;
  } catch (const Closed&) {
    note(exchange);
    throw;
  }
}

bool Connection::serve(Exchange& exchange) {
  HttpResponse failure;
  try {
    this->exchange(exchange);
    return !is_last_;
  } catch (const std::exception&) {
    if (exchange.is_answered) return false;  // the response stays incomplete
    failure = response_to_exception();
  }
  is_last_ = true;  // the start of the next request is unknown
  exchange.drop_body(0);
  answer(exchange, std::move(failure));
  return false;
}

/// Counts and logs a request that is over, however it ended.
void Connection::note(const Exchange& exchange) noexcept {
  Log& log = Log::stderr_log();
  const double seconds = std::chrono::duration<double>(Clock::now() - exchange.begun).count();
  const std::string_view why = exchange.is_sent ? "" : "the response is incomplete";
  if (!exchange.is_begun) {
    if (exchange.status == 0) return;  // nothing came
    log.line(LogLevel::kInfo, "request", {{"client", address_}, {"status", exchange.status}}, why,
             {{"bytes", sent_bytes_}});
    return;
  }
  try {
    const Router::Route* const route = exchange.match.route;
    core_.stats->took(route, seconds);
    const HttpRequest& request = exchange.head.request;
    const bool is_probe = route != nullptr && route->options.is_probe;
    log.line(is_probe ? LogLevel::kDebug : LogLevel::kInfo, "request",
             {{"client", request.client},
              {"method", exchange.head.is_head ? "HEAD" : request.method},
              {"route", route != nullptr ? route->pattern() : printable_path(request.path)},
              {"status", exchange.status == 0 ? kClientLeft : exchange.status}},
             why, {{"bytes", sent_bytes_}, {"ms", 1000 * seconds}});
  } catch (const std::exception&) {
    // Not enough memory: this request is missing in counts and log.
  }
}

void Connection::exchange(Exchange& exchange) {
  exchange.begin(receive_head());
  core_.access.identify(exchange.head.request, address_);
  const RequestHead& head = exchange.head;
  std::optional<HttpResponse> refusal = find_route(exchange);
  if (!refusal && head.declared_bytes > 0) refusal = book_body(exchange, head.declared_bytes);
  if (head.has_body()) {
    has_unread_ = true;
    const bool is_swallowed = !head.is_chunked && !head.expects_continue &&
                              head.declared_bytes <= core_.limits.small_body;
    if (!refusal || is_swallowed) {
      receive_body(exchange, !refusal);
      has_unread_ = false;
    }
  }
  is_last_ = head.is_last || has_unread_;
  answer(exchange, refusal ? std::move(*refusal) : handle(exchange));
}

/// The number of bytes received. If it is 0, this has waited for more, at most until `end`.
std::size_t Connection::receive(std::span<char> dst, Clock::time_point end) {
  const std::size_t count = socket_->receive(dst);
  if (count == 0) {
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    socket_->wait_to_receive(std::min(left, kSlice));
  }
  return count;
}

RequestHead Connection::receive_head() {
  const HttpLimits& limits = core_.limits;
  std::array<char, 4096> block;
  is_waiting_ = true;
  auto begin = Clock::now();
  while (true) {
    // Some clients send an extra line break after a body.
    while (is_waiting_ && received_.starts_with("\r\n")) received_.erase(0, 2);
    has_unread_ = !received_.empty();
    if (const auto size = head_size(received_, limits)) {
      RequestHead head = parse_head(std::string_view(received_).substr(0, *size), limits);
      received_ = received_.substr(*size);  // frees the memory
      is_waiting_ = has_unread_ = false;
      return head;
    }
    if (is_waiting_ && received_.find('\n') != std::string::npos) {
      is_waiting_ = false;
      begin = Clock::now();
    }
    if (is_waiting_ && core_.stopping) throw Closed();
    const auto most = !is_waiting_ || is_first_ ? limits.head_time
                      : core_.is_short(client_) ? std::min(limits.start_time, limits.idle_time)
                                                : limits.idle_time;
    if (Clock::now() - begin > most) {
      if (is_waiting_) throw Closed();
      has_unread_ = false;  // no further reading from this client
      throw HttpError(408, "timeout",
                      "cannot wait for the request any longer: its headers took too long to "
                      "arrive");
    }
    received_.append(block.data(), receive(block, begin + most));
  }
}

std::optional<HttpResponse> Connection::find_route(Exchange& exchange) {
  const HttpRequest& request = exchange.head.request;
  if (core_.stopping) {
    HttpResponse response = error_response(503, "shutting_down",
                                           "cannot take the request: the service is shutting down");
    response.headers["Retry-After"] = "5";
    return response;
  }
  exchange.match = core_.router.find(request.method, request.path);
  const Router::Match& match = exchange.match;
  const bool is_options = request.method == "OPTIONS";
  const bool open = is_options || (match.route != nullptr && match.route->options.open);
  if (auto refusal = core_.access.refuse(request, open)) return refusal;
  if (is_options && request.path == "*") {
    return core_.access.answer_options(request, {"GET", "HEAD", "OPTIONS", "POST", "DELETE"});
  }
  if (match.methods.empty()) {
    return error_response(404, "not_found",
                          fmt::format("cannot find {}: there is no such path", request.path));
  }
  if (is_options) return core_.access.answer_options(request, match.methods);
  if (match.route != nullptr) return {};
  const std::string methods = fmt::format("{}", fmt::join(match.methods, ", "));
  HttpResponse response = error_response(
      405, "method_not_allowed",
      fmt::format("cannot {} {}: it takes {}", request.method, request.path, methods));
  response.headers["Allow"] = methods;
  return response;
}

/// Books the body's memory before it is received. `bytes`: its size, as far as it is known. Waits
/// while a handler's own work takes the memory.
std::optional<HttpResponse> Connection::book_body(Exchange& exchange, std::uint64_t bytes) {
  const HttpLimits& limits = core_.limits;
  const std::uint64_t limit = exchange.body_limit();
  if (bytes > limit) return too_large(limit, std::to_string(bytes));
  Booking& booking = exchange.booking;
  if (bytes <= booking.bytes()) return {};
  const bool is_chunked = exchange.head.is_chunked;
  // In large steps, so that a chunked body does not book for every chunk.
  const auto wanted = is_chunked ? std::min(limit, std::max(bytes, 2 * booking.bytes())) : bytes;
  const bool is_large = wanted > limits.small_body;
  const auto end = Clock::now() + limits.idle_time;
  while (!booking.resize(wanted)) {
    // Handlers' work (planning, converting) is over soon; other bodies may take long to arrive.
    if (is_large && core_.work_bytes > 0 && Clock::now() < end) {
      if (socket_->is_left()) throw Closed();
      std::this_thread::sleep_for(20ms);
      continue;
    }
    return busy(fmt::format("take the request now: all request bodies together may have {} bytes",
                            is_large ? limits.bodies_bytes : limits.small_bodies_bytes));
  }
  // Large bodies are reserved at once, so that they are never held twice: pages that are not
  // written take no memory.
  exchange.head.request.body.reserve(is_chunked && is_large ? limit : wanted);
  return {};
}

/// Receives the whole body, or skips it if it is not kept.
void Connection::receive_body(Exchange& exchange, bool is_kept) {
  const HttpLimits& limits = core_.limits;
  const RequestHead& head = exchange.head;
  if (head.expects_continue && received_.empty()) {
    Sender sender(*this, true);
    sender.put("HTTP/1.1 100 Continue\r\n\r\n");
    sender.flush();
  }
  BodyReader reader(head, exchange.body_limit(), limits);
  std::array<char, kBlockBytes> block;
  std::string_view bytes = received_;
  std::string waste;
  std::uint64_t got = 0;
  auto begin = Clock::now(), progressed = begin;
  while (true) {
    if (is_kept && head.is_chunked && !bytes.empty()) {
      const auto booking = Clock::now();
      const std::uint64_t most = exchange.head.request.body.size() + bytes.size();
      if (auto refusal = book_body(exchange, std::min(most, exchange.body_limit()))) {
        throw HttpError(std::move(*refusal));
      }
      const auto waited = Clock::now() - booking;  // not the client's fault
      begin += waited;
      progressed += waited;
    }
    reader.take(bytes, is_kept ? exchange.head.request.body : waste);
    exchange.held.set(exchange.head.request.body.size());
    waste.clear();
    if (reader.is_whole()) break;
    const auto now = Clock::now();
    const auto time = now - begin - limits.start_time;
    const bool is_slow = time > 0s && got < bytes_in(time, limits.least_rate);
    // A fast start does not entitle a client to stall while others wait for the memory.
    const auto most = core_.is_short(client_) ? limits.start_time : limits.idle_time;
    if (is_slow || now - progressed > most) {
      has_unread_ = false;  // no further reading from this client
      throw HttpError(408, "timeout",
                      "cannot wait for the request any longer: its body took too long to arrive");
    }
    const std::size_t count = receive(block, Clock::time_point::max());
    got += count;
    if (count > 0) progressed = Clock::now();
    bytes = {block.data(), count};
  }
  received_ = std::string(bytes);  // the next request's
}

void Connection::book_work(Exchange& exchange, std::uint64_t bytes) {
  const auto end = Clock::now() + core_.limits.idle_time;
  bytes = std::min(bytes, core_.limits.bodies_bytes);
  while (!exchange.work.resize(bytes)) {
    if (socket_->is_left()) fail(ErrorKind::kCancelled, "the client left");
    if (Clock::now() > end) {
      throw HttpError(
          busy(fmt::format("do this now: it needs {} bytes of the {} that all requests share",
                           bytes, core_.limits.bodies_bytes)));
    }
    std::this_thread::sleep_for(20ms);
  }
}

HttpResponse Connection::handle(Exchange& exchange) {
  HttpRequest& request = exchange.head.request;
  request.drop_body = [&exchange](std::uint64_t kept_bytes) { exchange.drop_body(kept_bytes); };
  request.book = [this, &exchange](std::uint64_t bytes) { book_work(exchange, bytes); };
  request.client_left = [socket = socket_] { return socket->is_left(); };
  HttpResponse response;
  try {
    response = exchange.match.route->handler(request, exchange.match.captures);
  } catch (const std::exception&) {
    response = response_to_exception();
  }
  exchange.drop_body(0);
  if (!response.stream) exchange.work.resize(0);
  return response;
}

// ---- Sending the response

/// Counts and logs the response and adds the common headers. Every response passes here, even if
/// its request could not be read.
void Connection::finish(Exchange& exchange, HttpResponse& response) {
  exchange.status = response.status;
  if (response.status >= 500) {
    ++core_.stats->responses_5xx;
    log_response(exchange.is_begun ? &exchange.head.request : nullptr, address_, response);
  } else if (response.status >= 400) {
    ++core_.stats->responses_4xx;
  }
  core_.access.add_cors_headers(exchange.head.request, response);
  auto& headers = response.headers;
  if (!response.type.empty()) headers.try_emplace("Content-Type", response.type);
  headers.try_emplace("Cache-Control", "no-store");
  headers.try_emplace("Content-Security-Policy",
                      "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
                      "object-src 'none'; base-uri 'none'; form-action 'self'; "
                      "frame-ancestors 'none'");
  headers.try_emplace("Cross-Origin-Opener-Policy", "same-origin");
  headers.try_emplace("Cross-Origin-Resource-Policy", "same-origin");
  headers.try_emplace("Date", fmt::format("{:%a, %d %b %Y %H:%M:%S GMT}",
                                          fmt::gmtime(std::chrono::system_clock::now())));
  headers.try_emplace("Referrer-Policy", "no-referrer");
  headers.try_emplace("X-Content-Type-Options", "nosniff");
  headers.try_emplace("X-Frame-Options", "DENY");
  is_last_ = is_last_ || core_.stopping;
  if (is_last_) headers["Connection"] = "close";
  const bool has_no_body = response.status == 204 || response.status == 304;
  if (response.stream && !exchange.head.is_old) {
    headers["Transfer-Encoding"] = "chunked";
  } else if (!response.stream && !has_no_body) {
    headers["Content-Length"] = std::to_string(response.body.size());
  }
}

void Connection::answer(Exchange& exchange, HttpResponse response) {
  const HttpLimits& limits = core_.limits;
  if (has_line_break(response)) {
    response = error_response(500, "internal", "internal error: a header with line breaks");
  }
  Booking booking(core_);
  const std::uint64_t bytes = response.body.text_bytes();
  if (bytes > limits.small_text && !booking.resize(bytes)) {
    response = busy(fmt::format("answer now: there is no room for a response of {} bytes", bytes));
  }
  finish(exchange, response);
  const Counted held(Tag::kClients, response.body.text_bytes());
  exchange.is_answered = true;
  Sender sender(*this, response.stream != nullptr);
  sender.put(fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_of(response.status)));
  for (const auto& [name, value] : response.headers)
    sender.put(fmt::format("{}: {}\r\n", name, value));
  sender.put("\r\n");
  if (!exchange.head.is_head && response.status != 204 && response.status != 304) {
    sender.put_body(response.body);
    if (response.stream) send_stream(exchange, response, sender);
  }
  sender.flush();
  exchange.is_sent = true;
}

void Connection::send_stream(const Exchange& exchange, const HttpResponse& response,
                             Sender& sender) {
  const bool is_chunked = !exchange.head.is_old;
  Booking booking(core_);
  Counted held(Tag::kClients);
  sender.flush();
  while (!core_.stopping) {
    if (socket_->is_left()) throw Closed();
    const auto begin = Clock::now();
    const std::optional<Body> next = response.stream();
    if (!next) break;
    if (next->empty()) {
      // Polling a stream that does not block would keep a core busy.
      if (Clock::now() - begin < 1ms) std::this_thread::sleep_for(10ms);
      continue;
    }
    const std::uint64_t bytes = next->text_bytes();
    if (!booking.resize(bytes > core_.limits.small_text ? bytes : 0)) throw Closed();
    held.set(bytes);
    if (is_chunked) sender.put(fmt::format("{:x}\r\n", next->size()));
    sender.put_body(*next);
    if (is_chunked) sender.put("\r\n");
    sender.flush();
  }
  if (is_chunked) sender.put("0\r\n\r\n");
}

}  // namespace semblance::service
