// JSON with pictures in it, as base64. Its long strings stay where they are in the text instead of
// being copied, so that a body of 20 MiB takes 20 MiB and a picture's own bytes. What is left
// without them is small, whoever sent it.
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
  /// A string of more bytes than this is a long one.
  static constexpr std::size_t kLongBytes = std::size_t{16} << 10;
  /// The text may have this many bytes beside the long strings.
  static constexpr std::size_t kMostBytes = std::size_t{256} << 10;

  /// Keeps views into `text`. Throws Error(kArgument) for what is no JSON or deeper than Json
  /// takes, HttpError 413 for more than kMostBytes.
  explicit LongStringJson(std::string_view text);

  /// The JSON; in place of each long string stands a short one that only is_long() and base64_in()
  /// know what to do with.
  const nlohmann::json& value() const { return json_.value(); }
  bool is_long(const nlohmann::json& value) const;
  /// The bytes that a string, long or not, has as base64 (as from_base64() takes it); nothing for
  /// another value.
  std::optional<std::string> base64_in(const nlohmann::json& value) const;
  /// The text of a long string; nothing where it is no UTF-8, or has more than `most` bytes as it
  /// stands in the JSON.
  std::optional<std::string> long_text(const nlohmann::json& value, std::size_t most) const;

 private:
  static Json parse(std::string_view text, std::vector<std::string_view>& long_strings);
  std::optional<std::size_t> number_of(const nlohmann::json& value) const;

  std::vector<std::string_view> long_strings_;  // as they stand between their quotes
  Json json_;
};

}  // namespace semblance::service
