#include "service/repeat_key.h"

#include <span>

#include "core/error.h"
#include "hub/digest.h"
#include "service/multipart.h"
#include "service/rows.h"

namespace semblance::service {

std::string digest_of(const HttpRequest& request) {
  Hasher hasher(DigestKind::kSha256, 0);
  // Each is prefixed with its size, so that no two requests hash the same bytes.
  const auto add = [&](std::string_view text) {
    const std::string size = fmt::format("{} ", text.size());
    hasher.update(std::as_bytes(std::span(size)));
    hasher.update(std::as_bytes(std::span(text)));
  };
  add(request.path);
  const std::string_view type = request.header("content-type");
  if (!type.starts_with("multipart/form-data")) {
    add(request.body);
    return hasher.finish();
  }
  for (const Part& part : parse_multipart(type, request.body)) {
    add(part.name);
    add(part.data);
  }
  return hasher.finish();
}

void take_repeat_key(JobRequest& job, const HttpRequest& request) {
  const std::string_view key = request.header("idempotency-key");
  const std::string_view tries = request.header("x-stainless-retry-count");
  if (key.empty() && tries.empty()) return;
  if (!key.empty() && !is_key(key)) {
    throw HttpError(
        400, "argument",
        fmt::format("cannot take Idempotency-Key: expected 1 to {} visible ASCII characters, got "
                    "{} bytes{}",
                    kMostKeyBytes, key.size(),
                    key.size() > kMostKeyBytes ? "" : " with other characters"),
        "Idempotency-Key");
  }
  try {
    job.digest = digest_of(request);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kArgument) throw;
    throw HttpError(503, "device", error.what());
  }
  if (!key.empty()) {
    job.repeat_key = fmt::format("{}{}", kKeyPrefix, key);
  } else {
    job.repeat_key = fmt::format("{}{}", kContentPrefix, job.digest);
    job.begins_anew = tries == "0";
  }
}

}  // namespace semblance::service
