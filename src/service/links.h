// Signed links: whoever has one may fetch that picture without a key until the link expires. The
// signature is an HMAC-SHA-256 of path and expiry. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "service/http.h"
#include "service/job.h"

namespace semblance::service {

class Links {
 public:
  /// A link's lifetime, the same as in the OpenAI API.
  static constexpr std::chrono::hours kLife{1};

  /// Whoever knows `secret` can make links. `now` is for tests.
  explicit Links(std::string secret, std::function<Time()> now = service::now)
      : secret_(std::move(secret)), now_(std::move(now)) {}

  /// "/api/jobs/ID/images/0?expires=SECONDS&signature=HEX" for the path before the "?"; seconds
  /// since 1970. Throws HttpError 503 if libcrypto cannot be used.
  std::string signed_path(const std::string& path) const;

  enum class Right { kNone, kEnded, kGiven };
  /// Whether the request's "expires" and "signature" allow it to GET its path.
  Right right_of(const HttpRequest& request) const;

 private:
  std::string signature_of(std::string_view path, std::string_view expires) const;

  std::string secret_;
  std::function<Time()> now_;
};

}  // namespace semblance::service
