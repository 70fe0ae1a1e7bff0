#include "service/settings.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "api/subject.h"
#include "core/closest.h"
#include "core/error.h"
#include "service/http.h"

namespace semblance::service {
namespace {

using nlohmann::json;

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

/// The C++ value of a JSON value; nothing if its type or number does not match T.
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
    // 5.0 counts as a whole number: some languages write all numbers that way.
    if (std::abs(number) <= kMost && number == std::floor(number)) return static_cast<T>(number);
  }
  return std::nullopt;
}

template <typename T>
void read_value(const Parameter& row, const json& value, T& member) {
  constexpr ParameterKind kind = kind_of<T>();
  const auto wrong_kind = [&] {
    refuse_value(row.name, expected(rule_of(row, kind, Asker::kService), shown(value)));
  };
  if constexpr (kind == ParameterKind::kText) {
    if (!value.is_string()) wrong_kind();
    const auto& text = value.get_ref<const std::string&>();
    check_prompt(row.name, text);
    member = text;
  } else {
    const auto read = value_in<PlainOf<T>>(value);
    if (!read) wrong_kind();
    if (const auto problem = problem_of(row, *read, Asker::kService))
      refuse_value(row.name, *problem);
    member = *read;
  }
}

/// Throws unless a setting has this name.
void check_name(const std::string& name) {
  std::vector<std::string_view> known;
  JobSettings none;
  each_job_parameter([&](const Parameter& row, const auto&) { known.push_back(row.name); }, none);
  if (std::ranges::find(known, name) != known.end()) return;
  throw HttpError(
      400, "argument",
      fmt::format("there is no setting '{}'{}", name.substr(0, 60), did_you_mean(name, known)),
      name.empty() ? "settings" : name.substr(0, 60));
}

HttpError no_settings(const std::string& why) { return {400, "argument", why, "settings"}; }

/// Uses at most three times the text's memory, whatever the text is: an unknown key stops it, and
/// the contents of lists and objects are dropped, since no setting is one.
json parse_flat(std::string_view text) {
  static constexpr int kMostDepth = 64;
  const json::parser_callback_t keep = [](int depth, json::parse_event_t event, json& value) {
    if (depth == 0 && event == json::parse_event_t::array_start)
      throw no_settings("the settings must be a JSON object, not a list");
    if (depth > kMostDepth)
      throw no_settings(fmt::format("the settings are nested more than {} deep", kMostDepth));
    if (depth == 1 && event == json::parse_event_t::key) check_name(value.get_ref<std::string&>());
    return depth <= 1;
  };
  try {
    return json::parse(text.begin(), text.end(), keep);
  } catch (const json::parse_error& error) {
    throw no_settings(fmt::format("cannot read the settings: invalid JSON at byte {}", error.byte));
  } catch (const json::exception&) {
    throw no_settings("cannot read the settings: a number is too large");
  }
}

}  // namespace

JobSettings read_settings(const json& value) {
  if (!value.is_object()) throw no_settings("the settings must be a JSON object");
  JobSettings settings;
  for (const auto& [name, field] : value.items()) check_name(name);
  each_job_parameter(
      [&](const Parameter& row, auto& member) {
        const auto field = value.find(row.name);
        const bool is_given = field != value.end() && !field->is_null();
        if (is_given) read_value(row, *field, member);
        if (!is_given && row.is_required) refuse_value(row.name, "it is missing");
      },
      settings);
  if ((settings.width == 0) != (settings.height == 0)) {
    throw HttpError(400, "argument", "expected both width and height, or neither",
                    settings.width == 0 ? "width" : "height");
  }
  check_settings(settings);
  return settings;
}

JobSettings parse_settings(std::string_view text) {
  // Two prompts with each byte written as \u0001, and the other settings.
  constexpr std::size_t kLimitBytes = 2 * 6 * kMostPromptBytes + (std::size_t{16} << 10U);
  if (text.size() > kLimitBytes) {
    throw HttpError(
        413, "too_large",
        fmt::format("expected settings of at most {} bytes, got {}", kLimitBytes, text.size()),
        "settings");
  }
  return read_settings(parse_flat(text));
}

json to_json(const JobSettings& settings) {
  json all = json::object();
  each_job_parameter(
      [&all](const Parameter& row, const auto& member) {
        using T = std::decay_t<decltype(member)>;
        const std::optional<PlainOf<T>> value = member;
        json& place = all[std::string(row.name)];
        if (!value || (row.zero_is_absent && *value == PlainOf<T>{})) return;
        if constexpr (std::is_same_v<PlainOf<T>, float>) {
          place = as_written(*value);
        } else {
          place = *value;
        }
      },
      settings);
  return all;
}

Request request_of(const JobSettings& settings, double native_guidance) {
  Request request = settings;
  if (!request.guidance) request.guidance = static_cast<float>(native_guidance);
  return request;
}

Size size_of(const JobSettings& settings, Size frame, int native_side) {
  SizeChoice choice;
  if (settings.width != 0) choice = {SizeRule::kFixed, {settings.width, settings.height}};
  const Size size = picture_size(choice, frame, native_side);
  const int most = most_of_job(parameters::kWidth);
  if (std::max(size.w, size.h) > most) {
    fail(ErrorKind::kArgument,
         "cannot make a picture of {}x{}, the photo's shape: a side is at most {}\n  set width and "
         "height",
         size.w, size.h, most);
  }
  return size;
}

}  // namespace semblance::service
