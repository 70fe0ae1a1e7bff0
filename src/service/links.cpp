#include "service/links.h"

#include <charconv>

#include "core/error.h"
#include "hub/digest.h"
#include "service/login.h"

namespace semblance::service {

std::string Links::signature_of(std::string_view path, std::string_view expires) const {
  try {
    // Paths contain no line breaks.
    return hmac_sha256(secret_, fmt::format("GET {}\n{}", path, expires));
  } catch (const Error& error) {
    throw HttpError(503, "device", error.what());
  }
}

std::string Links::signed_path(const std::string& path) const {
  const std::string expires = std::to_string(unix_seconds(now_() + kLife));
  return fmt::format("{}?expires={}&signature={}", path, expires, signature_of(path, expires));
}

Links::Right Links::right_of(const HttpRequest& request) const {
  const auto expires = request.query.find("expires"), signature = request.query.find("signature");
  const bool is_link =
      request.method == "GET" && expires != request.query.end() && signature != request.query.end();
  if (!is_link) return Right::kNone;
  const std::string& text = expires->second;
  if (!same_secret(signature->second, signature_of(request.path, text))) return Right::kNone;
  std::int64_t end = 0;
  std::from_chars(text.data(), text.data() + text.size(), end);  // valid, since it is signed
  return unix_seconds(now_()) < end ? Right::kGiven : Right::kEnded;
}

}  // namespace semblance::service
