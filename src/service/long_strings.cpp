#include "service/long_strings.h"

#include <fmt/core.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "service/base64.h"
#include "service/http.h"

namespace semblance::service {
namespace {

/// The placeholder of a long string begins with this: U+FFFF, which is not a character. A request
/// that contains it refers to one of its own long strings, or to none.
constexpr std::string_view kMark = "\xEF\xBF\xBF";

/// Reads the characters of a JSON string one by one and resolves escapes. Base64 is ASCII; anything
/// else is kWrong.
class Characters {
 public:
  static constexpr int kEnd = -1;
  static constexpr int kWrong = -2;

  explicit Characters(std::string_view literal) : rest_(literal) {}

  int next() {
    if (rest_.empty()) return kEnd;
    const char c = take();
    if (c != '\\') return static_cast<unsigned char>(c) < 0x80 ? c : kWrong;
    if (rest_.empty()) return kWrong;
    switch (take()) {
      case '/':
        return '/';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 'u':
        return code();
      default:
        return kWrong;
    }
  }

 private:
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  int code() {
    int value = 0;
    if (rest_.size() < 4) return kWrong;
    const auto result = std::from_chars(rest_.data(), rest_.data() + 4, value, 16);
    if (result.ptr != rest_.data() + 4 || value < 0 || value >= 0x80) return kWrong;
    rest_.remove_prefix(4);
    return value;
  }

  std::string_view rest_;
};

/// from_base64() of the text between a JSON string's quotes, without copying it.
std::optional<std::string> from_base64_literal(std::string_view literal) {
  constexpr std::size_t kPieceBytes = 64 << 10;  // whole groups of four
  constexpr std::size_t kHeadBytes = 100;        // where from_base64() looks for ";base64,"
  Characters characters(literal);
  std::string bytes, piece;
  bytes.reserve(literal.size() / 4 * 3 + 3);
  piece.reserve(kPieceBytes);
  bool is_first = true, is_over = false;
  while (true) {
    const int c = characters.next();
    if (c == Characters::kWrong) return {};
    if (c != Characters::kEnd && c != '\n' && c != '\r') piece += static_cast<char>(c);
    if (is_first && piece.size() == kHeadBytes) {
      is_first = false;
      const std::size_t comma = piece.find(',');
      if (piece.starts_with("data:") && comma != std::string::npos) {
        if (!from_base64(piece.substr(0, comma + 1))) return {};
        piece.erase(0, comma + 1);
      }
    }
    if (piece.size() < kPieceBytes && c != Characters::kEnd) continue;
    if (is_over && !piece.empty()) return {};  // text after the padding
    const auto decoded = from_base64(piece);
    if (!decoded) return {};
    is_over = decoded->size() < piece.size() / 4 * 3;
    bytes += *decoded;
    piece.clear();
    if (c == Characters::kEnd) return bytes;
  }
}

}  // namespace

Json LongStringJson::parse(std::string_view text, std::vector<std::string_view>& long_strings) {
  std::string rest;  // the text with long strings replaced
  const auto keep = [&rest](std::string_view part) {
    if (rest.size() + part.size() > kMostBytes) {
      throw HttpError(
          413, "too_large",
          fmt::format("cannot take the request: expected at most {} bytes besides its pictures",
                      kMostBytes));
    }
    rest += part;
  };
  while (!text.empty()) {
    const std::size_t quote = text.find('"');
    keep(text.substr(0, quote));
    if (quote == std::string_view::npos) break;
    text.remove_prefix(quote + 1);
    std::size_t end = text.find_first_of("\"\\");
    while (end < text.size() && text[end] == '\\') end = text.find_first_of("\"\\", end + 2);
    if (end == std::string_view::npos) {
      fail(ErrorKind::kArgument,
           "cannot read the request: expected JSON, a string in it has no end");
    }
    const std::string_view string = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (string.size() > kLongBytes) {
      keep(fmt::format("\"{}{}\"", kMark, long_strings.size()));
      long_strings.push_back(string);
    } else {
      keep("\"");
      keep(string);
      keep("\"");
    }
  }
  try {
    return Json::parse(long_strings.empty() ? "the request" : "the request (without long strings)",
                       rest);
  } catch (const Error& error) {
    throw Error(ErrorKind::kArgument, error.what());
  }
}

LongStringJson::LongStringJson(std::string_view text) : json_(parse(text, long_strings_)) {}

std::optional<std::size_t> LongStringJson::number_of(const nlohmann::json& value) const {
  if (!value.is_string()) return {};
  std::string_view text = value.get_ref<const std::string&>();
  if (!text.starts_with(kMark)) return {};
  text.remove_prefix(kMark.size());
  std::size_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = result.ec == std::errc() && result.ptr == text.data() + text.size();
  if (!is_whole || number >= long_strings_.size()) return {};
  return number;
}

bool LongStringJson::is_long(const nlohmann::json& value) const {
  return number_of(value).has_value();
}

std::optional<std::string> LongStringJson::long_text(const nlohmann::json& value,
                                                     std::size_t most) const {
  const std::string_view literal = long_strings_.at(number_of(value).value());
  if (literal.size() > most) return {};
  const auto text = nlohmann::json::parse(fmt::format("\"{}\"", literal), nullptr, false);
  return text.is_string() ? std::optional(text.get<std::string>()) : std::nullopt;
}

std::optional<std::string> LongStringJson::base64_in(const nlohmann::json& value) const {
  if (!value.is_string()) return {};
  if (const auto number = number_of(value)) return from_base64_literal(long_strings_[*number]);
  return from_base64(value.get_ref<const std::string&>());
}

}  // namespace semblance::service
