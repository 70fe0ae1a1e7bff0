#include "service/a1111_fields.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/ascii.h"
#include "core/closest.h"
#include "pipeline/request.h"
#include "service/settings.h"

namespace semblance::service {
namespace {

using nlohmann::json;

std::string joined(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

}  // namespace

std::string shown(const LongStringJson& whole, const json& value) {
  if (whole.is_long(value)) return "a long string";
  if (value.is_object() || value.is_array())
    return value.empty() ? value.dump() : value.is_object() ? "an object" : "a list";
  return value.dump(-1, ' ', true);  // ASCII, which can be cut anywhere
}

bool is_off(const json& value) {
  if (value.is_null()) return true;
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number()) return value.get<double>() <= 0;
  if (value.is_string()) {
    const std::string text = lower(value.get_ref<const std::string&>());
    return text.empty() || text == "none";
  }
  if (value.is_array()) return std::ranges::all_of(value, is_off);
  return value.empty();
}

void check_fields(const LongStringJson& json, const nlohmann::json& object, const std::string& path,
                  std::span<const Field> known, std::vector<std::string>& warnings) {
  for (const auto& [name, value] : object.items()) {
    if (value.is_null()) continue;
    const auto field = std::ranges::find(known, std::string_view(name), &Field::name);
    if (field == known.end()) {
      std::vector<std::string_view> names;
      for (const Field& f : known) names.push_back(f.name);
      refuse_field(joined(path, name.substr(0, 100)),
                   "there is no such field" + did_you_mean(name, names));
    }
    if (is_off(value)) continue;
    if (field->effect == Effect::kMustBeOff)
      refuse_field(joined(path, name), field->why, shown(json, value));
    if (field->effect == Effect::kWarned)
      warnings.push_back(fmt::format("{} has no effect: {}", joined(path, name), field->why));
  }
}

Fields::Fields(const LongStringJson& json, const nlohmann::json& object, std::string path)
    : json_(json), object_(object), path_(std::move(path)) {
  if (!object.is_object()) {
    refuse_field(path_.empty() ? "the request" : path_, "expected a JSON object",
                 shown(json, object));
  }
}

std::string Fields::path_of(std::string_view name) const { return joined(path_, name); }

const json* Fields::find(std::string_view name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void Fields::refuse(std::string_view name, std::string_view rule) const {
  const auto found = object_.find(name);
  refuse_field(path_of(name), rule, found == object_.end() ? std::string() : shown(json_, *found));
}

std::optional<double> Fields::number(std::string_view name) const {
  const json* const value = find(name);
  if (value == nullptr) return {};
  if (!value->is_number()) refuse(name, "expected a number");
  return value->get<double>();
}

std::optional<std::int64_t> Fields::whole(std::string_view name) const {
  const json* const value = find(name);
  if (value == nullptr) return {};
  constexpr double kMost = 9007199254740992;  // 2^53: larger doubles skip whole numbers
  constexpr std::string_view kRule = "expected a whole number of at most 53 bits";
  // 5.0 counts as a whole number: some languages write all numbers that way.
  const double number = value->is_number() ? value->get<double>() : NAN;
  if (!(std::abs(number) <= kMost) || number != std::floor(number)) refuse(name, kRule);
  return static_cast<std::int64_t>(number);
}

std::optional<bool> Fields::boolean(std::string_view name) const {
  const json* const value = find(name);
  if (value == nullptr) return {};
  if (!value->is_boolean()) refuse(name, "expected true or false");
  return value->get<bool>();
}

void Fields::read_parameters(std::string_view prefix, JobRequest& request) const {
  each_parameter(
      [&](const Parameter& row, auto& member) {
        constexpr ParameterKind kind = kind_of<std::decay_t<decltype(member)>>();
        if (!row.web_ui.starts_with(prefix)) return;
        const std::string_view name = row.web_ui.substr(prefix.size());
        const json* const value = find(name);
        if (value == nullptr || name.empty()) return;
        if constexpr (kind == ParameterKind::kText) {
          member = text(name).value();
        } else if constexpr (kind != ParameterKind::kSeed && kind != ParameterKind::kChoice) {
          read_parameter(row, path_of(name), *value, shown(json_, *value), member);
        }
      },
      request);
}

std::optional<std::string> Fields::text(std::string_view name) const {
  const json* const value = find(name);
  if (value == nullptr) return {};
  if (!value->is_string()) refuse(name, "expected a string");
  std::string text;
  if (json_.is_long(*value)) {
    // JSON needs at most six bytes for a byte of text.
    auto found = json_.long_text(*value, 6 * kMostPromptBytes);
    if (!found) refuse(name, fmt::format("expected text of at most {} bytes", kMostPromptBytes));
    text = std::move(*found);
  } else {
    text = value->get<std::string>();
  }
  check_prompt(path_of(name), text);
  return text;
}

}  // namespace semblance::service
