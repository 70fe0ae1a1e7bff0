#include "app/settings_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/closest.h"
#include "core/short_text.h"

namespace semblance {
namespace {

using nlohmann::json;

constexpr std::size_t kShownBytes = 60;

std::string shown_json(const json& value) {
  return short_text(value.dump(-1, ' ', false, json::error_handler_t::replace), kShownBytes);
}

[[noreturn]] void refuse(const Parameter& row, std::string_view problem) {
  throw SettingsError(row.name, fmt::format("cannot take {}: {}", row.name, problem));
}

[[noreturn]] void refuse_all(const std::string& why) { throw SettingsError("settings", why); }

/// each_parameter(), plus the rows of the counts if there are any.
template <typename F>
void each_setting(F&& f, Request& request, PictureCounts* counts) {
  each_parameter(f, request);
  if (counts == nullptr) return;
  f(parameters::kCount, counts->count);
  f(parameters::kBestOf, counts->best_of);
}

template <typename T>
void read_value(const Parameter& row, const json& value, Asker asker, T& member) {
  constexpr ParameterKind kind = kind_of<T>();
  const auto wrong_kind = [&] {
    refuse(row, expected(rule_of(row, kind, asker), shown_json(value)));
  };
  if constexpr (kind == ParameterKind::kText) {
    if (!value.is_string()) wrong_kind();
    const auto& text = value.get_ref<const std::string&>();
    // Checked before it is copied.
    if (const auto problem = text_problem(row, text)) refuse(row, *problem);
    member = text;
  } else if constexpr (kind == ParameterKind::kChoice) {
    if (!value.is_string()) wrong_kind();
    read_text(row, value.get_ref<const std::string&>(), member);
    if (const auto problem = problem_of(row, member)) refuse(row, *problem);
  } else {
    PlainOf<T> read{};
    if (!read_json(value, read)) wrong_kind();
    if (const auto problem = problem_of(row, read, asker)) refuse(row, *problem);
    member = read;
  }
}

std::vector<std::string_view> setting_names(bool with_counts) {
  std::vector<std::string_view> names;
  Request none;
  PictureCounts counts;
  each_setting([&](const Parameter& row, const auto&) { names.push_back(row.name); }, none,
               with_counts ? &counts : nullptr);
  return names;
}

/// Throws if there is no such setting.
void check_name(const std::string& name, bool with_counts) {
  static const std::vector<std::string_view> all = setting_names(true);
  static const std::vector<std::string_view> without_counts = setting_names(false);
  const std::vector<std::string_view>& known = with_counts ? all : without_counts;
  if (std::ranges::find(known, name) != known.end()) return;
  const std::string start(whole_characters(name, kShownBytes));
  throw SettingsError(name.empty() ? "settings" : start,
                      fmt::format("there is no setting '{}'{}", start, did_you_mean(name, known)));
}

/// Throws at the first unknown key. Of nested lists and objects only the first few values are kept,
/// since some settings are lists of texts.
json parse_flat(std::string_view text, bool with_counts) {
  static constexpr int kMostDepth = 64;
  static constexpr int kMostKept = 5;  // a coordinate of a person's keypoint
  static constexpr int kMostNested = 1000;
  int nested = 0;
  const json::parser_callback_t keep = [&](int depth, json::parse_event_t event, json& value) {
    if (depth == 0 && event == json::parse_event_t::array_start)
      refuse_all("the settings must be a JSON object, not a list");
    if (depth > kMostDepth)
      refuse_all(fmt::format("the settings are nested more than {} deep", kMostDepth));
    if (depth == 1 && event == json::parse_event_t::key)
      check_name(value.get_ref<std::string&>(), with_counts);
    if (depth >= 2 && ++nested > kMostNested)
      refuse_all(fmt::format("the settings have lists of more than {} values", kMostNested));
    return depth <= kMostKept;
  };
  try {
    return json::parse(text.begin(), text.end(), keep);
  } catch (const json::parse_error& error) {
    refuse_all(fmt::format("cannot read the settings: invalid JSON at byte {}", error.byte));
  } catch (const json::exception&) {
    refuse_all("cannot read the settings: a number is too large");
  }
}

}  // namespace

bool read_json(const json& value, bool& member) {
  if (value.is_boolean()) member = value.get<bool>();
  return value.is_boolean();
}

bool read_json(const json& value, std::vector<std::string>& member) {
  // An object, a person for one, is its own text.
  const bool is_list = value.is_array() && std::ranges::all_of(value, [](const json& entry) {
                         return entry.is_string() || entry.is_object();
                       });
  if (!is_list) return false;
  for (const json& entry : value) {
    member.push_back(entry.is_string()
                         ? entry.get<std::string>()
                         : entry.dump(-1, ' ', false, json::error_handler_t::replace));
  }
  return true;
}

bool read_json(const json& value, std::uint64_t& member) {
  if (value.is_number_unsigned()) member = value.get<std::uint64_t>();
  return value.is_number_unsigned();
}

bool read_json(const json& value, float& member) {
  if (value.is_number()) member = value.get<float>();
  return value.is_number();
}

bool read_json(const json& value, double& member) {
  if (value.is_number()) member = value.get<double>();
  return value.is_number();
}

bool read_json(const json& value, int& member) {
  constexpr double kMost = 1e9;
  const double number = value.is_number() ? value.get<double>() : NAN;
  // 5.0 counts as a whole number: some languages write all numbers that way.
  const bool is_whole = std::abs(number) <= kMost && number == std::floor(number);
  if (is_whole) member = static_cast<int>(number);
  return is_whole;
}

Request read_settings(const json& value, Asker asker, PictureCounts* counts) {
  if (!value.is_object()) refuse_all("the settings must be a JSON object");
  for (const auto& [name, field] : value.items()) check_name(name, counts != nullptr);
  Request request;
  each_setting(
      [&](const Parameter& row, auto& member) {
        const auto field = value.find(row.name);
        const bool is_given = field != value.end() && !field->is_null();
        if (is_given) read_value(row, *field, asker, member);
        if (!is_given && row.is_required) refuse(row, "it is missing");
      },
      request, counts);
  if ((request.width == 0) != (request.height == 0)) {
    const Parameter& missing = request.width == 0 ? parameters::kWidth : parameters::kHeight;
    throw SettingsError(missing.name, "expected both width and height, or neither");
  }
  const auto problem = pair_problem(
      request, [](const Parameter& row) { return std::string(row.name); }, asker);
  if (problem) refuse(*problem->row, problem->text);
  return request;
}

Request parse_settings(std::string_view text, Asker asker, PictureCounts* counts) {
  return read_settings(parse_flat(text, counts != nullptr), asker, counts);
}

}  // namespace semblance
