// The settings of a picture as JSON: an object with "prompt" and any other parameter, by the names
// of the table in pipeline/request.h. The service and the C API read them here.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/error.h"
#include "pipeline/request.h"

namespace semblance {

/// Settings that no picture can have: an Error(kArgument) that knows which key is to blame.
class SettingsError : public Error {
 public:
  SettingsError(std::string_view key, const std::string& text)
      : Error(ErrorKind::kArgument, text), key_(key) {}
  /// "settings" where it is no single key.
  const std::string& key() const { return key_; }

 private:
  std::string key_;
};

/// null is the same as absent. `asker` says whose limits hold. `count` takes the number of
/// pictures; without it there is no such setting. Throws SettingsError for an unknown key, a value
/// of a wrong type or out of its range, a missing prompt.
Request read_settings(const nlohmann::json& value, Asker asker, int* count = nullptr);
/// The same from text. Takes at most three times the text's memory, whatever it holds.
Request parse_settings(std::string_view text, Asker asker, int* count = nullptr);

}  // namespace semblance
