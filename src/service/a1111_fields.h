// The fields of the AUTOMATIC1111 API's objects: which there are, and what each comes to here. What
// would have made another picture is refused by name; what concerns that program alone has no
// effect.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "service/long_strings.h"

namespace semblance::service {

enum class Effect {
  kTaken,      // read by whoever has the table
  kNone,       // any value: it shapes what is off here, or that program and not the picture
  kMustBeOff,  // refused unless is_off()
  kWarned,     // told of unless is_off()
};

struct Field {
  std::string_view name;
  Effect effect = Effect::kTaken;
  std::string_view why = {};  // of a refusal or warning
};

/// null, false, 0 and below, "", "None", {}, and lists of these alone.
bool is_off(const nlohmann::json& value);

/// A value as errors show it.
std::string shown(const LongStringJson& whole, const nlohmann::json& value);

/// Refuses fields that `known` has not unless they are null, and those that must be off. `path`: of
/// the object, "" for the body.
void check_fields(const LongStringJson& json, const nlohmann::json& object, const std::string& path,
                  std::span<const Field> known, std::vector<std::string>& warnings);

/// Typed values of an object; null is as absent.
class Fields {
 public:
  /// Throws HttpError 400 unless `object` is one. Both must outlive this.
  Fields(const LongStringJson& json, const nlohmann::json& object, std::string path);

  std::string path_of(std::string_view name) const;
  const nlohmann::json* find(std::string_view name) const;
  std::optional<double> number(std::string_view name) const;
  std::optional<std::int64_t> whole(std::string_view name) const;
  std::optional<bool> boolean(std::string_view name) const;
  /// As check_prompt() allows it.
  std::optional<std::string> text(std::string_view name) const;
  /// HttpError 400: "cannot take PATH.NAME: RULE, got VALUE".
  [[noreturn]] void refuse(std::string_view name, std::string_view rule) const;

 private:
  const LongStringJson& json_;
  const nlohmann::json& object_;
  std::string path_;
};

/// Refuses options of `wanted`, the object of `fields`, that would change the picture.
void check_options(const Fields& fields, const nlohmann::json& wanted, std::string_view model);

}  // namespace semblance::service
