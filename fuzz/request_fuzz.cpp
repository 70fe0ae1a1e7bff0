// links: semblance_service
// Any bytes as requests on a connection give a head, a body and form parts that do not depend on
// whether the bytes arrive at once or one by one; or a refusal.
#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "service/multipart.h"
#include "service/request.h"

namespace {

using namespace semblance;
using namespace semblance::service;

constexpr std::uint64_t kMostBytes = 100'000;

struct Result {
  int refusal = 0;  // HTTP status
  bool is_whole = false;
  HttpRequest request = {};
  std::size_t taken = 0;  // bytes
  bool operator==(const Result& other) const {
    return refusal == other.refusal && is_whole == other.is_whole &&
           request.method == other.request.method && request.path == other.request.path &&
           request.query == other.request.query && request.headers == other.request.headers &&
           request.body == other.request.body && taken == other.taken;
  }
};

void check(const RequestHead& head, const HttpLimits& limits) {
  const HttpRequest& request = head.request;
  if (request.headers.size() > limits.header_count || request.query.size() > limits.header_count)
    std::abort();
  if (head.is_chunked && (head.is_old || !request.header("content-length").empty())) std::abort();
  for (const auto& [name, value] : request.headers) {
    const auto is_control = [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7F; };
    if (std::any_of(value.begin(), value.end(), is_control)) std::abort();
    if (name.empty() || name.find_first_of(" \t:\r\n") != std::string::npos) std::abort();
  }
}

/// Feeds `step` bytes at a time.
Result read(std::string_view bytes, std::size_t step) {
  const HttpLimits limits{.header_bytes = 4096};
  Result result;
  try {
    std::size_t given = 0, size = 0;
    while (size == 0) {
      if (given == bytes.size()) return result;
      given = std::min(given + step, bytes.size());
      size = head_size(bytes.substr(0, given), limits).value_or(0);
    }
    RequestHead head = parse_head(bytes.substr(0, size), limits);
    check(head, limits);
    BodyReader reader(head, kMostBytes, limits);
    result.request = std::move(head.request);
    result.taken = size;
    if (!head.is_chunked && head.declared_bytes > kMostBytes) return result;
    while (!reader.is_whole() && result.taken < bytes.size()) {
      const std::string_view now = bytes.substr(result.taken, step);
      std::string_view left = now;
      reader.take(left, result.request.body);
      if (!left.empty() && !reader.is_whole()) std::abort();
      result.taken += now.size() - left.size();
    }
    result.is_whole = reader.is_whole();
    if (result.request.body.size() > kMostBytes) std::abort();
  } catch (const HttpError& error) {
    result = {.refusal = error.response().status};
    if (result.refusal < 400 || result.refusal > 505) std::abort();
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Result result = read(bytes, bytes.size() + 1);
  if (size <= 2000 && !(result == read(bytes, 1))) std::abort();
  if (!(result == read(bytes, 7))) std::abort();
  if (!result.is_whole) return 0;
  try {
    for (const Part& part :
         parse_multipart(result.request.header("content-type"), result.request.body)) {
      if (part.data.size() > result.request.body.size()) std::abort();
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kArgument) std::abort();
  }
  return 0;
}
