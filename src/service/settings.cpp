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

template <typename T>
void read_value(const Parameter& row, const json& value, T& member) {
  if constexpr (kind_of<T>() != ParameterKind::kText) {
    read_parameter(row, row.name, value, shown(value), member);
  } else {
    if (!value.is_string()) {
      refuse_value(row.name,
                   expected(rule_of(row, ParameterKind::kText, Asker::kService), shown(value)));
    }
    const auto& text = value.get_ref<const std::string&>();
    check_prompt(row.name, text);
    member = text;
  }
}

/// Throws unless a setting has this name.
void check_name(const std::string& name) {
  std::vector<std::string_view> known;
  JobRequest none;
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

bool read_json(const json& value, bool& member) {
  if (value.is_boolean()) member = value.get<bool>();
  return value.is_boolean();
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

JobRequest read_settings(const json& value) {
  if (!value.is_object()) throw no_settings("the settings must be a JSON object");
  JobRequest settings;
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

JobRequest parse_settings(std::string_view text) {
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

json to_json(const JobRequest& settings) {
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

Request request_of(const JobRequest& settings, double native_guidance) {
  Request request = settings;
  if (!request.guidance) request.guidance = static_cast<float>(native_guidance);
  return request;
}

Size size_of(const JobRequest& settings, Size frame, int native_side) {
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
