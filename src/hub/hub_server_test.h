// A local server with the hub's routes that can be made to misbehave. For tests only.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "hub/digest.h"

namespace semblance::testing {

inline std::string digest_of(DigestKind kind, const std::string& bytes) {
  Hasher hasher(kind, bytes.size());
  hasher.update(std::as_bytes(std::span(bytes)));
  return hasher.finish();
}

/// How answers for paths that contain a word go wrong.
struct Fault {
  int times = 1000;                             // number of answers affected
  int status = 0;                               // 0: unchanged
  std::string headers = {};                     // "Retry-After: 1\r\n"
  std::optional<std::size_t> break_after = {};  // closes after this many bytes of the body
  std::optional<std::size_t> claimed = {};      // Content-Length
  bool wrong_byte = false;
  bool ignores_range = false;
  std::size_t extra = 0;  // extra bytes, without Content-Length
  int pause_ms = 0;       // between pieces of 1000 bytes
};

class HubServer {
 public:
  HubServer() {
    listening_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(listening_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(listening_, 64);
    socklen_t size = sizeof address;
    getsockname(listening_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    accepting_ = std::jthread([this] { accept_all(); });
  }
  ~HubServer() {
    ends_ = true;
    shutdown(listening_, SHUT_RDWR);
    accepting_.join();
    close(listening_);
    answering_.clear();
  }
  HubServer(const HubServer&) = delete;
  HubServer& operator=(const HubServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  static std::string commit() { return std::string(40, 'c'); }

  /// Publishes a repository; files of 1000 bytes or more are "large" (SHA-256).
  void publish(const std::string& id, const std::map<std::string, std::string>& files) {
    std::string list;
    for (const auto& [path, bytes] : files) {
      set("/" + id + "/resolve/" + commit() + "/" + path, bytes);
      const std::string size = std::to_string(bytes.size());
      const std::string blob = digest_of(DigestKind::kGitBlob, bytes);
      list += std::string(list.empty() ? "" : ",") + "{\"rfilename\":\"" + path +
              "\",\"size\":" + size + ",\"blobId\":\"" + blob + "\"";
      if (bytes.size() >= 1000)
        list += ",\"lfs\":{\"size\":" + size + ",\"sha256\":\"" +
                digest_of(DigestKind::kSha256, bytes) + "\"}";
      list += "}";
    }
    set("/api/models/" + id + "/revision/main",
        "{\"sha\":\"" + commit() + "\",\"cardData\":{\"license\":\"openrail++\"},\"siblings\":[" +
            list + "]}");
  }
  void set(const std::string& path, const std::string& bytes) {
    const std::lock_guard lock(mutex_);
    bodies_[path] = bytes;
  }
  void fault(const std::string& word, const Fault& fault) {
    const std::lock_guard lock(mutex_);
    faults_[word] = fault;
  }
  /// The headers of all requests whose path contains the word.
  std::vector<std::string> requests(const std::string& word) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found;
    for (const std::string& head : heads_) {
      if (head.substr(0, head.find('\r')).find(word) != std::string::npos) found.push_back(head);
    }
    return found;
  }

 private:
  void accept_all() {
    while (!ends_) {
      const int connection = accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) continue;
      answering_.emplace_back([this, connection] {
        answer(connection);
        shutdown(connection, SHUT_WR);
        close(connection);
      });
    }
  }
  static bool send_all(int connection, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void answer(int connection) {
    std::string head;
    char piece[4096];
    while (head.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = recv(connection, piece, sizeof piece, 0);
      if (got <= 0) return;
      head.append(piece, static_cast<std::size_t>(got));
    }
    std::string path = head.substr(4, head.find(' ', 4) - 4);
    path = path.substr(0, path.find('?'));
    Fault fault;
    std::optional<std::string> body;
    {
      const std::lock_guard lock(mutex_);
      heads_.push_back(head);
      for (auto& [word, each] : faults_) {
        if (path.find(word) == std::string::npos || each.times <= 0) continue;
        --each.times;
        fault = each;
      }
      if (const auto found = bodies_.find(path); found != bodies_.end()) body = found->second;
    }
    if (fault.status != 0 || !body) {
      const int status = fault.status != 0 ? fault.status : 404;
      send_all(connection, "HTTP/1.1 " + std::to_string(status) + " Told\r\n" + fault.headers +
                               "Content-Length: 2\r\nConnection: close\r\n\r\nno");
      return;
    }
    if (fault.wrong_byte && !body->empty()) (*body)[body->size() / 2] ^= 1;
    std::size_t first = 0;
    std::string status = "200 OK\r\n";
    const std::string total = std::to_string(body->size());
    if (const auto at = head.find("Range: bytes=");
        at != std::string::npos && !fault.ignores_range) {
      first = std::stoul(head.substr(at + 13));
      if (first >= body->size()) {
        send_all(connection, "HTTP/1.1 416 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
      }
      status = "206 Partial Content\r\nContent-Range: bytes " + std::to_string(first) + "-" +
               std::to_string(body->size() - 1) + "/" + total + "\r\n";
    }
    std::string rest = body->substr(first) + std::string(fault.extra, 'x');
    std::string head_out = "HTTP/1.1 " + status + fault.headers;
    if (fault.extra == 0)
      head_out += "Content-Length: " + std::to_string(fault.claimed.value_or(rest.size())) + "\r\n";
    send_all(connection, head_out + "Connection: close\r\n\r\n");
    if (fault.break_after) rest.resize(std::min(rest.size(), *fault.break_after));
    if (fault.pause_ms == 0) {
      send_all(connection, rest);
      return;
    }
    for (std::size_t at = 0; at < rest.size() && !ends_; at += 1000) {
      if (!send_all(connection, rest.substr(at, 1000))) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(fault.pause_ms));
    }
  }

  int listening_ = -1;
  int port_ = 0;
  std::atomic<bool> ends_{false};
  mutable std::mutex mutex_;
  std::map<std::string, std::string> bodies_;
  std::map<std::string, Fault> faults_;
  std::vector<std::string> heads_;
  std::vector<std::jthread> answering_;
  std::jthread accepting_;
};

/// `count` pseudo-random bytes.
inline std::string some_bytes(std::size_t count, unsigned seed) {
  std::string bytes(count, '\0');
  for (char& c : bytes) {
    seed = seed * 1664525U + 1013904223U;
    c = static_cast<char>(seed >> 24);
  }
  return bytes;
}

/// Files as in InstantX/InstantID.
inline std::map<std::string, std::string> instantid_files() {
  return {{"ControlNetModel/config.json", "{}"},
          {"ControlNetModel/diffusion_pytorch_model.safetensors", some_bytes(200'000, 1)},
          {"ip-adapter.bin", some_bytes(50'000, 2)},
          {"README.md", "not used"}};
}

}  // namespace semblance::testing
