#include "service/log.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "service/job.h"
#include "text/unicode.h"

namespace semblance::service {
namespace {

/// A pipe with room accepts this much at once, without blocking.
constexpr std::size_t kLineBytes = PIPE_BUF;
/// The most bytes of a line's parts. In JSON, quotes and backslashes take two bytes each, so that a
/// line of at most eight fields fits.
constexpr std::size_t kEventBytes = 40, kFieldBytes = 140, kWhyBytes = 240, kPromptBytes = 1000;

constexpr std::string_view kPromptField = "prompt";

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

/// A field's number, or its printable text.
using LogValue = std::variant<std::string, std::int64_t, double>;

LogValue value_of(const LogField& field) {
  if (const auto* const text = std::get_if<std::string_view>(&field.value))
    return printable(*text, field.name == kPromptField ? kPromptBytes : kFieldBytes);
  if (const auto* const number = std::get_if<std::int64_t>(&field.value)) return *number;
  return std::get<double>(field.value);
}

/// Quoted if it might be read as more than one value.
std::string fact_text(const LogField& field) {
  const LogValue value = value_of(field);
  const auto* const text = std::get_if<std::string>(&value);
  const bool is_word =
      text == nullptr || (!text->empty() && text->find_first_of(" =\"\\") == std::string::npos);
  const auto shown = std::visit([](const auto& any) { return fmt::format("{}", any); }, value);
  return fmt::format(" {}={}", field.name, is_word ? shown : nlohmann::json(shown).dump());
}

std::string text_line(std::string_view event, LogFields where, std::string_view why,
                      LogFields facts, std::uint64_t dropped) {
  std::string text = fmt::format("{} {}:", time_text(now()), printable(event, kEventBytes));
  for (const LogField& field : where) {
    std::visit([&](const auto& value) { text += fmt::format(" {}", value); }, value_of(field));
  }
  for (const LogField& field : facts) text += fact_text(field);
  if (!why.empty()) text += ": " + printable(why, kWhyBytes);
  if (dropped > 0) text += fmt::format(" ({} earlier lines were dropped)", dropped);
  text.resize(std::min(text.size(), kLineBytes - 1));
  return text;
}

std::string json_line(LogLevel level, std::string_view event, LogFields where, std::string_view why,
                      LogFields facts, std::uint64_t dropped) {
  nlohmann::ordered_json line;
  line["time"] = time_text(now());
  line["level"] = kLogLevels[static_cast<std::size_t>(level)];
  line["event"] = printable(event, kEventBytes);
  for (const LogFields& fields : {where, facts}) {
    for (const LogField& field : fields) {
      std::visit([&](const auto& value) { line[std::string(field.name)] = value; },
                 value_of(field));
    }
  }
  if (!why.empty()) line["message"] = printable(why, kWhyBytes);
  if (dropped > 0) line["dropped"] = dropped;
  return line.dump();
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

std::string printable_path(std::string_view path) {
  std::string text;
  for (const char c : printable(path, kFieldBytes)) {
    if (c == ' ') {
      text += "%20";
    } else {
      text += c;
    }
  }
  return text;
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
  constexpr std::string_view kEvent = "failed request";
  try {
    const auto body = nlohmann::json::parse(response.body.whole(), nullptr, false);
    const bool is_error = body.is_object() && body.contains("error");
    const std::string why = is_error ? body["error"].value("message", "") : "";
    if (request == nullptr) {
      Log::stderr_log().line(LogLevel::kError, kEvent,
                             {{"client", client}, {"status", response.status}}, why);
    } else {
      Log::stderr_log().line(LogLevel::kError, kEvent,
                             {{"client", request->client},
                              {"method", request->method},
                              {"path", printable_path(request->path)},
                              {"status", response.status}},
                             why);
    }
  } catch (const std::exception&) {
    // As in line(): not enough memory.
  }
}

void log_device_error(const std::string& job_id, const Error& error) noexcept {
  Log::stderr_log().line(LogLevel::kError, "device error", {{"part", "job"}, {"job", job_id}},
                         error.what());
}

void log_job(const Job& job, double seconds) noexcept {
  try {
    const Request& request = job.request;
    // A job that was cancelled early has no size yet.
    const std::string size =
        request.width == 0 ? "none" : fmt::format("{}x{}", request.width, request.height);
    const auto write = [&](LogFields facts) {
      Log::stderr_log().line(LogLevel::kInfo, "job",
                             {{"job", job.id}, {"state", name_of(job.state)}}, "", facts);
    };
    if (Log::stderr_log().options().with_prompts) {
      write({{"seconds", seconds},
             {"size", size},
             {"steps", steps_of(job)},
             {"pictures", job.made()},
             {kPromptField, request.prompt}});
    } else {
      write({{"seconds", seconds},
             {"size", size},
             {"steps", steps_of(job)},
             {"pictures", job.made()}});
    }
  } catch (const std::exception&) {
    // As in line(): not enough memory.
  }
}

void Log::line(LogLevel level, std::string_view event, LogFields where, std::string_view why,
               LogFields facts) noexcept {
  if (level > options_.level) return;
  try {
    const std::lock_guard guard(mutex_);
    const std::string text = options_.is_json ? json_line(level, event, where, why, facts, dropped_)
                                              : text_line(event, where, why, facts, dropped_);
    if (is_written(descriptor_, text + '\n')) {
      dropped_ = 0;
    } else {
      ++dropped_;
    }
  } catch (const std::exception&) {
    // Not enough memory for a line: go on without it.
  }
}

}  // namespace semblance::service
