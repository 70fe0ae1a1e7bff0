#include "service/settings.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "api/subject.h"
#include "core/closest.h"
#include "core/error.h"
#include "service/http.h"

namespace semblance::service {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(std::string_view key, const std::string& rule, const json& value) {
  std::string came = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (came.size() > 60) came = came.substr(0, 57) + "...";
  throw HttpError(400, "argument", fmt::format("{} must be {}, {} came", key, rule, came), key);
}

std::string prompt(std::string_view key, const json& value) {
  if (!value.is_string()) refuse(key, "a text", value);
  check_prompt(key, value.get_ref<const std::string&>());
  return value.get<std::string>();
}

/// The ranges are check_settings()'s matter.
std::int64_t whole(std::string_view key, const json& value) {
  constexpr double kMost = 1e9;
  if (!value.is_number()) refuse(key, "a whole number", value);
  const double number = value.get<double>();
  // 5.0 is a whole number, too, as some languages write them all.
  if (!(std::abs(number) <= kMost) || number != std::floor(number))
    refuse(key, "a whole number", value);
  return static_cast<std::int64_t>(number);
}

double real(std::string_view key, const json& value) {
  if (!value.is_number()) refuse(key, "a number", value);
  return value.get<double>();
}

struct Key {
  std::string_view name;
  std::function<void(JobSettings&, std::string_view, const json&)> read;
};

template <typename T>
auto prompt_into(T JobSettings::*field) {
  return [field](JobSettings& s, std::string_view n, const json& v) { s.*field = prompt(n, v); };
}
template <typename T>
auto whole_into(T JobSettings::*field) {
  return [field](JobSettings& s, std::string_view n, const json& v) {
    s.*field = static_cast<int>(whole(n, v));
  };
}
/// 0 stands for an absent one in JobSettings, and so must not come.
auto side_into(int JobSettings::*field) {
  return [field](JobSettings& s, std::string_view n, const json& v) {
    const std::int64_t side = whole(n, v);
    if (side < kLeastSide) refuse(n, fmt::format("at least {}", kLeastSide), v);
    s.*field = static_cast<int>(side);
  };
}
template <typename Field>  // double, or std::optional of it
auto real_into(Field JobSettings::*field) {
  return [field](JobSettings& s, std::string_view n, const json& v) { s.*field = real(n, v); };
}

const std::vector<Key>& keys() {
  static const std::vector<Key> all{
      {"prompt", prompt_into(&JobSettings::prompt)},
      {"negative_prompt", prompt_into(&JobSettings::negative)},
      {"width", side_into(&JobSettings::width)},
      {"height", side_into(&JobSettings::height)},
      {"steps", whole_into(&JobSettings::steps)},
      {"guidance", real_into(&JobSettings::guidance)},
      {"identity_strength", real_into(&JobSettings::identity_strength)},
      {"adapter_strength", real_into(&JobSettings::adapter_strength)},
      {"identity_start", real_into(&JobSettings::identity_start)},
      {"identity_end", real_into(&JobSettings::identity_end)},
      {"seed",
       [](JobSettings& s, std::string_view n, const json& v) {
         if (!v.is_number_unsigned()) refuse(n, "a whole number of at least 0", v);
         s.seed = v.get<std::uint64_t>();
       }},
      {"count", whole_into(&JobSettings::count)},
      {"vae_tiling",
       [](JobSettings& s, std::string_view n, const json& v) {
         if (!v.is_boolean()) refuse(n, "true or false", v);
         s.vae_tiling = v.get<bool>();
       }},
  };
  return all;
}

const Key& key_of(const std::string& name) {
  const auto& all = keys();
  const auto key =
      std::find_if(all.begin(), all.end(), [&](const Key& k) { return k.name == name; });
  if (key != all.end()) return *key;
  std::vector<std::string_view> known;
  for (const Key& k : all) known.push_back(k.name);
  throw HttpError(
      400, "argument",
      fmt::format("there is no setting '{}'{}", name.substr(0, 60), did_you_mean(name, known)),
      name.empty() ? "settings" : name.substr(0, 60));
}

HttpError no_settings(const std::string& why) { return {400, "argument", why, "settings"}; }

/// Takes at most three times the text's memory, whatever it holds: an unknown key ends it, and what
/// lies inside a list or another object is dropped, since no setting is one.
json parse_flat(std::string_view text) {
  static constexpr int kMostDepth = 64;
  const json::parser_callback_t keep = [](int depth, json::parse_event_t event, json& value) {
    if (depth == 0 && event == json::parse_event_t::array_start)
      throw no_settings("the settings must be a JSON object, not a list");
    if (depth > kMostDepth)
      throw no_settings(fmt::format("the settings are nested more than {} deep", kMostDepth));
    if (depth == 1 && event == json::parse_event_t::key) key_of(value.get_ref<std::string&>());
    return depth <= 1;
  };
  try {
    return json::parse(text.begin(), text.end(), keep);
  } catch (const json::parse_error& error) {
    throw no_settings(fmt::format(
        "cannot read the settings: they must be JSON, and are not at byte {}", error.byte));
  } catch (const json::exception&) {
    throw no_settings("cannot read the settings: they hold a number that is too large");
  }
}

}  // namespace

JobSettings read_settings(const json& value) {
  if (!value.is_object()) throw no_settings("the settings must be a JSON object");
  JobSettings settings;
  for (const auto& [name, field] : value.items()) {
    const Key& key = key_of(name);
    if (!field.is_null()) key.read(settings, name, field);
  }
  if (!value.contains("prompt") || value["prompt"].is_null())
    throw HttpError(400, "argument", "a prompt is needed, which did not come", "prompt");
  if ((settings.width == 0) != (settings.height == 0)) {
    throw HttpError(400, "argument", "width and height come both or not at all",
                    settings.width == 0 ? "width" : "height");
  }
  check_settings(settings, {{"negative", "negative_prompt"}});
  return settings;
}

JobSettings parse_settings(std::string_view text) {
  // Two prompts with each of their bytes written as \u0001, and the rest.
  constexpr std::size_t kLimitBytes = 2 * 6 * kMostPromptBytes + (std::size_t{16} << 10U);
  if (text.size() > kLimitBytes) {
    throw HttpError(
        413, "too_large",
        fmt::format("the settings have {} bytes, {} are the most", text.size(), kLimitBytes),
        "settings");
  }
  return read_settings(parse_flat(text));
}

json to_json(const JobSettings& s) {
  json value{{"prompt", s.prompt},
             {"negative_prompt", nullptr},
             {"width", nullptr},
             {"height", nullptr},
             {"steps", s.steps},
             {"guidance", nullptr},
             {"identity_strength", s.identity_strength},
             {"adapter_strength", s.adapter_strength},
             {"identity_start", s.identity_start},
             {"identity_end", s.identity_end},
             {"seed", nullptr},
             {"count", s.count},
             {"vae_tiling", s.vae_tiling}};
  if (s.negative) value["negative_prompt"] = *s.negative;
  if (s.width > 0) value["width"] = s.width, value["height"] = s.height;
  if (s.guidance) value["guidance"] = *s.guidance;
  if (s.seed) value["seed"] = *s.seed;
  return value;
}

Request request_of(const JobSettings& s, double native_guidance) {
  return {.prompt = s.prompt,
          .negative = s.negative,
          .width = s.width,
          .height = s.height,
          .steps = s.steps,
          .guidance = static_cast<float>(s.guidance.value_or(native_guidance)),
          .identity_strength = static_cast<float>(s.identity_strength),
          .adapter_strength = static_cast<float>(s.adapter_strength),
          .identity_start = s.identity_start,
          .identity_end = s.identity_end,
          .seed = s.seed.value_or(0),
          .vae_tiling = s.vae_tiling};
}

Size size_of(const JobSettings& settings, Size frame, int native_side) {
  SizeChoice choice;
  if (settings.width != 0) choice = {SizeRule::kFixed, {settings.width, settings.height}};
  const Size size = picture_size(choice, frame, native_side);
  if (std::max(size.w, size.h) > kMostSide) {
    fail(
        ErrorKind::kArgument,
        "cannot make a picture of {}x{}, as the photo's shape has it: a side is at most {}\n  name "
        "width and height",
        size.w, size.h, kMostSide);
  }
  return size;
}

}  // namespace semblance::service
