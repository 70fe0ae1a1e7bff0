#include "service/parameters_json.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "service/job.h"
#include "service/settings.h"

namespace semblance::service {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// 100, not 100.0.
OrderedJson number(double value) {
  if (value == std::floor(value)) return static_cast<std::int64_t>(value);
  return value;
}

constexpr std::string_view type_of(ParameterKind kind) {
  constexpr std::array<std::string_view, 7> kTypes{"string",  "integer", "number", "integer",
                                                   "boolean", "array",   "string"};
  return kTypes[static_cast<std::size_t>(kind)];
}

constexpr std::string_view name_of(ParameterKind kind) {
  constexpr std::array<std::string_view, 7> kNames{"text",   "whole", "number", "seed",
                                                   "switch", "list",  "choice"};
  return kNames[static_cast<std::size_t>(kind)];
}

/// The range in JSON Schema's terms.
OrderedJson limits_of(const Parameter& row, ParameterKind kind) {
  const double most = most_of(row, Asker::kService);
  switch (kind) {
    case ParameterKind::kText:
      return {{"maxLength", number(most)}};
    case ParameterKind::kList:
      return {{"maxItems", number(most)}, {"items", {{"type", "string"}}}};
    case ParameterKind::kSwitch:
      return OrderedJson::object();
    case ParameterKind::kSeed:
      return {{"minimum", 0}};
    case ParameterKind::kChoice: {
      if (row.choices.others != nullptr) return OrderedJson::object();
      OrderedJson names = OrderedJson::array();
      for (const ChoiceName& choice : row.choices.all()) names.push_back(choice.name);
      return {{"enum", std::move(names)}};
    }
    case ParameterKind::kWhole:
    case ParameterKind::kNumber:
      break;
  }
  OrderedJson limits{{"minimum", number(row.least)}, {"maximum", number(most)}};
  if (row.multiple_of > 1) limits["multipleOf"] = row.multiple_of;
  return limits;
}

std::string description_of(const Parameter& row, ParameterKind kind) {
  std::string text(row.help.english);
  if (kind == ParameterKind::kText) {
    text += fmt::format(" At most {} bytes as UTF-8; lists and events show its first {}.", row.most,
                        kShortPromptBytes);
  }
  if (row.choices.others != nullptr)
    text += fmt::format(" Expected {}.", rule_of(row, ParameterKind::kChoice));
  if (row.unit == "pixels") text += fmt::format(" In {}.", row.unit);
  if (!row.absent.english.empty()) text += fmt::format(" Absent: {}.", row.absent.english);
  if (row.service.most > 0) text += fmt::format(" {}", row.service.reason.english);
  return text;
}

OrderedJson default_of(const Parameter& row) {
  const nlohmann::json defaults = to_json(JobRequest{});
  return row.is_required ? OrderedJson() : OrderedJson(defaults.at(std::string(row.name)));
}

OrderedJson schema_of(const Parameter& row, ParameterKind kind) {
  OrderedJson schema{{"type", type_of(kind)}, {"description", description_of(row, kind)}};
  schema.update(limits_of(row, kind));
  if (OrderedJson usual = default_of(row); !usual.is_null()) schema["default"] = std::move(usual);
  return schema;
}

template <typename F>
void each_row(F&& f) {
  const JobRequest none;
  each_job_parameter(
      [&f](const Parameter& row, const auto& member) {
        using T = std::decay_t<decltype(member)>;
        f(row, kind_of<T>(), kIsOptional<T> || row.zero_is_absent);
      },
      none);
}

/// Parameters without a default may be null.
OrderedJson settings_properties() {
  OrderedJson properties = OrderedJson::object();
  each_row([&](const Parameter& row, ParameterKind kind, bool may_be_null) {
    OrderedJson schema = schema_of(row, kind);
    if (may_be_null) schema = {{"oneOf", {std::move(schema), {{"type", "null"}}}}};
    properties[std::string(row.name)] = std::move(schema);
  });
  return properties;
}

/// "size" stands for both width and height; the document itself describes it.
void put_openai_fields(OrderedJson& properties) {
  each_row([&](const Parameter& row, ParameterKind kind, bool) {
    if (row.openai_name == "size") return;
    const std::string_view name = row.openai_name.empty() ? row.name : row.openai_name;
    properties[std::string(name)].update(schema_of(row, kind));
  });
}

void put_web_ui_limits(OrderedJson& body) {
  OrderedJson& unit =
      body.at("alwayson_scripts").at("properties").at("controlnet").at("properties");
  OrderedJson& unit_fields = unit.at("args").at("items").at("properties");
  each_row([&](const Parameter& row, ParameterKind kind, bool) {
    // That program's names for samplers are its own.
    if (row.web_ui.empty() || kind == ParameterKind::kSeed || kind == ParameterKind::kChoice)
      return;
    const std::size_t dot = row.web_ui.find('.');
    const bool of_unit = dot != std::string_view::npos;
    const std::string name(of_unit ? row.web_ui.substr(dot + 1) : row.web_ui);
    (of_unit ? unit_fields : body).at(name).update(limits_of(row, kind));
  });
  body.at("batch_size").update(limits_of(parameters::kCount, ParameterKind::kWhole));
}

OrderedJson by_language(const Words& words) {
  return {{"en", words.english}, {"es", words.spanish}};
}

std::string_view name_of(PagePlace place) {
  switch (place) {
    case PagePlace::kDials:
      return "dials";
    case PagePlace::kFiner:
      return "finer";
    case PagePlace::kInitial:
      return "initial";
    case PagePlace::kMask:
      return "mask";
    case PagePlace::kNone:
    case PagePlace::kOwnField:
      break;
  }
  return "";
}

OrderedJson for_the_page(const Parameter& row, ParameterKind kind) {
  OrderedJson entry{{"name", row.name},
                    {"kind", name_of(kind)},
                    {"title", by_language(row.title)},
                    {"help", by_language(row.help)},
                    {"default", default_of(row)}};
  const bool has_range = kind != ParameterKind::kSwitch && kind != ParameterKind::kSeed &&
                         kind != ParameterKind::kList && kind != ParameterKind::kChoice;
  if (kind == ParameterKind::kChoice) {
    OrderedJson& list = entry["choices"] = OrderedJson::array();
    for (const ChoiceName& choice : row.choices.all())
      list.push_back({{"name", choice.name}, {"title", choice.title}});
    if (!row.absent.english.empty()) entry["absent"] = by_language(row.absent);
  } else if (kind == ParameterKind::kList) {
    entry["most"] = number(most_of(row, Asker::kService));
  } else if (has_range) {
    entry["least"] = number(row.least);
    entry["most"] = number(most_of(row, Asker::kService));
    entry["multiple_of"] = row.multiple_of;
  }
  if (row.page.place == PagePlace::kOwnField) return entry;
  entry["place"] = name_of(row.page.place);
  if (kind == ParameterKind::kChoice) return entry;
  if (kind == ParameterKind::kSwitch) {
    entry["start"] = row.page.start ? *row.page.start != 0 : entry["default"].get<bool>();
    return entry;
  }
  entry["from"] = number(row.page.from);
  entry["to"] = number(row.page.to);
  entry["step"] = number(row.page.step);
  if (row.page.start) entry["start"] = number(*row.page.start);
  return entry;
}

}  // namespace

std::string parameters_json() {
  OrderedJson list = OrderedJson::array();
  for (const FlagGroup group :
       {FlagGroup::kPerson, FlagGroup::kPicture, FlagGroup::kInpaint, FlagGroup::kAdvanced}) {
    each_row([&](const Parameter& row, ParameterKind kind, bool) {
      if (row.flag == group && row.page.place != PagePlace::kNone)
        list.push_back(for_the_page(row, kind));
    });
  }
  return list.dump();
}

std::string with_parameters(std::string_view document) {
  OrderedJson api = OrderedJson::parse(document);
  api.at("components").at("schemas").at("Settings")["properties"] = settings_properties();
  const auto body_of = [&api](const char* path, const char* type) -> OrderedJson& {
    OrderedJson& body = api.at("paths").at(path).at("post").at("requestBody").at("content");
    return body.at(type).at("schema").at("properties");
  };
  put_openai_fields(body_of("/v1/images/edits", "multipart/form-data"));
  put_openai_fields(body_of("/v1/images/edits", "application/json"));
  put_openai_fields(body_of("/v1/images/generations", "application/json"));
  put_web_ui_limits(body_of("/sdapi/v1/txt2img", "application/json"));
  return api.dump();
}

}  // namespace semblance::service
