#include "service/multipart.h"

#include <algorithm>
#include <map>

#include "core/ascii.h"
#include "core/closest.h"
#include "core/error.h"
#include "image/utf8.h"

namespace semblance::service {
namespace {

constexpr std::size_t kMostParts = 64;
constexpr std::size_t kMostHeaderBytes = 4096;
constexpr std::size_t kMostBoundaryBytes = 70;  // RFC 2046, 5.1.1

template <typename... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  fail(ErrorKind::kArgument, "cannot read the form: {}",
       fmt::format(format, std::forward<Args>(args)...));
}

/// `form-data; name="a"; filename="b"` split into its first word and its parameters.
struct HeaderValue {
  std::string word;
  std::map<std::string, std::string> parameters;
};

/// Reads a quoted string from its opening quote and moves `text` past it. A backslash escapes only
/// a quote or another backslash: some clients send Windows paths.
std::string take_quoted(std::string_view& text, std::string_view header) {
  std::string value;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return value;
    }
    const bool escapes =
        text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\');
    if (escapes) ++i;
    value += text[i];
  }
  refuse("a quote is not closed in the {}", header);
}

HeaderValue parse_value(std::string_view text, std::string_view header) {
  HeaderValue value;
  const std::size_t end = std::min(text.find(';'), text.size());
  value.word = lower(trimmed(text.substr(0, end)));
  text.remove_prefix(end);
  while (!text.empty()) {
    text = trimmed(text.substr(1));  // the semicolon
    if (text.empty()) break;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals > text.find(';')) {
      refuse("a parameter of the {} has no value", header);
    }
    const std::string name = lower(trimmed(text.substr(0, equals)));
    text = trimmed(text.substr(equals + 1));
    std::string parameter;
    if (text.starts_with('"')) {
      parameter = take_quoted(text, header);
      text = trimmed(text);
      if (!text.empty() && text[0] != ';') {
        refuse("unexpected text after a quoted value in the {}", header);
      }
    } else {
      const std::size_t stop = std::min(text.find(';'), text.size());
      parameter = trimmed(text.substr(0, stop));
      text.remove_prefix(stop);
    }
    if (!value.parameters.emplace(name, std::move(parameter)).second) {
      refuse("the {} has the parameter {} twice", header, name);
    }
  }
  return value;
}

std::string boundary_of(std::string_view content_type) {
  const HeaderValue type = parse_value(content_type, "content type");
  if (type.word != "multipart/form-data") {
    refuse("its content type must be multipart/form-data, got {}",
           type.word.empty() ? "none" : type.word.substr(0, 200));
  }
  const auto found = type.parameters.find("boundary");
  const bool is_good = found != type.parameters.end() && !found->second.empty() &&
                       found->second.size() <= kMostBoundaryBytes && found->second.back() != ' ' &&
                       std::all_of(found->second.begin(), found->second.end(),
                                   [](char c) { return c >= 0x20 && c < 0x7F; });
  if (!is_good) refuse("its content type must have a boundary of 1 to 70 ASCII characters");
  return found->second;
}

void read_disposition(std::string_view text, Part& part) {
  HeaderValue value = parse_value(text, "Content-Disposition");
  if (value.word != "form-data") {
    refuse("the Content-Disposition of each part must be form-data, got {}", value.word);
  }
  const auto name = value.parameters.find("name");
  if (name == value.parameters.end()) refuse("a part has no name");
  part.name = std::move(name->second);
  const auto filename = value.parameters.find("filename");
  if (filename != value.parameters.end()) part.filename = std::move(filename->second);
  for (const std::string& text : {part.name, part.filename.value_or("")}) {
    const bool has_control = std::any_of(text.begin(), text.end(), [](char c) {
      const auto byte = static_cast<unsigned char>(c);
      return byte < 0x20 || byte == 0x7F;
    });
    if (has_control || !code_points(text)) {
      refuse("the names of parts and files must be UTF-8 without control characters");
    }
  }
}

Part parse_headers(std::string_view text) {
  Part part;
  bool has_disposition = false;
  while (!text.empty()) {
    const std::size_t end = text.find("\r\n");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) refuse("a part has a malformed header");
    const std::string name = lower(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (name == "content-disposition") {
      if (has_disposition) refuse("a part has two Content-Dispositions");
      has_disposition = true;
      read_disposition(value, part);
    } else if (name == "content-type") {
      part.type = parse_value(value, "Content-Type of a part").word;
    } else if (name == "content-transfer-encoding") {
      const std::string encoding = lower(value);
      if (encoding != "binary" && encoding != "8bit" && encoding != "7bit") {
        refuse("expected unencoded parts, got the encoding {}", encoding.substr(0, 200));
      }
    }
  }
  if (!has_disposition) refuse("a part has no Content-Disposition");
  return part;
}

/// The next delimiter line at or after `from`.
struct Delimiter {
  std::size_t begin = std::string_view::npos;  // of the line break before it
  std::size_t end = 0;                         // after its own line break
  bool is_last = false;
};

Delimiter find_delimiter(std::string_view body, const std::string& boundary, std::size_t from) {
  const std::string mark = "\r\n--" + boundary;
  Delimiter found;
  const bool is_at_start = from == 0 && body.starts_with(std::string_view(mark).substr(2));
  std::size_t place = is_at_start ? 0 : body.find(mark, from);
  std::size_t behind = is_at_start ? mark.size() - 2 : place + mark.size();
  while (place != std::string_view::npos) {
    std::string_view rest = body.substr(behind);
    found.begin = place;
    if (rest.starts_with("--")) {
      found.end = behind + 2;
      found.is_last = true;
      return found;
    }
    const std::size_t blanks = std::min(rest.find_first_not_of(" \t"), rest.size());
    if (rest.substr(blanks).starts_with("\r\n")) {
      found.end = behind + blanks + 2;
      return found;
    }
    // The boundary followed by more text is data.
    place = body.find(mark, place + 1);
    behind = place + mark.size();
  }
  found.begin = std::string_view::npos;
  return found;
}

}  // namespace

std::vector<Part> parse_multipart(std::string_view content_type, std::string_view body) {
  const std::string boundary = boundary_of(content_type);
  Delimiter delimiter = find_delimiter(body, boundary, 0);
  if (delimiter.begin == std::string_view::npos) {
    refuse("its boundary {} is not in the body", boundary);
  }
  std::vector<Part> parts;
  while (!delimiter.is_last) {
    if (parts.size() == kMostParts) refuse("expected at most {} parts, got more", kMostParts);
    const std::size_t begin = delimiter.end;
    // A part without headers begins with the empty line; it is refused because it has no name.
    const bool has_headers = !body.substr(begin).starts_with("\r\n");
    const std::size_t end = has_headers ? body.find("\r\n\r\n", begin) : begin;
    const std::size_t data = end + (has_headers ? 4 : 2);
    if (end == std::string_view::npos)
      refuse("the headers of part {} do not end", parts.size() + 1);
    if (end - begin > kMostHeaderBytes) {
      refuse("expected at most {} bytes of headers in a part, got {}", kMostHeaderBytes,
             end - begin);
    }
    Part part = parse_headers(has_headers ? body.substr(begin, end + 2 - begin) : "");
    // In an empty part, the line break before the delimiter is the one that ends the headers.
    delimiter = find_delimiter(body, boundary, data - 2);
    if (delimiter.begin == std::string_view::npos) {
      refuse("the part \"{}\" does not end: the body is truncated", part.name);
    }
    part.data = body.substr(data, std::max(delimiter.begin, data) - data);
    parts.push_back(std::move(part));
  }
  return parts;
}

const Part* find_part(const std::vector<Part>& parts, std::string_view name) {
  const Part* found = nullptr;
  for (const Part& part : parts) {
    if (part.name != name) continue;
    if (found != nullptr) refuse("it has the part \"{}\" more than once", name);
    found = &part;
  }
  return found;
}

void expect_parts(const std::vector<Part>& parts, const std::vector<std::string_view>& names) {
  for (const Part& part : parts) {
    if (std::find(names.begin(), names.end(), part.name) != names.end()) continue;
    refuse("there is no part \"{}\"{}", part.name.substr(0, 200), did_you_mean(part.name, names));
  }
}

}  // namespace semblance::service
