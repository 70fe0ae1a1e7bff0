// JSON that contains pictures as base64. Its long strings are not copied but read in place, so that
// a body of 20 MiB takes 20 MiB plus a picture's own bytes. The rest of the JSON is small, whoever
// sent it.
// Not nlohmann's parser alone: it copies every string.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"

namespace semblance::service {

class LongStringJson {
 public:
  /// Strings of more bytes than this are long strings.
  static constexpr std::size_t kLongBytes = std::size_t{16} << 10;
  /// The most bytes of the text without the long strings.
  static constexpr std::size_t kMostBytes = std::size_t{256} << 10;

  /// Keeps views into `text`. Throws Error(kArgument) for malformed JSON or deeper nesting than
  /// Json accepts, HttpError 413 for more than kMostBytes.
  explicit LongStringJson(std::string_view text);

  /// The JSON, with each long string replaced by a short placeholder for is_long(), long_text() and
  /// base64_in().
  const nlohmann::json& value() const { return json_.value(); }
  bool is_long(const nlohmann::json& value) const;
  /// The decoded bytes of a base64 string, long or not; nothing if the value is not one.
  std::optional<std::string> base64_in(const nlohmann::json& value) const;
  /// The text of a long string; nothing if it is not UTF-8 or takes more than `most` bytes in the
  /// JSON.
  std::optional<std::string> long_text(const nlohmann::json& value, std::size_t most) const;

 private:
  static Json parse(std::string_view text, std::vector<std::string_view>& long_strings);
  std::optional<std::size_t> number_of(const nlohmann::json& value) const;

  std::vector<std::string_view> long_strings_;  // the text between their quotes
  Json json_;
};

}  // namespace semblance::service
