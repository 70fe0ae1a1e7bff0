#include "service/target.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/percent.h"
#include "image/utf8.h"

namespace semblance::service {
namespace {

[[noreturn]] void refuse(std::string_view what, std::string_view rule, std::string_view got) {
  fail(ErrorKind::kArgument, "cannot read the request: the {} {}, got {}", what, rule,
       got.substr(0, 200));
}

std::string decoded(std::string_view text, std::string_view what) {
  auto bytes = percent_decoded(text);
  if (!bytes) refuse(what, "must have two hexadecimal digits after each %", text);
  if (!code_points(*bytes)) refuse(what, "must be UTF-8", text);
  return std::move(*bytes);
}

/// A name or value of the query, in which '+' is a space.
std::string decoded_word(std::string_view text) {
  std::string word(text);
  std::replace(word.begin(), word.end(), '+', ' ');
  return decoded(word, "query");
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

std::string decoded_path(std::string_view text) {
  if (!text.starts_with('/')) refuse("path", "must begin with /", text);
  std::string path = decoded(text, "path");
  if (has_control_character(path)) refuse("path", "must have no control characters", text);
  if (path.find('\\') != std::string::npos) refuse("path", "must have no backslash", text);
  if (std::count(path.begin(), path.end(), '/') != std::count(text.begin(), text.end(), '/')) {
    refuse("path", "must have no encoded slash", text);
  }
  std::string_view rest = std::string_view(path).substr(1);
  while (true) {
    const std::size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part == "." || part == "..") refuse("path", "must have no . or .. as a part", text);
    if (slash == std::string_view::npos) return path;
    rest.remove_prefix(slash + 1);
  }
}

}  // namespace

Target parse_target(std::string_view target) {
  if (has_control_character(target) || target.find_first_of(" #") != std::string_view::npos) {
    refuse("target", "must have no spaces, control characters or #", target);
  }
  Target parsed;
  const std::size_t mark = target.find('?');
  parsed.path = decoded_path(target.substr(0, mark));
  if (mark == std::string_view::npos) return parsed;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    std::string name = decoded_word(pair.substr(0, equals));
    std::string value = decoded_word(pair.substr(std::min(equals + 1, pair.size())));
    if ((name + value).find('\0') != std::string::npos) refuse("query", "must have no NUL", pair);
    parsed.query[std::move(name)] = std::move(value);
  }
  return parsed;
}

}  // namespace semblance::service
