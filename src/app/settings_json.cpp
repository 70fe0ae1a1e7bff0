#include "app/settings_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/closest.h"

namespace semblance {
namespace {

using nlohmann::json;

constexpr std::size_t kShownBytes = 60;

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > kShownBytes ? text.substr(0, kShownBytes - 3) + "..." : text;
}

[[noreturn]] void refuse(const Parameter& row, std::string_view problem) {
  throw SettingsError(row.name, fmt::format("cannot take {}: {}", row.name, problem));
}

[[noreturn]] void refuse_all(const std::string& why) { throw SettingsError("settings", why); }

/// each_parameter() with the row of the count, where there is one.
template <typename F>
void each_setting(F&& f, Request& request, int* count) {
  each_parameter(f, request);
  if (count != nullptr) f(parameters::kCount, *count);
}

/// The value of a JSON value; none where it is of another kind, or of no such number.
template <typename T>
std::optional<T> value_in(const json& value) {
  constexpr ParameterKind kind = kind_of<T>();
  if constexpr (kind == ParameterKind::kSwitch) {
    if (value.is_boolean()) return value.get<bool>();
  } else if constexpr (kind == ParameterKind::kSeed) {
    if (value.is_number_unsigned()) return value.get<T>();
  } else if constexpr (kind == ParameterKind::kNumber) {
    if (value.is_number()) return value.get<T>();
  } else if constexpr (kind == ParameterKind::kWhole) {
    constexpr double kMost = 1e9;
    const double number = value.is_number() ? value.get<double>() : NAN;
    // 5.0 is a whole number, too, as some languages write them all.
    if (std::abs(number) <= kMost && number == std::floor(number)) return static_cast<T>(number);
  }
  return std::nullopt;
}

template <typename T>
void read_value(const Parameter& row, const json& value, Asker asker, T& member) {
  constexpr ParameterKind kind = kind_of<T>();
  const auto wrong_kind = [&] { refuse(row, expected(rule_of(row, kind, asker), shown(value))); };
  if constexpr (kind == ParameterKind::kText) {
    if (!value.is_string()) wrong_kind();
    const auto& text = value.get_ref<const std::string&>();
    // Before it is copied.
    if (const auto problem = text_problem(row, text)) refuse(row, *problem);
    member = text;
  } else if constexpr (kind == ParameterKind::kChoice) {
    if (!value.is_string()) wrong_kind();
    read_text(row, value.get_ref<const std::string&>(), member);
    if (const auto problem = problem_of(row, member)) refuse(row, *problem);
  } else {
    const auto read = value_in<PlainOf<T>>(value);
    if (!read) wrong_kind();
    if (const auto problem = problem_of(row, *read, asker)) refuse(row, *problem);
    member = *read;
  }
}

/// Throws unless there is such a setting.
void check_name(const std::string& name, bool with_count) {
  std::vector<std::string_view> known;
  Request none;
  int count = 0;
  each_setting([&](const Parameter& row, const auto&) { known.push_back(row.name); }, none,
               with_count ? &count : nullptr);
  if (std::ranges::find(known, name) != known.end()) return;
  const std::string start = name.substr(0, kShownBytes);
  throw SettingsError(name.empty() ? "settings" : start,
                      fmt::format("there is no setting '{}'{}", start, did_you_mean(name, known)));
}

/// An unknown key ends it, and what lies inside a list or another object is dropped, since no
/// setting is one.
json parse_flat(std::string_view text, bool with_count) {
  static constexpr int kMostDepth = 64;
  const json::parser_callback_t keep = [&](int depth, json::parse_event_t event, json& value) {
    if (depth == 0 && event == json::parse_event_t::array_start)
      refuse_all("the settings must be a JSON object, not a list");
    if (depth > kMostDepth)
      refuse_all(fmt::format("the settings are nested more than {} deep", kMostDepth));
    if (depth == 1 && event == json::parse_event_t::key)
      check_name(value.get_ref<std::string&>(), with_count);
    return depth <= 1;
  };
  try {
    return json::parse(text.begin(), text.end(), keep);
  } catch (const json::parse_error& error) {
    refuse_all(fmt::format("cannot read the settings: they must be JSON, and are not at byte {}",
                           error.byte));
  } catch (const json::exception&) {
    refuse_all("cannot read the settings: they hold a number that is too large");
  }
}

}  // namespace

Request read_settings(const json& value, Asker asker, int* count) {
  if (!value.is_object()) refuse_all("the settings must be a JSON object");
  for (const auto& [name, field] : value.items()) check_name(name, count != nullptr);
  Request request;
  each_setting(
      [&](const Parameter& row, auto& member) {
        const auto field = value.find(row.name);
        const bool is_given = field != value.end() && !field->is_null();
        if (is_given) read_value(row, *field, asker, member);
        if (!is_given && row.is_required) refuse(row, "it is missing");
      },
      request, count);
  if ((request.width == 0) != (request.height == 0)) {
    const Parameter& missing = request.width == 0 ? parameters::kWidth : parameters::kHeight;
    throw SettingsError(missing.name, "width and height come both or not at all");
  }
  const auto problem =
      pair_problem(request, [](const Parameter& row) { return std::string(row.name); });
  if (problem) refuse(*problem->row, problem->text);
  return request;
}

Request parse_settings(std::string_view text, Asker asker, int* count) {
  return read_settings(parse_flat(text, count != nullptr), asker, count);
}

}  // namespace semblance
