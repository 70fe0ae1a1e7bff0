#include "service/request.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/ascii.h"
#include "service/target.h"

namespace semblance::service {
namespace {

constexpr std::string_view kNoHttp = "it is not well-formed HTTP/1.1";

[[noreturn]] void refuse(int status, std::string_view code, std::string_view rule) {
  throw HttpError(status, code, fmt::format("cannot read the request: {}", rule));
}
[[noreturn]] void malformed(std::string_view rule) { refuse(400, "argument", rule); }
[[noreturn]] void endless() { refuse(413, "too_large", "its body's length is too large"); }

bool is_token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  });
}

struct HeaderField {
  std::string name;  // in lower case
  std::string_view value;
};

HeaderField parse_field(std::string_view line) {
  if (line.starts_with(' ') || line.starts_with('\t')) {
    malformed("a header must be on one line");
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) malformed("a header must have a colon after its name");
  if (!is_token(line.substr(0, colon))) {
    malformed("a header's name must be letters, digits and dashes before the colon");
  }
  HeaderField field{lower(line.substr(0, colon)), trimmed(line.substr(colon + 1))};
  if (has_control(field.value)) {
    malformed(fmt::format("the header {} has control characters", field.name));
  }
  return field;
}

void add_field(HttpRequest& request, const HeaderField& field) {
  static constexpr std::array<std::string_view, 7> kOnce{
      "authorization", "content-length", "content-type",     "expect",
      "host",          "origin",         "transfer-encoding"};
  const auto [place, is_new] = request.headers.try_emplace(field.name, field.value);
  if (is_new) return;
  if (std::find(kOnce.begin(), kOnce.end(), field.name) != kOnce.end()) {
    malformed(fmt::format("the header {} appears more than once", field.name));
  }
  place->second += (field.name == "cookie" ? "; " : ", ") + std::string(field.value);
}

/// Whether the comma-separated list contains `word`, in any case.
bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (lower(trimmed(list.substr(0, comma))) == word) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

void read_version(std::string_view version, RequestHead& head) {
  head.is_old = version == "HTTP/1.0";
  if (head.is_old || version == "HTTP/1.1") return;
  const auto is_digit = [&](std::size_t i) { return version[i] >= '0' && version[i] <= '9'; };
  const bool is_another = version.size() == 8 && version.starts_with("HTTP/") && is_digit(5) &&
                          version[6] == '.' && is_digit(7);
  refuse(is_another ? 505 : 400, "argument", kNoHttp);
}

void read_target(std::string_view target, const HttpLimits& limits, HttpRequest& request) {
  if (target == "*" && request.method == "OPTIONS") {
    request.path = target;
    return;
  }
  if (std::count(target.begin(), target.end(), '&') >= limits.header_count) {
    refuse(431, "too_large",
           fmt::format("its query may have at most {} names", limits.header_count));
  }
  try {
    Target parsed = parse_target(target);
    request.path = std::move(parsed.path);
    request.query = std::move(parsed.query);
  } catch (const Error& error) {
    throw HttpError(400, name_of(error.kind()), error.what());
  }
}

void read_length(RequestHead& head) {
  const auto& headers = head.request.headers;
  const auto encoding = headers.find("transfer-encoding");
  const auto length = headers.find("content-length");
  head.is_chunked = encoding != headers.end();
  if (head.is_chunked &&
      (head.is_old || length != headers.end() || lower(encoding->second) != "chunked")) {
    malformed("its length must be given by content-length or by transfer-encoding: chunked");
  }
  if (length == headers.end()) return;
  const std::string& digits = length->second;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) {
    malformed("its content-length must be a whole number");
  }
  const auto result =
      std::from_chars(digits.data(), digits.data() + digits.size(), head.declared_bytes);
  if (result.ec != std::errc()) endless();
}

}  // namespace

HttpResponse too_large(std::uint64_t limit, std::string_view got) {
  return error_response(
      413, "too_large",
      fmt::format("cannot take the request: expected a body of at most {} bytes, got {}", limit,
                  got));
}

std::optional<std::size_t> head_size(std::string_view bytes, const HttpLimits& limits) {
  if (!bytes.empty() && !is_token_character(bytes[0])) malformed("its method must be a word");
  const std::string_view seen = bytes.substr(0, limits.header_bytes);
  bool has_line = false;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const bool ends = seen[i] == '\n';
    if (seen[i] == '\0') malformed("its head must have no NUL");
    if (ends != (i > 0 && seen[i - 1] == '\r')) {
      malformed("the lines of its head must end with CR LF and contain neither elsewhere");
    }
    if (ends && i >= 3 && seen[i - 2] == '\n') return i + 1;
    has_line = has_line || ends;
  }
  if (bytes.size() < limits.header_bytes) return {};
  if (!has_line) {
    refuse(414, "too_large",
           fmt::format("its target may have at most {} bytes", limits.header_bytes));
  }
  refuse(431, "too_large",
         fmt::format("its target and headers may have at most {} bytes", limits.header_bytes));
}

RequestHead parse_head(std::string_view text, const HttpLimits& limits) {
  RequestHead head;
  const auto take_line = [&] {
    const std::size_t end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    return line;
  };
  const std::string_view line = take_line();
  const std::size_t first = line.find(' '), last = line.rfind(' ');
  if (first == last) malformed(kNoHttp);
  read_version(line.substr(last + 1), head);
  const std::string_view method = line.substr(0, first);
  if (!is_token(method)) malformed("its method must be a word");
  for (std::string_view field = take_line(); !field.empty(); field = take_line()) {
    if (head.request.headers.size() == limits.header_count) {
      refuse(431, "too_large", fmt::format("it may have at most {} headers", limits.header_count));
    }
    add_field(head.request, parse_field(field));
  }
  if (!head.is_old && head.request.header("host").empty()) {
    malformed("it must have the header host");
  }
  read_length(head);
  head.is_head = method == "HEAD";
  head.request.method = head.is_head ? "GET" : method;
  head.is_last = head.is_old || has_word(head.request.header("connection"), "close");
  head.expects_continue = !head.is_old && lower(head.request.header("expect")) == "100-continue";
  read_target(line.substr(first + 1, last - first - 1), limits, head.request);
  return head;
}

// ---- Bodies

BodyReader::BodyReader(const RequestHead& head, std::uint64_t most_bytes, const HttpLimits& limits)
    : limits_(limits),
      most_bytes_(most_bytes),
      is_chunked_(head.is_chunked),
      state_(head.is_chunked           ? State::kSize
             : head.declared_bytes > 0 ? State::kData
                                       : State::kWhole),
      left_(head.declared_bytes) {}

void BodyReader::take(std::string_view& bytes, std::string& body) {
  while (!bytes.empty() && state_ != State::kWhole) {
    if (state_ == State::kData) {
      const std::string_view data = bytes.substr(0, left_);
      body += data;
      bytes.remove_prefix(data.size());
      left_ -= data.size();
      if (left_ == 0) state_ = is_chunked_ ? State::kDataEnd : State::kWhole;
    } else if (take_line(bytes)) {
      read_line();
      line_.clear();
    }
  }
}

/// Moves bytes to line_; true once the line is complete, without its CR LF.
bool BodyReader::take_line(std::string_view& bytes) {
  const std::size_t end = bytes.find('\n');
  line_ += bytes.substr(0, end);
  if (line_.size() >
      (state_ == State::kTrailer ? limits_.header_bytes : limits_.chunk_line_bytes)) {
    malformed(kNoHttp);
  }
  bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
  if (end == std::string_view::npos) return false;
  if (!line_.ends_with('\r')) malformed(kNoHttp);
  line_.pop_back();
  if (has_control(line_)) malformed(kNoHttp);
  return true;
}

void BodyReader::read_line() {
  if (state_ == State::kSize) {
    read_size();
  } else if (state_ == State::kDataEnd) {
    if (!line_.empty()) malformed(kNoHttp);
    state_ = State::kSize;
  } else if (line_.empty()) {
    state_ = State::kWhole;
  } else {
    parse_field(line_);  // only checked; trailers are not used
    if (++trailers_ > limits_.header_count) malformed(kNoHttp);
  }
}

void BodyReader::read_size() {
  const std::string_view digits = std::string_view(line_).substr(0, line_.find(';'));
  const char* const end = digits.data() + digits.size();
  const auto result = std::from_chars(digits.data(), end, left_, 16);
  if (result.ec == std::errc::result_out_of_range) endless();
  if (result.ec != std::errc() || result.ptr != end) malformed(kNoHttp);
  if (left_ > most_bytes_ - received_) throw HttpError(too_large(most_bytes_, "more"));
  received_ += left_;
  state_ = left_ == 0 ? State::kTrailer : State::kData;
}

}  // namespace semblance::service
