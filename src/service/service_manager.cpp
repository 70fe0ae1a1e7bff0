#include "service/service_manager.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/error.h"
#include "memory/descriptor.h"

namespace semblance::service {
namespace {

/// The first passed descriptor, SD_LISTEN_FDS_START.
constexpr int kFirstPassed = 3;

/// The variable's number; nothing if it is not set or is none.
std::optional<int> number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return {};
  int number = 0;
  const char* const end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, number);
  if (error != std::errc() || rest != end) return {};
  return number;
}

int option_of(int socket, int option) {
  int value = -1;
  socklen_t length = sizeof(value);
  return ::getsockopt(socket, SOL_SOCKET, option, &value, &length) == 0 ? value : -1;
}

/// Where the socket listens, if it is a listening TCP socket.
std::optional<Listen> listen_of(int socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (option_of(socket, SO_TYPE) != SOCK_STREAM || option_of(socket, SO_ACCEPTCONN) != 1 ||
      ::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return {};
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(storage);
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(storage);
  const bool is_v6 = storage.ss_family == AF_INET6;
  if (!is_v6 && storage.ss_family != AF_INET) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  const void* const address =
      is_v6 ? static_cast<const void*>(&v6.sin6_addr) : static_cast<const void*>(&v4.sin_addr);
  ::inet_ntop(storage.ss_family, address, text.data(), text.size());
  return Listen{text.data(), ntohs(is_v6 ? v6.sin6_port : v4.sin_port), socket};
}

}  // namespace

std::optional<Listen> passed_socket() {
  const std::optional<int> process = number_in("LISTEN_PID");
  const std::optional<int> count = number_in("LISTEN_FDS");
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  if (process != ::getpid() || !count || *count == 0) return {};
  constexpr const char* kRule =
      "expected one listening TCP socket, as ListenStream=127.0.0.1:7860 "
      "in a systemd socket unit makes it";
  if (*count != 1) {
    fail(ErrorKind::kArgument, "cannot listen on the sockets of LISTEN_FDS: {}, got {}", kRule,
         *count);
  }
  const std::optional<Listen> listen = listen_of(kFirstPassed);
  if (!listen) {
    fail(ErrorKind::kArgument, "cannot listen on the socket of LISTEN_FDS: {}, got something else",
         kRule);
  }
  ::fcntl(kFirstPassed, F_SETFD, FD_CLOEXEC);
  ::fcntl(kFirstPassed, F_SETFL, ::fcntl(kFirstPassed, F_GETFL) | O_NONBLOCK);
  return listen;
}

void tell_service_manager(std::string_view state) noexcept {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  const std::size_t length = path == nullptr ? 0 : std::strlen(path);
  if (length == 0 || length >= sizeof(address.sun_path)) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract name
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  [[maybe_unused]] const auto sent =
      ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&address),
               static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
}

}  // namespace semblance::service
