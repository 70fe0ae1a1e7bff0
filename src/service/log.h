// The operator's log: a line for each failure and, if asked for, for each request and job.
//
//   2026-01-31T12:00:00.123Z failed login: 192.168.1.7 POST /api/login 401: wrong key
//   2026-01-31T12:00:00.123Z failed job: 0123456789abcdef0123: memory: cannot fit: ...
//   2026-01-31T12:00:00.123Z request: 192.168.1.7 GET /api/jobs/{id} 200 bytes=1234 ms=0.412
//
// or the same as JSON. It never contains a key or a photo, and prompts only if asked for.
// Thread-safe.
//
// Not spdlog: it blocks on a slow reader, or needs a queue and a thread.
#pragma once

#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>

#include "service/http.h"
#include "service/job.h"

namespace semblance::service {

enum class LogLevel : std::uint8_t { kError, kWarning, kInfo, kDebug };
/// Their names, in that order.
inline constexpr std::array<std::string_view, 4> kLogLevels{"error", "warning", "info", "debug"};

struct LogOptions {
  LogLevel level = LogLevel::kWarning;  // what is less important is not written
  bool is_json = false;
  bool with_prompts = false;  // in the lines of jobs
};

/// A named value of a line. A fraction is rounded to a thousandth.
struct LogField {
  LogField(std::string_view field, std::string_view text) : name(field), value(text) {}
  LogField(std::string_view field, std::integral auto number)
      : name(field), value(static_cast<std::int64_t>(number)) {}
  LogField(std::string_view field, double number)
      : name(field), value(std::round(number * 1000) / 1000) {}

  std::string_view name;
  std::variant<std::string_view, std::int64_t, double> value;
};
using LogFields = std::initializer_list<LogField>;

class Log {
 public:
  /// The process's log, to stderr.
  static Log& stderr_log();

  /// Writes to a descriptor that the caller owns.
  explicit Log(int descriptor, const LogOptions& options = {})
      : descriptor_(descriptor), options_(options) {}

  /// Call before other threads use it.
  void set(const LogOptions& options) { options_ = options; }
  const LogOptions& options() const { return options_; }

  /// Writes one line: the time, `event`, the values of `where`, `facts` as name=value, and `why`
  /// unless it is empty; in JSON all of them are named. Line breaks and runs of spaces become one
  /// space, control characters are escaped, long texts are cut. Never blocks and never fails: if
  /// the reader is slow or gone the line is dropped, and the next one that gets through says how
  /// many were.
  void line(LogLevel level, std::string_view event, LogFields where, std::string_view why,
            LogFields facts = {}) noexcept;

  std::uint64_t dropped() const;

 private:
  int descriptor_;
  LogOptions options_;
  mutable std::mutex mutex_;
  std::uint64_t dropped_ = 0;
};

/// Logs a response of 500 or above with its error's message, to stderr. `request`: null if it could
/// not be read.
void log_response(const HttpRequest* request, const std::string& client,
                  const HttpResponse& response) noexcept;

/// Logs to stderr that a device failed a job.
void log_device_error(const std::string& job_id, const Error& error) noexcept;

/// Logs the end of a job to stderr. `seconds`: since this run of the program began it.
void log_job(const Job& job, double seconds) noexcept;

/// `text` made printable for a log line. At most `most` bytes.
std::string printable(std::string_view text, std::size_t most);

/// A path made printable. Without spaces, so that it cannot look like several values.
std::string printable_path(std::string_view path);

}  // namespace semblance::service
