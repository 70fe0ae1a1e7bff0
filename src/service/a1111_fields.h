// The fields of the AUTOMATIC1111 API's objects, and how each is handled. What would change the
// picture is refused by name; what only concerns that program is ignored.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "service/job_request.h"
#include "service/long_strings.h"

namespace semblance::service {

enum class Effect {
  kTaken,      // read by the owner of the table
  kNone,       // any value is ignored: it belongs to a feature that is off, or to that program
  kMustBeOff,  // refused unless is_off()
  kWarned,     // a warning unless is_off()
};
inline constexpr auto kOff = Effect::kMustBeOff;

struct Field {
  std::string_view name;
  Effect effect = Effect::kTaken;
  std::string_view why = {};  // for a refusal or warning
};

/// How pipeline/hires.h enlarges a picture.
inline constexpr std::string_view kUpscaler = "Lanczos";

inline constexpr std::string_view kNoMasks = "masks are not supported";
inline constexpr std::string_view kNoPaths = "paths in requests are never read or written";

/// True for null, false, 0 and below, "", "None", {}, and lists of only these.
bool is_off(const nlohmann::json& value);

/// A value as shown in errors.
std::string shown(const LongStringJson& whole, const nlohmann::json& value);

/// Refuses fields that are not in `known`, unless they are null, and fields that must be off.
/// `path`: the object's, "" for the body.
void check_fields(const LongStringJson& json, const nlohmann::json& object, const std::string& path,
                  std::span<const Field> known, std::vector<std::string>& warnings);

/// Typed values of an object; null counts as absent.
class Fields {
 public:
  /// Throws HttpError 400 unless `object` is a JSON object. Both must outlive this.
  Fields(const LongStringJson& json, const nlohmann::json& object, std::string path);

  std::string path_of(std::string_view name) const;
  const nlohmann::json* find(std::string_view name) const;
  std::optional<double> number(std::string_view name) const;
  std::optional<std::int64_t> whole(std::string_view name) const;
  std::optional<bool> boolean(std::string_view name) const;
  /// Reads the body's parameters, or with "face." or "points." a unit's, as the parameters' table
  /// names them; those that are absent stay. Not the seed, which may be -1 here, and no choices,
  /// whose names are that program's own.
  void read_parameters(std::string_view prefix, JobRequest& request) const;
  /// Checked with check_prompt().
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
