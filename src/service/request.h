// Parses HTTP/1.1 requests (RFC 9112). Pure: no socket, no route.
//
// Strict: what two parsers could read differently is refused with 400, never repaired. Lines must
// end with CR LF, a header is on one line with its colon right after its name, and a body has one
// length. Every refusal is an HttpError; after it, the rest of the connection cannot be parsed.
//
// Not llhttp: it accepts some of what is refused here, and leaves limits to the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "service/http.h"
#include "service/http_limits.h"

namespace semblance::service {

struct RequestHead {
  HttpRequest request = {};  // without its body
  bool is_head = false;      // HEAD; request.method is GET
  bool is_old = false;       // HTTP/1.0
  bool is_last = false;      // the client wants the connection closed
  bool is_chunked = false;
  bool expects_continue = false;
  std::uint64_t declared_bytes = 0;  // the body's Content-Length

  bool has_body() const { return is_chunked || declared_bytes > 0; }
};

/// The size of the head at the start of `bytes`, including its empty line; nothing if it is not
/// complete yet. Throws as soon as it cannot be valid: 400, 414 for a request line longer than
/// header_bytes, 431 for too many bytes of headers.
std::optional<std::size_t> head_size(std::string_view bytes, const HttpLimits& limits);

/// `head` has head_size() bytes. Throws 400, 413 for a length that overflows, 431 for too many
/// headers, 505 for another HTTP version.
RequestHead parse_head(std::string_view head, const HttpLimits& limits);

/// Extracts a body from the bytes after its head as they arrive.
class BodyReader {
 public:
  /// `most_bytes` limits a chunked body; the caller has checked declared_bytes of others.
  BodyReader(const RequestHead& head, std::uint64_t most_bytes, const HttpLimits& limits);

  /// Appends the body's part of `bytes` to `body`, and removes it and the chunk lines from the
  /// front of `bytes`. Throws 400, and 413 beyond most_bytes.
  void take(std::string_view& bytes, std::string& body);
  bool is_whole() const { return state_ == State::kWhole; }

 private:
  enum class State { kSize, kData, kDataEnd, kTrailer, kWhole };

  bool take_line(std::string_view& bytes);
  void read_line();
  void read_size();

  const HttpLimits& limits_;
  std::uint64_t most_bytes_;
  bool is_chunked_;
  State state_;
  std::uint64_t left_ = 0;      // of the data, or of the chunk
  std::uint64_t received_ = 0;  // all data, including the current chunk
  unsigned trailers_ = 0;
  std::string line_;
};

/// The 413 response to a body of more than `limit` bytes. `got`: its size.
HttpResponse too_large(std::uint64_t limit, std::string_view got);

}  // namespace semblance::service
