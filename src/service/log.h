// What whoever runs the service should know: a line each for failed logins, responses 5xx, failed
// jobs and devices that fail.
//
//   2026-01-31T12:00:00.123Z failed login: 192.168.1.7 POST /api/login 401: this is not the key
//   2026-01-31T12:00:00.123Z failed job: 0123456789abcdef0123: memory: cannot fit: ...
//
// Never a key, a prompt or a photo. Thread-safe.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "service/http.h"

namespace semblance::service {

class Log {
 public:
  /// The one of the process, to stderr.
  static Log& stderr_log();

  /// Writes to a descriptor that stays the caller's.
  explicit Log(int descriptor) : descriptor_(descriptor) {}

  /// One line: the time, `what`, `where` and `why`. Line breaks and runs of blanks become one
  /// blank, control characters are escaped, a long text is cut. Never waits and never fails: where
  /// the reader is slow or gone the line is dropped, and the next that gets through tells how many
  /// were.
  void line(std::string_view what, std::string_view where, std::string_view why) noexcept;

  std::uint64_t dropped() const;

 private:
  int descriptor_;
  mutable std::mutex mutex_;
  std::uint64_t dropped_ = 0;
};

/// A response of 500 or more, to stderr, with the message of its error. `request`: none where it
/// could not be read.
void log_response(const HttpRequest* request, const std::string& client,
                  const HttpResponse& response) noexcept;

/// Text of a line: printable, whatever came. At most `most` bytes.
std::string printable(std::string_view text, std::size_t most);

}  // namespace semblance::service
