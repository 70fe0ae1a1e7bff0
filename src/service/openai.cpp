#include "service/openai.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/closest.h"
#include "image/utf8.h"
#include "service/openai_json.h"

namespace semblance::service {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view kIdentity = "identity";

std::string_view field_of(const Parameter& row) {
  return row.openai_name.empty() ? row.name : row.openai_name;
}

const std::vector<std::string_view>& fields() {
  static const std::vector<std::string_view> all = [] {
    std::vector<std::string_view> names = {
        "image", "image[]", "model", "response_format", "output_format", "output_compression",
        "background", "input_fidelity", "stream", "partial_images", "user", "safety_identifier",
        "moderation", "complexity", "mask", "markup", "frame_count", "frame_duration_ms",
        // Ours.
        "pose", kIdentity};
    JobRequest none;
    each_job_parameter(
        [&names](const Parameter& row, const auto&) { names.push_back(field_of(row)); }, none);
    return names;
  }();
  return all;
}

bool is_image_field(std::string_view name) {
  // Some clients number them: image[0], image[1], ...
  return name == "image" || (name.starts_with("image[") && name.ends_with("]") &&
                             name.substr(6, name.size() - 7).find_first_not_of("0123456789") ==
                                 std::string_view::npos);
}

std::string prompt_of(const Part& part) {
  if (part.name == "prompt" && part.data.empty())
    refuse_field(part.name, "it is empty; describe what the picture should show");
  check_prompt(part.name, part.data);
  if (!code_points(part.data)) refuse_field(part.name, "expected UTF-8 text");
  return std::string(part.data);
}

template <typename Number>
Number number_of(const Part& part, std::string_view rule) {
  Number value{};
  const char* end = part.data.data() + part.data.size();
  const auto result = std::from_chars(part.data.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end || part.data.empty()) {
    refuse_field(part.name, rule, part.data.empty() ? "nothing" : part.data);
  }
  return value;
}

int int_of(const Part& part) { return number_of<int>(part, "expected a whole number"); }

bool bool_of(const Part& part) {
  if (part.data == "true" || part.data == "True" || part.data == "1") return true;
  if (part.data == "false" || part.data == "False" || part.data == "0") return false;
  refuse_field(part.name, "expected true or false", part.data.empty() ? "nothing" : part.data);
}

std::string one_of(const Part& part, const std::vector<std::string_view>& words) {
  if (std::find(words.begin(), words.end(), part.data) != words.end())
    return std::string(part.data);
  std::string list;
  for (std::string_view word : words) list += (list.empty() ? "" : ", ") + std::string(word);
  refuse_field(part.name, "expected one of " + list, part.data.empty() ? "nothing" : part.data);
}

void read_size(const Part& part, JobRequest& settings) {
  if (part.data == "auto") return;
  const std::size_t cross = part.data.find('x');
  const auto side = [&](std::string_view text) {
    int value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || result.ec != std::errc() || result.ptr != text.data() + text.size()) {
      refuse_field(part.name, "expected auto or a size such as 1024x1024",
                   part.data.empty() ? "nothing" : part.data);
    }
    return value;
  };
  settings.width = side(part.data.substr(0, cross));
  settings.height = side(cross == std::string_view::npos ? "" : part.data.substr(cross + 1));
}

std::string text_of(Size size) { return fmt::format("{}x{}", size.w, size.h); }

OrderedJson usage() {
  // Nothing is charged by tokens here, but clients expect the fields.
  return {{"input_tokens", 0},
          {"input_tokens_details", {{"image_tokens", 0}, {"text_tokens", 0}}},
          {"output_tokens", 0},
          {"total_tokens", 0}};
}

/// `json` with the picture in its first b64_json, which is empty.
Body with_picture(const std::string& json, const Body& base64) {
  constexpr std::string_view kField = "\"b64_json\":\"";
  const std::size_t at = json.find(kField) + kField.size();
  Body body(json.substr(0, at));
  body += base64;
  body += json.substr(at);
  return body;
}

Body event(std::string_view name, const OrderedJson& data, const MadePicture& picture) {
  return with_picture(fmt::format("event: {}\ndata: {}\n\n", name, data.dump()), picture.base64);
}

OrderedJson picture_event(std::string_view type, const ImagesRequest& wanted,
                          const MadePicture& picture, std::int64_t created) {
  OrderedJson data;
  data["type"] = type;
  data["b64_json"] = "";  // filled by with_picture()
  data["created_at"] = created;
  data["size"] = text_of(picture.size);
  data["quality"] = "auto";
  data["background"] = "opaque";
  data["output_format"] = wanted.format;
  return data;
}

OrderedJson model_of(std::string_view model, std::int64_t created) {
  return {{"id", model}, {"object", "model"}, {"created", created}, {"owned_by", "semblance"}};
}

/// Warns of a field that changes nothing here.
void warn(ImagesRequest& wanted, const Part& part, std::string_view why) {
  wanted.warnings.push_back(fmt::format("{} has no effect: {}", part.name, why));
}

/// False if the field is not a parameter of the picture. check_settings() checks ranges.
bool read_parameter(const Part& part, JobRequest& settings) {
  bool is_known = false;
  const auto read = [&](const Parameter& row, auto& member) {
    if (part.name != field_of(row)) return;
    is_known = true;
    constexpr ParameterKind kind = kind_of<std::decay_t<decltype(member)>>();
    if constexpr (kind == ParameterKind::kText) {
      member = prompt_of(part);
    } else if constexpr (kind == ParameterKind::kList) {
      std::vector<std::string> texts;  // in a form the field may come several times
      if (!read_text(row, part.data, texts))
        refuse_value(part.name, expected(rule_of(row, kind, Asker::kService), part.data));
      member.insert(member.end(), texts.begin(), texts.end());
    } else if (!read_text(row, part.data, member)) {
      const std::string_view got = part.data.empty() ? "nothing" : part.data.substr(0, 100);
      refuse_value(part.name, expected(rule_of(row, kind, Asker::kService), got));
    }
  };
  if (part.name == "size") {
    read_size(part, settings);
    return true;
  }
  each_job_parameter(read, settings);
  return is_known;
}

/// OpenAI's words for our qualities, and those that leave it to the model.
bool read_quality(const Part& part, JobRequest& request) {
  if (part.name != "quality") return false;
  for (const auto& [theirs, ours] :
       {std::pair("low", "draft"), {"medium", "good"}, {"high", "best"}, {"hd", "best"}}) {
    if (part.data == theirs) request.quality = Choice(ours);
  }
  return request.quality || part.data == "auto" || part.data == "standard";
}

void read_field(const Part& part, ImagesRequest& wanted, std::string_view model) {
  const std::string& name = part.name;
  if (name == "style" && (part.data == "vivid" || part.data == "natural")) {
    warn(wanted, part, "styles here have other names");  // DALL-E's
    return;
  }
  if (read_quality(part, wanted.request) || read_parameter(part, wanted.request)) return;
  if (name == kIdentity) {
    if (part.data.empty()) refuse_field(name, "it is empty");
    wanted.request.identity = part.data;
  } else if (name == "stream") {
    wanted.stream = bool_of(part);
  } else if (name == "partial_images") {
    wanted.partial_images = int_of(part);
    if (wanted.partial_images < 0 || wanted.partial_images > 3) {
      refuse_field(name, "expected a whole number from 0 to 3", part.data);
    }
  } else if (name == "response_format") {
    wanted.wants_url = one_of(part, {"b64_json", "url"}) == "url";
  } else if (name == "output_format") {
    wanted.format = one_of(part, {"png", "jpeg", "webp"});
  } else if (name == "output_compression") {
    wanted.quality = int_of(part);
    if (wanted.quality < 0 || wanted.quality > 100) {
      refuse_field(name, "expected a whole number from 0 to 100", part.data);
    }
  } else if (name == "background") {
    one_of(part, {"auto", "opaque"});
  } else if (name == "model") {
    if (!part.data.empty() && part.data != model) {
      wanted.warnings.push_back(fmt::format("model has no effect: this service runs {}", model));
    }
  } else if (name == "input_fidelity") {
    warn(wanted, part, "set identity_strength and adapter_strength");
  } else if (name == "user" || name == "safety_identifier") {
    warn(wanted, part, "this service has no accounts");
  } else if (name == "moderation" || name == "complexity") {
    warn(wanted, part, "it is not supported");
  } else if (name == "mask" || name == "markup") {
    refuse_field(name, "parts of a picture cannot be edited; every picture is new");
  } else {
    refuse_field(name, "video is not supported");  // frame_count, frame_duration_ms
  }
}

/// A request without its pictures, and the parts that hold them.
struct Read {
  ImagesRequest wanted = {};
  const Part* photo = nullptr;  // null if a saved face takes its place
  const Part* pose = nullptr;
};

/// Checks combinations, once all fields are read. `parts`: the request's.
void check_images(const std::vector<Part>& parts, ImagesRequest& wanted) {
  if (find_part(parts, "prompt") == nullptr) refuse_field("prompt", "it is missing");
  if (wanted.stream && wanted.wants_url) {
    refuse_field("response_format", "a stream carries only b64_json", "url");
  }
  if (wanted.wants_url && wanted.format != "png") {
    refuse_field("output_format", "expected png with response_format=url", wanted.format);
  }
  if (wanted.partial_images > 0 && !wanted.stream) {
    wanted.warnings.emplace_back("partial_images has no effect without stream=true");
  }
  if (find_part(parts, "output_compression") != nullptr && wanted.format == "png") {
    wanted.warnings.emplace_back("output_compression has no effect: PNG is lossless");
  }
  check_settings(wanted.request, [](const Parameter& row) { return std::string(field_of(row)); });
}

/// Takes the pictures, of which the request calls those of its list `list`, and checks that there
/// is one face to keep.
void take_pictures(const std::vector<const Part*>& pictures, const std::string& list, Read& read) {
  JobRequest& request = read.wanted.request;
  const std::size_t count = pictures.size() + (read.pose != nullptr ? 1 : 0);
  if (count > 2) {
    refuse_field(list, "expected at most two, the photo and the pose",
                 fmt::format("{} images", count));
  }
  const bool has_identity = !request.identity.empty();
  if (has_identity && !pictures.empty())
    refuse_field(kIdentity, "a photo was sent, too; expected one of them");
  if (!has_identity && pictures.empty()) {
    if (read.wanted.kind == ImagesKind::kEdit)
      refuse_field(list, "it is missing: the photo of the face to keep");
    refuse_field(
        kIdentity,
        "it is missing: the name of a saved face, such as {\"identity\": \"anna\"}\n  save "
        "one with POST /api/identities, or send a photo as image");
  }
  request.photo.name = has_identity ? kIdentity : std::string_view(list);
  if (pictures.size() == 2) {
    read.pose = pictures[1];
    request.pose.name = list;
    read.wanted.warnings.emplace_back("the second image only gives the pose, not another face");
  }
  if (!pictures.empty()) read.photo = pictures[0];
  if (read.photo != nullptr && read.photo->data.empty()) refuse_field(list, "it is empty");
  if (read.pose != nullptr && read.pose->data.empty())
    refuse_field(request.pose.name, "it is empty");
}

/// `list`: the request's name for its pictures.
Read read_images(ImagesKind kind, const std::vector<Part>& parts, std::string_view model,
                 const std::string& list) {
  Read read{.wanted = {.kind = kind}};
  std::vector<const Part*> pictures;
  for (const Part& part : parts) {
    const bool is_svg = part.name == "svg" || part.name.starts_with("svg[");
    if (is_svg) refuse_field("svg", "SVG output is not supported");
    if (is_image_field(part.name)) {
      pictures.push_back(&part);
      continue;
    }
    if (std::ranges::find(fields(), part.name) == fields().end()) {
      refuse_field(part.name.substr(0, 100),
                   "there is no such field" + did_you_mean(part.name, fields()));
    }
    try {
      find_part(parts, part.name);  // throws if there are several
    } catch (const Error&) {
      refuse_field(part.name, "it was sent more than once");
    }
    if (part.name == "pose") {
      read.pose = &part;
    } else {
      read_field(part, read.wanted, model);
    }
  }
  take_pictures(pictures, list, read);
  check_images(parts, read.wanted);
  return read;
}

std::string event_name(const ImagesRequest& wanted, std::string_view what) {
  return fmt::format("{}.{}", wanted.kind == ImagesKind::kEdit ? "image_edit" : "image_generation",
                     what);
}

}  // namespace

ImagesRequest parse_images(ImagesKind kind, const std::vector<Part>& parts,
                           std::string_view model) {
  Read read = read_images(kind, parts, model, "image");
  if (read.photo != nullptr) read.wanted.request.photo.bytes = read.photo->data;
  if (read.pose != nullptr) read.wanted.request.pose.bytes = read.pose->data;
  return std::move(read.wanted);
}

ImagesRequest parse_images_json(ImagesKind kind, std::string_view body, std::string_view model) {
  JsonForm form(body);
  Read read = read_images(kind, form.parts(), model, std::string(JsonForm::kImages));
  if (read.photo != nullptr) read.wanted.request.photo.take(form.take(*read.photo));
  if (read.pose != nullptr) read.wanted.request.pose.take(form.take(*read.pose));
  return std::move(read.wanted);
}

ResponseFrame images_frame(const ImagesRequest& wanted, Size size, std::int64_t created) {
  OrderedJson response;
  response["created"] = created;
  response["background"] = "opaque";
  response["output_format"] = wanted.format;
  response["size"] = text_of(size);
  response["data"] = OrderedJson::array();
  response["usage"] = usage();
  if (!wanted.warnings.empty()) response["warnings"] = wanted.warnings;
  const std::string text = response.dump();
  constexpr std::string_view kData = "\"data\":[";
  const std::size_t at = text.find(kData) + kData.size();
  return {text.substr(0, at), text.substr(at)};
}

Body images_item(const ImagesRequest& wanted, const MadePicture& picture) {
  OrderedJson item;
  item[wanted.wants_url ? "url" : "b64_json"] = wanted.wants_url ? picture.url : "";
  item["seed"] = picture.seed;
  return wanted.wants_url ? Body(item.dump()) : with_picture(item.dump(), picture.base64);
}

Body partial_image_event(const ImagesRequest& wanted, const MadePicture& preview, int index,
                         std::int64_t created) {
  const std::string name = event_name(wanted, "partial_image");
  OrderedJson data = picture_event(name, wanted, preview, created);
  data["partial_image_index"] = index;
  return event(name, data, preview);
}

Body completed_event(const ImagesRequest& wanted, const MadePicture& picture,
                     std::int64_t created) {
  const std::string name = event_name(wanted, "completed");
  OrderedJson data = picture_event(name, wanted, picture, created);
  data["seed"] = picture.seed;
  data["usage"] = usage();
  if (!wanted.warnings.empty()) data["warnings"] = wanted.warnings;
  return event(name, data, picture);
}

std::string error_event(const HttpResponse& error) {
  return fmt::format("event: error\ndata: {}\n\n", error.body.whole());
}

std::vector<int> preview_steps(int partial_images, int steps) {
  std::vector<int> due;
  for (int i = 1; i <= partial_images; ++i) {
    const int step = steps * i / (partial_images + 1);
    if (step >= 1 && step < steps && (due.empty() || due.back() != step)) due.push_back(step);
  }
  return due;
}

std::string models_response(std::string_view model, std::int64_t created) {
  OrderedJson list;
  list["object"] = "list";
  list["data"] = OrderedJson::array({model_of(model, created)});
  return list.dump();
}

std::string model_response(std::string_view id, std::string_view model, std::int64_t created) {
  if (id != model) {
    throw HttpError(
        404, "model_not_found",
        fmt::format("cannot find the model {}: the only model is {}", id.substr(0, 100), model),
        "model");
  }
  return model_of(model, created).dump();
}

}  // namespace semblance::service
