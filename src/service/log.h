// The operator's log: one line for each failed login, 5xx response, failed job and failing device.
//
//   2026-01-31T12:00:00.123Z failed login: 192.168.1.7 POST /api/login 401: wrong key
//   2026-01-31T12:00:00.123Z failed job: 0123456789abcdef0123: memory: cannot fit: ...
//
// It never contains a key, a prompt or a photo. Thread-safe.
//
// Not spdlog: it blocks on a slow reader, or needs a queue and a thread.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "service/http.h"

namespace semblance::service {

class Log {
 public:
  /// The process's log, to stderr.
  static Log& stderr_log();

  /// Writes to a descriptor that the caller owns.
  explicit Log(int descriptor) : descriptor_(descriptor) {}

  /// Writes one line: the time, `what`, `where` and `why`. Line breaks and runs of spaces become
  /// one space, control characters are escaped, long texts are cut. Never blocks and never fails:
  /// if the reader is slow or gone the line is dropped, and the next one that gets through says how
  /// many were.
  void line(std::string_view what, std::string_view where, std::string_view why) noexcept;

  std::uint64_t dropped() const;

 private:
  int descriptor_;
  mutable std::mutex mutex_;
  std::uint64_t dropped_ = 0;
};

/// Logs a response of 500 or above with its error's message, to stderr. `request`: null if it could
/// not be read.
void log_response(const HttpRequest* request, const std::string& client,
                  const HttpResponse& response) noexcept;

/// `text` made printable for a log line. At most `most` bytes.
std::string printable(std::string_view text, std::size_t most);

}  // namespace semblance::service
