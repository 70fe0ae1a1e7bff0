// The settings of a picture as a JSON object: "prompt" and any other parameters, named as in the
// table in pipeline/request.h. Used by the service and the C API.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "pipeline/request.h"

namespace semblance {

/// Invalid settings: an Error(kArgument) that names the offending key.
class SettingsError : public Error {
 public:
  SettingsError(std::string_view key, const std::string& text)
      : Error(ErrorKind::kArgument, text), key_(key) {}
  /// "settings" if no single key is to blame.
  const std::string& key() const { return key_; }

 private:
  std::string key_;
};

/// Sets `member` to a JSON value. False if the value is of another type, or not such a number.
bool read_json(const nlohmann::json& value, bool& member);
bool read_json(const nlohmann::json& value, int& member);
bool read_json(const nlohmann::json& value, float& member);
bool read_json(const nlohmann::json& value, double& member);
bool read_json(const nlohmann::json& value, std::uint64_t& member);
bool read_json(const nlohmann::json& value, std::vector<std::string>& member);

/// How many pictures: settings beside those of a picture.
struct PictureCounts {
  int count = 1;
  int best_of = 1;
};

/// null is the same as absent. `asker` selects the limits. If `counts` is null, its members are
/// unknown settings. Throws SettingsError for an unknown key, a value of the wrong type or out of
/// range, and a missing prompt.
Request read_settings(const nlohmann::json& value, Asker asker, PictureCounts* counts = nullptr);
/// The same from text. Uses at most three times the text's memory, whatever its content.
Request parse_settings(std::string_view text, Asker asker, PictureCounts* counts = nullptr);

}  // namespace semblance
