// A raw socket client that sends any bytes at any speed and parses the replies.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace semblance::service::testing {

struct Reply {
  int status = 0;                                   // 0: the connection ended within the head
  std::map<std::string, std::string> headers = {};  // names in lower case
  std::string body = {};
  bool is_whole = false;  // the body has its declared length, or its last chunk
};

class Client {
 public:
  /// `source`: the local address, such as 127.0.0.2; "" for any.
  explicit Client(int port, int receive_buffer = 0, const std::string& source = "")
      : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (!source.empty()) {
      ::inet_pton(AF_INET, source.c_str(), &address.sin_addr);
      ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    }
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    is_connected_ =
        ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  Client(Client&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)),
        is_connected_(other.is_connected_),
        patience_(other.patience_),
        received_(std::move(other.received_)) {}
  ~Client() { close(); }

  /// How long to wait for the next bytes by default.
  void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }
  bool is_connected() const { return is_connected_; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  void end_sending() { ::shutdown(fd_, SHUT_WR); }

  /// False if the server has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// Waits for more bytes; false if the server has closed or on a timeout.
  bool receive() { return receive(static_cast<int>(patience_.count())); }
  bool receive(int timeout_ms) {
    std::array<char, 65536> buffer;
    pollfd state{fd_, POLLIN, 0};
    if (::poll(&state, 1, timeout_ms) <= 0) return false;
    const auto count = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (count <= 0) return false;
    received_.append(buffer.data(), static_cast<std::size_t>(count));
    return true;
  }
  /// Bytes received but not yet read as a reply.
  const std::string& received() const { return received_; }
  std::string take() { return std::exchange(received_, {}); }

  /// True if the server closes within the time, whatever it sends first.
  bool is_closed_within(int timeout_ms) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                            end - std::chrono::steady_clock::now())
                            .count();
      pollfd state{fd_, POLLIN, 0};
      if (left <= 0 || ::poll(&state, 1, static_cast<int>(left)) <= 0) return false;
      std::array<char, 4096> buffer;
      const auto count = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (count <= 0) return true;
      received_.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }

  /// The next response. `is_head`: it has no body, despite its headers.
  Reply reply(bool is_head = false) {
    Reply reply;
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return reply;
    }
    read_head(reply, received_.substr(0, end + 2));
    received_.erase(0, end + 4);
    if (is_head || reply.status == 204 || reply.status == 304) {
      reply.is_whole = true;
    } else if (reply.headers["transfer-encoding"] == "chunked") {
      reply.is_whole = read_chunks(reply.body);
    } else if (reply.headers.contains("content-length")) {
      const std::size_t length = std::stoul(reply.headers["content-length"]);
      while (received_.size() < length && receive()) continue;
      reply.is_whole = received_.size() >= length;
      reply.body = received_.substr(0, length);
      received_.erase(0, length);
    } else {
      while (receive()) continue;
      reply.body = std::exchange(received_, {});
      reply.is_whole = true;
    }
    return reply;
  }

  Reply ask(const std::string& request) {
    send(request);
    return reply(request.starts_with("HEAD "));
  }

 private:
  static void read_head(Reply& reply, const std::string& head) {
    reply.status = std::stoi(head.substr(9, 3));
    for (std::size_t begin = head.find("\r\n") + 2; begin < head.size();) {
      const std::size_t end = head.find("\r\n", begin);
      const std::size_t colon = head.find(':', begin);
      std::string name = head.substr(begin, colon - begin);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      reply.headers[name] = head.substr(colon + 2, end - colon - 2);
      begin = end + 2;
    }
  }

  bool read_chunks(std::string& body) {
    while (true) {
      std::size_t end = 0;
      while ((end = received_.find("\r\n")) == std::string::npos) {
        if (!receive()) return false;
      }
      const std::size_t size = std::stoul(received_.substr(0, end), nullptr, 16);
      while (received_.size() < end + 2 + size + 2) {
        if (!receive()) return false;
      }
      body += received_.substr(end + 2, size);
      received_.erase(0, end + 2 + size + 2);
      if (size == 0) return true;
    }
  }

  int fd_;
  bool is_connected_ = false;
  std::chrono::milliseconds patience_{10'000};
  std::string received_;
};

/// An HTTP/1.1 request with the mandatory headers.
inline std::string request(const std::string& method, const std::string& target,
                           const std::string& headers = "", const std::string& body = "") {
  std::string text = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers;
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

}  // namespace semblance::service::testing
