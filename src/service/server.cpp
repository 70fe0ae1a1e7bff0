#include "service/server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "memory/descriptor.h"
#include "service/connection.h"

namespace semblance::service {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

/// Throws Error(kArgument) if it is not a numeric address.
Address address_of(const Listen& listen) {
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  const auto port = htons(static_cast<std::uint16_t>(listen.port));
  if (::inet_pton(AF_INET, listen.address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = port;
    address.length = sizeof(v4);
  } else if (::inet_pton(AF_INET6, listen.address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = port;
    address.length = sizeof(v6);
  } else {
    fail(ErrorKind::kArgument,
         "cannot listen on {}: expected an IPv4 address such as 127.0.0.1, an IPv6 address such as "
         "[::1], or localhost",
         listen.address);
  }
  return address;
}

/// The key by which a client's connections are counted: its IPv4 address, or the network half of
/// its IPv6 address.
std::string client_of(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
    return std::string(reinterpret_cast<const char*>(&v4.sin_addr), 4);
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  const auto* bytes = reinterpret_cast<const char*>(&v6.sin6_addr);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return std::string(bytes + 12, 4);
  return std::string(bytes, 8);
}

/// Before repeating a failed call, so as not to keep a core busy.
constexpr std::chrono::milliseconds kPause{50};

std::string last_error() { return std::generic_category().message(errno); }

void set_option(const Descriptor& socket, int level, int option, int value) {
  ::setsockopt(socket.get(), level, option, &value, sizeof(value));
}

/// Connections inherit these.
void set_options(const Descriptor& socket, const HttpLimits& limits) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_SNDBUF, limits.socket_bytes);
  set_option(socket, SOL_SOCKET, SO_RCVBUF, limits.socket_bytes);
}

Descriptor bind_to(const Listen& listen, const HttpLimits& limits) {
  if (listen.passed >= 0) {
    Descriptor passed(listen.passed);
    set_options(passed, limits);
    return passed;
  }
  const Address address = address_of(listen);
  Descriptor fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) {
    fail(ErrorKind::kDevice, "cannot listen on {}: {}", listen.text(), last_error());
  }
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  set_options(fd, limits);
  if (address.storage.ss_family == AF_INET6) {
    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, listen.address == "::" ? 0 : 1);
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 ||
      ::listen(fd.get(), 128) != 0) {
    if (errno == EADDRINUSE) {
      fail(ErrorKind::kArgument,
           "cannot listen on {}: another program is listening there\n  choose another port with "
           "--listen, or 0 for any free port",
           listen.text());
    }
    if (errno == EADDRNOTAVAIL || errno == EACCES) {
      fail(ErrorKind::kArgument, "cannot listen on {}: {}", listen.text(),
           errno == EACCES ? "ports below 1024 are reserved"
                           : "this machine does not have that address");
    }
    fail(ErrorKind::kDevice, "cannot listen on {}: {}", listen.text(), last_error());
  }
  return fd;
}

int port_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    fail(ErrorKind::kDevice, "cannot start the server: {}", last_error());
  }
  return ntohs(storage.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

AccessOptions access_for(AccessOptions options, const Listen& listen) {
  if (options.listen_address.empty()) options.listen_address = listen.address;
  return options;
}

}  // namespace

std::string Listen::text() const {
  const bool is_v6 = address.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
}

Listen parse_listen(const std::string& text) {
  const auto refuse = [&](std::string_view rule) {
    fail(ErrorKind::kArgument,
         "cannot listen on \"{}\": {}; for example 127.0.0.1:7860 or [::1]:7860", text, rule);
  };
  Listen listen;
  std::string rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string::npos) refuse("the ] is missing");
    listen.address = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    if (!rest.empty() && rest[0] != ':') refuse("only a port may follow the ]");
  } else if (text.find(':') != text.rfind(':')) {
    listen.address = text;
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (colon > 0) listen.address = text.substr(0, colon);
    rest = text.substr(colon);
  }
  if (text.empty()) refuse("expected an address and a port");
  if (!rest.empty()) {
    const std::string digits = rest.substr(1);
    if (digits.empty() || digits.size() > 5 ||
        digits.find_first_not_of("0123456789") != std::string::npos || std::stoi(digits) > 65535) {
      refuse("expected a port from 0 to 65535");
    }
    listen.port = std::stoi(digits);
  }
  if (listen.address == "localhost") listen.address = "127.0.0.1";
  address_of(listen);
  return listen;
}

bool is_loopback(const Listen& listen) {
  return listen.address.starts_with("127.") || listen.address == "::1";
}

struct HttpServer::State {
  State(const Listen& listen, const AccessOptions& access, Router router, const HttpLimits& limits,
        std::shared_ptr<HttpStats> stats)
      : core(access_for(access, listen), std::move(router), limits, std::move(stats)),
        socket(bind_to(listen, limits)),
        port(port_of(socket.get())),
        wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake.get() < 0) fail(ErrorKind::kDevice, "cannot start the server: {}", last_error());
  }

  /// The argument of a connection's thread. It keeps the state alive while the thread runs.
  struct Start {
    std::shared_ptr<State> state;
    std::shared_ptr<Connection> connection;
  };

  static void accept_all(const std::shared_ptr<State>& self) noexcept;
  static void take(const std::shared_ptr<State>& self, Descriptor fd, std::string client);
  void remove(const std::shared_ptr<Connection>& connection);
  void signal() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake.get(), &one, sizeof(one));
  }

  ServerCore core;
  Descriptor socket;
  int port;
  Descriptor wake;  // wakes the accepting thread: there is room again, or it must end
  std::thread acceptor;

  // Guarded by core.mutex:
  std::condition_variable changed;
  std::set<std::shared_ptr<Connection>> connections;
};

namespace {

/// Starts a detached thread with a small stack and all signals blocked: the program's own threads
/// handle those. False if the system cannot create one.
bool start_detached_thread(std::uint64_t stack_bytes, void* (*body)(void*), void* argument) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int result = pthread_create(&thread, &attributes, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return result == 0;
}

/// Answers a connection that gets no thread, as far as it accepts the bytes at once.
void refuse_for_want_of_threads(int fd) {
  constexpr std::string_view kText =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
      "Content-Length: 147\r\nRetry-After: 2\r\nConnection: close\r\n\r\n"
      R"({"error":{"message":"cannot answer now: no thread or memory is available; try again )"
      R"(in a moment","type":"server_error","param":null,"code":"busy"}})";
  [[maybe_unused]] const auto sent =
      ::send(fd, kText.data(), kText.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(fd, SHUT_WR);
}

}  // namespace

void HttpServer::State::remove(const std::shared_ptr<Connection>& connection) {
  const std::lock_guard lock(core.mutex);
  const auto count = core.connections.find(connection->client());
  if (--count->second == 0) core.connections.erase(count);
  --core.connection_count;
  connections.erase(connection);
  signal();
  changed.notify_all();
}

void HttpServer::State::take(const std::shared_ptr<State>& self, Descriptor fd,
                             std::string client) {
  const int number = fd.get();
  const auto connection = std::make_shared<Connection>(self->core, number, std::move(client));
  fd.release();  // the connection owns it now
  auto start = std::make_unique<Start>(Start{self, connection});
  {
    const std::lock_guard lock(self->core.mutex);
    unsigned& count = self->core.connections[connection->client()];
    if (count >= self->core.limits.connections_by_address) return;
    self->connections.insert(connection);
    ++count;
    ++self->core.connection_count;
  }
  const auto body = [](void* given) -> void* {
    const std::unique_ptr<Start> owned(static_cast<Start*>(given));
    owned->connection->run();
    owned->state->remove(owned->connection);
    return nullptr;
  };
  if (start_detached_thread(self->core.limits.stack_bytes, body, start.get())) {
    static_cast<void>(start.release());  // the thread's now
    return;
  }
  ++self->core.stats->responses_5xx;
  refuse_for_want_of_threads(number);
  self->remove(connection);
}

void HttpServer::State::accept_all(const std::shared_ptr<State>& self) noexcept {
  while (!self->core.stopping) {
    bool has_room = false;
    {
      const std::lock_guard lock(self->core.mutex);
      has_room = self->core.connection_count < self->core.limits.connections;
    }
    std::array<pollfd, 2> ready{pollfd{self->wake.get(), POLLIN, 0},
                                pollfd{self->socket.get(), POLLIN, 0}};
    // At most a second, in case a wake-up was lost.
    const int result = ::poll(ready.data(), has_room ? 2 : 1, 1000);
    if (result < 0 && errno != EINTR) std::this_thread::sleep_for(kPause);
    std::uint64_t count = 0;
    [[maybe_unused]] const auto bytes = ::read(self->wake.get(), &count, sizeof(count));
    if (self->core.stopping || !has_room || result == 0) continue;
    Address address;
    address.length = sizeof(address.storage);
    Descriptor fd(::accept4(self->socket.get(), reinterpret_cast<sockaddr*>(&address.storage),
                            &address.length, SOCK_CLOEXEC | SOCK_NONBLOCK));
    try {
      if (fd.get() >= 0) {
        take(self, std::move(fd), client_of(address.storage));
      } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        // Out of descriptors or memory: the connection stays in the kernel's queue.
        std::this_thread::sleep_for(kPause);
      }
    } catch (const std::exception&) {
      // Not enough memory for this connection: it is closed.
    }
  }
}

HttpServer::HttpServer(const Listen& listen, const AccessOptions& access, Router router,
                       const HttpLimits& limits, std::shared_ptr<HttpStats> stats)
    : state_(std::make_shared<State>(listen, access, std::move(router), limits, std::move(stats))) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    state_->acceptor = std::thread([state = state_] { State::accept_all(state); });
  } catch (const std::system_error& error) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    fail(ErrorKind::kDevice, "cannot start the server: {}", error.what());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

HttpServer::~HttpServer() { stop(std::chrono::seconds(2)); }

int HttpServer::port() const { return state_->port; }

HttpCounts HttpServer::counts() const {
  const ServerCore& core = state_->core;
  HttpCounts counts;
  counts.requests = core.stats->requests;
  counts.responses_4xx = core.stats->responses_4xx;
  counts.responses_5xx = core.stats->responses_5xx;
  counts.handling = core.handling;
  counts.bodies_bytes = core.bodies.used() + core.small_bodies.used();
  const std::lock_guard lock(core.mutex);
  counts.connections = core.connection_count;
  return counts;
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  const auto end = std::chrono::steady_clock::now() + grace;
  state_->core.stopping = true;
  state_->signal();
  if (state_->acceptor.joinable()) state_->acceptor.join();
  state_->socket.reset();  // from now on the kernel refuses connections
  std::unique_lock lock(state_->core.mutex);
  for (const auto& connection : state_->connections) connection->stop_waiting();
  const auto is_empty = [&] { return state_->connections.empty(); };
  if (state_->changed.wait_until(lock, end, is_empty)) return;
  for (const auto& connection : state_->connections) connection->cut();
  state_->changed.wait(lock, is_empty);
}

}  // namespace semblance::service
