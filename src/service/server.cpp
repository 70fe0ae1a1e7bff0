#include "service/server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
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
#include <list>
#include <map>
#include <system_error>
#include <thread>
#include <utility>

#include "service/connection.h"

namespace semblance::service {
namespace {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

/// Throws Error(kArgument) for what is no address in numbers.
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
         "cannot listen on {}: an address is four numbers as in 127.0.0.1, an IPv6 address as in "
         "[::1], or localhost",
         listen.address);
  }
  return address;
}

std::string text_of(const Listen& listen) {
  const bool is_v6 = listen.address.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", listen.address, listen.port)
               : fmt::format("{}:{}", listen.address, listen.port);
}

/// The client's address as one number to count by: all of IPv4, the network's half of IPv6.
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

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Descriptor() { reset(); }
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

std::string last_error() { return std::generic_category().message(errno); }

Descriptor bind_to(const Listen& listen) {
  const Address address = address_of(listen);
  Descriptor fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.get() < 0) {
    fail(ErrorKind::kDevice, "cannot listen on {}: {}", text_of(listen), last_error());
  }
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.storage.ss_family == AF_INET6) {
    const int only_v6 = listen.address == "::" ? 0 : 1;
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6));
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 ||
      ::listen(fd.get(), 128) != 0) {
    if (errno == EADDRINUSE) {
      fail(ErrorKind::kArgument,
           "cannot listen on {}: another program listens there\n  name another port with --listen, "
           "or 0 for any that is free",
           text_of(listen));
    }
    if (errno == EADDRNOTAVAIL || errno == EACCES) {
      fail(ErrorKind::kArgument, "cannot listen on {}: {}", text_of(listen),
           errno == EACCES ? "ports below 1024 are the system's"
                           : "the address is none of this machine's");
    }
    fail(ErrorKind::kDevice, "cannot listen on {}: {}", text_of(listen), last_error());
  }
  return fd;
}

int port_of(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length);
  return ntohs(storage.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(storage).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

GateOptions gate_for(GateOptions options, const Listen& listen) {
  if (options.listen_address.empty()) options.listen_address = listen.address;
  return options;
}

}  // namespace

Listen parse_listen(const std::string& text) {
  const auto refuse = [&](std::string_view rule) {
    fail(ErrorKind::kArgument, "cannot listen on \"{}\": {}; as in 127.0.0.1:7860 or [::1]:7860",
         text, rule);
  };
  Listen listen;
  std::string rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string::npos) refuse("the ] is missing");
    listen.address = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    if (!rest.empty() && rest[0] != ':') refuse("behind the ] only a port may stand");
  } else if (text.find(':') != text.rfind(':')) {
    listen.address = text;
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (colon > 0) listen.address = text.substr(0, colon);
    rest = text.substr(colon);
  }
  if (text.empty()) refuse("it must be an address and a port");
  if (!rest.empty()) {
    const std::string digits = rest.substr(1);
    if (digits.empty() || digits.size() > 5 ||
        digits.find_first_not_of("0123456789") != std::string::npos || std::stoi(digits) > 65535) {
      refuse("a port is a number from 0 to 65535");
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
  State(const Listen& listen, const GateOptions& gate, Router router, const HttpLimits& limits)
      : core(gate_for(gate, listen), std::move(router), limits),
        socket(bind_to(listen)),
        port(port_of(socket.get())),
        wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake.get() < 0) fail(ErrorKind::kDevice, "cannot start the server: {}", last_error());
  }

  struct Item {
    std::shared_ptr<State> state;
    std::string client;
    Connection connection;
    std::list<std::shared_ptr<Item>>::iterator place = {};
    Item(std::shared_ptr<State> owner, std::string address, int fd)
        : state(std::move(owner)), client(std::move(address)), connection(state->core, fd) {}
  };

  static void accept_all(const std::shared_ptr<State>& self);
  static void accept_one(const std::shared_ptr<State>& self);
  static void start(const std::shared_ptr<State>& self, int fd, std::string client);
  void remove(Item& item);
  void signal() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake.get(), &one, sizeof(one));
  }

  ServerCore core;
  Descriptor socket;
  int port;
  Descriptor wake;  // of the accepting thread: there is room again, or it is to end
  std::thread acceptor;

  std::mutex mutex;
  std::condition_variable changed;
  std::list<std::shared_ptr<Item>> items;
  std::map<std::string, unsigned> by_client;
};

/// A detached thread with a small stack that takes no signals: those are for the program's own.
/// False where the system has none.
static bool start_thread(std::uint64_t stack_bytes, void* (*body)(void*), void* argument) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_bytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int result = pthread_create(&thread, &attributes, body, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return result == 0;
}

void HttpServer::State::start(const std::shared_ptr<State>& self, int fd, std::string client) {
  auto item = std::make_shared<Item>(self, std::move(client), fd);
  {
    const std::lock_guard lock(self->mutex);
    self->items.push_front(item);
    item->place = self->items.begin();
    ++self->by_client[item->client];
  }
  auto* argument = new std::shared_ptr<Item>(item);
  const auto body = [](void* given) -> void* {
    const std::unique_ptr<std::shared_ptr<Item>> owner(static_cast<std::shared_ptr<Item>*>(given));
    // The state outlives its last connection until this thread lets go of it.
    const std::shared_ptr<State> state = (*owner)->state;
    (*owner)->connection.run();
    state->remove(**owner);
    return nullptr;
  };
  if (!start_thread(self->core.limits.stack_bytes, body, argument)) {
    delete argument;
    self->remove(*item);
    ::close(fd);
  }
}

void HttpServer::State::remove(Item& item) {
  const std::lock_guard lock(mutex);
  const auto count = by_client.find(item.client);
  if (--count->second == 0) by_client.erase(count);
  items.erase(item.place);
  signal();
  changed.notify_all();
}

void HttpServer::State::accept_one(const std::shared_ptr<State>& self) {
  Address address;
  address.length = sizeof(address.storage);
  const int fd = ::accept4(self->socket.get(), reinterpret_cast<sockaddr*>(&address.storage),
                           &address.length, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    // Out of descriptors or memory, the connection stays in the queue: asking again at once would
    // keep a core busy.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return;
  }
  std::string client = client_of(address.storage);
  bool is_too_many = false;
  {
    const std::lock_guard lock(self->mutex);
    const auto count = self->by_client.find(client);
    is_too_many =
        count != self->by_client.end() && count->second >= self->core.limits.connections_by_address;
  }
  if (is_too_many) {
    ::close(fd);
    return;
  }
  start(self, fd, std::move(client));
}

void HttpServer::State::accept_all(const std::shared_ptr<State>& self) {
  while (!self->core.stopping) {
    bool has_room = false;
    {
      const std::lock_guard lock(self->mutex);
      has_room = self->items.size() < self->core.limits.connections;
    }
    std::array<pollfd, 2> ready{pollfd{self->wake.get(), POLLIN, 0},
                                pollfd{self->socket.get(), POLLIN, 0}};
    ::poll(ready.data(), has_room ? 2 : 1, -1);
    std::uint64_t count = 0;
    [[maybe_unused]] const auto bytes = ::read(self->wake.get(), &count, sizeof(count));
    if (has_room && ready[1].revents != 0 && !self->core.stopping) accept_one(self);
  }
}

HttpServer::HttpServer(const Listen& listen, const GateOptions& gate, Router router,
                       const HttpLimits& limits)
    : state_(std::make_shared<State>(listen, gate, std::move(router), limits)) {
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
  counts.requests = core.requests;
  counts.responses_4xx = core.responses_4xx;
  counts.responses_5xx = core.responses_5xx;
  counts.handling = core.handling;
  counts.bodies_bytes = core.bodies_bytes;
  const std::lock_guard lock(state_->mutex);
  counts.connections = static_cast<unsigned>(state_->items.size());
  return counts;
}

void HttpServer::stop(std::chrono::milliseconds grace) {
  const auto end = std::chrono::steady_clock::now() + grace;
  state_->core.stopping = true;
  state_->signal();
  if (state_->acceptor.joinable()) state_->acceptor.join();
  state_->socket.reset();  // from here on new connections are refused
  std::unique_lock lock(state_->mutex);
  for (const auto& item : state_->items) item->connection.stop_waiting();
  const auto is_empty = [&] { return state_->items.empty(); };
  if (state_->changed.wait_until(lock, end, is_empty)) return;
  for (const auto& item : state_->items) item->connection.cut();
  state_->changed.wait(lock, is_empty);
}

}  // namespace semblance::service
