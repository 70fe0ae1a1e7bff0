#include "service/openai_json.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "pipeline/request.h"
#include "service/job_request.h"

namespace semblance::service {
namespace {

constexpr std::string_view kPictureRule =
    "expected an image in base64, such as data:image/png;base64,...";

/// The text of a short or a long string.
std::string text_in(const LongStringJson& json, const std::string& name,
                    const nlohmann::json& value) {
  if (!json.is_long(value)) return value.get<std::string>();
  // JSON needs at most six bytes for a byte of text.
  auto text = json.long_text(value, 6 * kMostPromptBytes);
  if (!text) {
    refuse_field(name, fmt::format("expected text of at most {} bytes", kMostPromptBytes),
                 "a long string");
  }
  return std::move(*text);
}

/// Whether the field is a parameter that is a list of texts.
bool is_list_field(std::string_view name) {
  bool is_list = false;
  const JobRequest none;
  each_job_parameter(
      [&](const Parameter& row, const auto& member) {
        if (kind_of<std::decay_t<decltype(member)>>() == ParameterKind::kList && row.name == name)
          is_list = true;
      },
      none);
  return is_list;
}

}  // namespace

void JsonForm::put(std::string_view name, std::string data) {
  values_.push_back(std::move(data));
  Part part;
  part.name = name;
  part.data = values_.back();
  parts_.push_back(std::move(part));
}

void JsonForm::add_picture(const LongStringJson& json, const std::string& path,
                           std::string_view name, const nlohmann::json& value) {
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) {
      if (item.is_null() || key == "image_url") continue;
      const std::string field = fmt::format("{}.{}", path, key.substr(0, 100));
      if (key == "file_id") refuse_field(field, "files are not supported; send image_url");
      refuse_field(field, "there is no such field; an image has image_url");
    }
    const auto url = value.find("image_url");
    if (url == value.end() || !url->is_string()) refuse_field(path + ".image_url", kPictureRule);
    return add_picture(json, path + ".image_url", name, *url);
  }
  if (value.is_string() && !json.is_long(value)) {
    const auto& text = value.get_ref<const std::string&>();
    if (text.starts_with("http://") || text.starts_with("https://")) {
      refuse_field(path, "URLs are not fetched: " + std::string(kPictureRule), text);
    }
  }
  auto bytes = json.base64_in(value);
  if (!bytes) refuse_field(path, kPictureRule);
  put(name, std::move(*bytes));
}

void JsonForm::add_pictures(const LongStringJson& json, const std::string& path,
                            const nlohmann::json& value) {
  if (!value.is_array()) return add_picture(json, path, "image", value);
  for (std::size_t i = 0; i < value.size(); ++i)
    add_picture(json, fmt::format("{}[{}]", path, i), "image", value[i]);
}

void JsonForm::add(const LongStringJson& json, const std::string& name,
                   const nlohmann::json& value) {
  if (name == kImages || name == "image") {
    add_pictures(json, name, value);
  } else if (name == "pose") {
    add_picture(json, name, name, value);
  } else if (name == "mask") {
    put(name, {});  // always refused
  } else if (value.is_string()) {
    put(name, text_in(json, name, value));
  } else if (value.is_number() || value.is_boolean() || (value.is_array() && is_list_field(name))) {
    put(name, value.dump());
  } else {
    refuse_field(name.substr(0, 100), "expected a string, a number, true or false");
  }
}

JsonForm::JsonForm(std::string_view body) {
  const LongStringJson json(body);
  if (!json.value().is_object()) refuse_field("the request", "expected a JSON object");
  for (const auto& [name, value] : json.value().items()) {
    if (!value.is_null()) add(json, name, value);
  }
}

std::string JsonForm::take(const Part& part) {
  for (std::string& value : values_) {
    if (value.data() == part.data.data()) return std::move(value);
  }
  return std::string(part.data);
}

}  // namespace semblance::service
