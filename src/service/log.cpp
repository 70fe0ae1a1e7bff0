#include "service/log.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "service/job.h"
#include "text/unicode.h"

namespace semblance::service {
namespace {

/// POSIX guarantees that a pipe with room accepts this much at once, without blocking.
constexpr std::size_t kLineBytes = 512;

/// Whether the character can move or hide text in a terminal.
bool is_dangerous(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || (c >= 0x200B && c <= 0x200F) ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
         c >= 0xE0000;
}

bool is_written(int descriptor, std::string_view text) {
  const ssize_t sent = ::send(descriptor, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent >= 0) return true;
  if (errno != ENOTSOCK) return false;
  pollfd state{descriptor, POLLOUT, 0};
  if (::poll(&state, 1, 0) <= 0 || state.revents != POLLOUT) return false;
  return ::write(descriptor, text.data(), text.size()) >= 0;
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  constexpr std::string_view kMore = "...";
  std::string result;
  for (const char32_t c : decode_utf8_lossy(text.substr(0, 4 * most))) {
    std::string piece;
    if (c == U' ' || c == U'\n' || c == U'\r' || c == U'\t') {
      if (!result.ends_with(' ')) piece = " ";
    } else if (is_dangerous(c)) {
      piece = fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(c));
    } else {
      append_utf8(c, piece);
    }
    if (result.size() + piece.size() + kMore.size() > most) return result.append(kMore);
    result += piece;
  }
  return result;
}

Log& Log::stderr_log() {
  static Log log(STDERR_FILENO);
  return log;
}

std::uint64_t Log::dropped() const {
  const std::lock_guard guard(mutex_);
  return dropped_;
}

void log_response(const HttpRequest* request, const std::string& client,
                  const HttpResponse& response) noexcept {
  try {
    const auto body = nlohmann::json::parse(response.body.whole(), nullptr, false);
    const bool is_error = body.is_object() && body.contains("error");
    const std::string why = is_error ? body["error"].value("message", "") : "";
    Log::stderr_log().line("failed request",
                           request == nullptr
                               ? fmt::format("{} {}", client, response.status)
                               : fmt::format("{} {} {} {}", request->client, request->method,
                                             request->path, response.status),
                           why);
  } catch (const std::exception&) {
    // As in line(): not enough memory.
  }
}

void Log::line(std::string_view what, std::string_view where, std::string_view why) noexcept {
  try {
    const std::lock_guard guard(mutex_);
    std::string text = fmt::format("{} {}: {}: {}", time_text(now()), printable(what, 40),
                                   printable(where, 140), printable(why, 240));
    if (dropped_ > 0) text += fmt::format(" ({} earlier lines were dropped)", dropped_);
    text.resize(std::min(text.size(), kLineBytes - 1));
    text += '\n';
    if (is_written(descriptor_, text)) {
      dropped_ = 0;
    } else {
      ++dropped_;
    }
  } catch (const std::exception&) {
    // Not enough memory for a line: go on without it.
  }
}

}  // namespace semblance::service
