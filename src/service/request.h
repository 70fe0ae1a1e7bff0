// A request of HTTP/1.1 (RFC 9112) out of its bytes. Pure: no socket, no route.
//
// Strict: what two readers could take for different things is refused with 400, never repaired. So
// lines end with CR LF alone, a header stands on one line with its colon right behind its name, and
// a body has one length. Every refusal is an HttpError, after which nothing of the connection can
// be read any more.
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
  std::uint64_t declared_bytes = 0;  // of the body, by Content-Length

  bool has_body() const { return is_chunked || declared_bytes > 0; }
};

/// The size of the head that `bytes` begin with, its empty line included; nothing where more must
/// come first. Throws as soon as it can be no head: 400, 414 for a request line beyond
/// header_bytes, 431 for more headers.
std::optional<std::size_t> head_size(std::string_view bytes, const HttpLimits& limits);

/// `head` is of head_size(). Throws 400, 413 for a length beyond all numbers, 431 for too many
/// headers, 505 for another version.
RequestHead parse_head(std::string_view head, const HttpLimits& limits);

/// Takes a body out of the bytes behind its head, as they come.
class BodyReader {
 public:
  /// `most_bytes`: of a chunked body, the others were looked at by their declared_bytes.
  BodyReader(const RequestHead& head, std::uint64_t most_bytes, const HttpLimits& limits);

  /// Appends to `body` what belongs to it and drops that, and the lines around it, from the front
  /// of `bytes`. Throws 400, and 413 beyond most_bytes.
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
  std::uint64_t received_ = 0;  // data in all, chunks begun included
  unsigned trailers_ = 0;
  std::string line_;
};

/// The response to a body of more than `limit` bytes: 413. `got`: how many.
HttpResponse too_large(std::uint64_t limit, std::string_view got);

}  // namespace semblance::service
