#include "service/http.h"

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

namespace semblance::service {
namespace {

int status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kArgument:
    case ErrorKind::kShape:
    case ErrorKind::kCorrupt:
      return 400;
    case ErrorKind::kMissing:
      return 404;
    case ErrorKind::kCancelled:
      return 409;
    case ErrorKind::kMemory:
      return 422;
    case ErrorKind::kDevice:
      return 503;
    case ErrorKind::kInternal:
      break;
  }
  return 500;
}

}  // namespace

std::string_view HttpRequest::header(std::string_view name) const {
  const auto found = headers.find(std::string(name));
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

std::string_view reason_of(int status) {
  static constexpr auto kReasons =
      std::to_array<std::pair<int, std::string_view>>({{200, "OK"},
                                                       {201, "Created"},
                                                       {202, "Accepted"},
                                                       {204, "No Content"},
                                                       {304, "Not Modified"},
                                                       {400, "Bad Request"},
                                                       {401, "Unauthorized"},
                                                       {403, "Forbidden"},
                                                       {404, "Not Found"},
                                                       {405, "Method Not Allowed"},
                                                       {408, "Request Timeout"},
                                                       {409, "Conflict"},
                                                       {413, "Content Too Large"},
                                                       {414, "URI Too Long"},
                                                       {422, "Unprocessable Content"},
                                                       {429, "Too Many Requests"},
                                                       {431, "Request Header Fields Too Large"},
                                                       {500, "Internal Server Error"},
                                                       {501, "Not Implemented"},
                                                       {503, "Service Unavailable"},
                                                       {505, "HTTP Version Not Supported"}});
  for (const auto& [known, reason] : kReasons) {
    if (known == status) return reason;
  }
  return "Other";
}

HttpResponse error_response(int status, std::string_view code, const std::string& message,
                            std::string_view param) {
  nlohmann::ordered_json error;
  error["message"] = message;
  error["type"] = status < 500 ? "invalid_request_error" : "server_error";
  error["param"] = param.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(param);
  error["code"] = code;
  // Messages quote input that may not be UTF-8.
  const auto text = nlohmann::ordered_json({{"error", error}})
                        .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  return json_response(text, status);
}

HttpResponse error_response(const Error& error, std::string_view param) {
  return error_response(status_of(error.kind()), name_of(error.kind()), error.what(), param);
}

HttpResponse json_response(std::string json, int status) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(json);
  return response;
}

HttpError::HttpError(int status, std::string_view code, const std::string& message,
                     std::string_view param)
    : std::runtime_error(message), response_(error_response(status, code, message, param)) {}

HttpError::HttpError(const Error& error, std::string_view param)
    : std::runtime_error(error.what()), response_(error_response(error, param)) {}

HttpError::HttpError(HttpResponse response)
    : std::runtime_error(response.body.whole()), response_(std::move(response)) {}

HttpError HttpError::after(std::chrono::seconds wait) const {
  HttpError later = *this;
  later.response_.headers["Retry-After"] = std::to_string(wait.count());
  return later;
}

}  // namespace semblance::service
