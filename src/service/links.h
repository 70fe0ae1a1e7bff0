// Links that carry their own right: whoever has one may fetch that picture, without a key, until
// the link ends. The right is an HMAC-SHA-256 of path and end. Thread-safe.
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
  /// How long a link holds, as the OpenAI API's do.
  static constexpr std::chrono::hours kLife{1};

  /// `secret`: whoever knows it can make links. `now` for tests.
  explicit Links(std::string secret, std::function<Time()> now = service::now)
      : secret_(std::move(secret)), now_(std::move(now)) {}

  /// "/api/jobs/ID/images/0?expires=SECONDS&signature=HEX" for the path in front of the "?";
  /// seconds count from 1970. Throws HttpError 503 where libcrypto cannot be used.
  std::string signed_path(const std::string& path) const;

  enum class Right { kNone, kEnded, kGiven };
  /// What the request's "expires" and "signature" give: the right to GET its path, or none.
  Right right_of(const HttpRequest& request) const;

 private:
  std::string signature_of(std::string_view path, std::string_view expires) const;

  std::string secret_;
  std::function<Time()> now_;
};

}  // namespace semblance::service
