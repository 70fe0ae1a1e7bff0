#include "service/a1111_units.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "app/web_ui.h"
#include "core/ascii.h"
#include "service/a1111_fields.h"
#include "service/job_request.h"

namespace semblance::service {
namespace {

using nlohmann::json;

constexpr std::string_view kScripts = "alwayson_scripts";
constexpr std::string_view kImageRule = "expected an image in base64";

constexpr std::string_view kFromPhoto = "the face is always read from the photo";
constexpr std::string_view kOnePhoto = "a unit has one photo";
constexpr std::string_view kControlNameRule =
    "expected the name of a ControlNet in the service's ControlNet folder";

constexpr auto kUnitFields = std::to_array<Field>({
    {"enabled"},
    {"module"},
    {"model"},
    {"weight"},
    {"image"},
    {"input_image"},
    {"resize_mode"},
    {"control_mode"},
    {"guidance"},
    {"guidance_start"},
    {"guidance_end"},
    {"mask", kOff, kNoMasks},
    {"mask_image", kOff, kNoMasks},
    {"effective_region_mask", kOff, kNoMasks},
    {"mask_image_fg", kOff, kNoMasks},
    {"image_fg", kOff, kNoMasks},
    {"advanced_weighting", kOff, "a unit has one weight for all layers"},
    {"ipadapter_input", kOff, kFromPhoto},
    {"generated_image", kOff, kFromPhoto},
    {"use_preview_as_input", kOff, kFromPhoto},
    {"guess_mode", kOff, "control_mode is always Balanced"},
    {"guessmode", kOff, "control_mode is always Balanced"},
    {"invert_image", kOff, "photos are never altered"},
    {"rgbbgr_mode", kOff, "photos are never altered"},
    {"loopback", kOff, "results are not fed back as photos"},
    {"batch_images", kOff, kOnePhoto},
    {"batch_image_files", kOff, kOnePhoto},
    {"batch_keyframe_idx", kOff, kOnePhoto},
    {"batch_modifiers", kOff, kOnePhoto},
    {"batch_input_gallery", kOff, kOnePhoto},
    {"batch_mask_gallery", kOff, kNoMasks},
    {"batch_image_dir", kOff, kNoPaths},
    {"batch_mask_dir", kOff, kNoPaths},
    {"output_dir", kOff, kNoPaths},
    {"animatediff_batch", kOff, "video is not supported"},
    {"save_detected_map", Effect::kWarned, "there is no detected map"},
    {"threshold_a"},
    {"threshold_b"},
    {"union_control_type"},
    {"inpaint_crop_input_image"},
    // For other preprocessors, a second pass, graphics memory and the user interface.
    {"processor_res", Effect::kNone},
    {"pixel_perfect", Effect::kNone},
    {"hr_option", Effect::kNone},
    {"pulid_mode", Effect::kNone},
    {"low_vram", Effect::kNone},
    {"lowvram", Effect::kNone},
    {"is_ui", Effect::kNone},
    {"input_mode", Effect::kNone},
});

using Kind = WebUiUnit;

Kind unit_kind(const Fields& unit) {
  Kind kind = Kind::kNone;
  for (std::string_view name : {"module", "model"}) {
    const Kind named = web_ui_unit(unit.text(name).value_or(""));
    if (kind != Kind::kNone && named != Kind::kNone && named != kind)
      unit.refuse(name,
                  "it contradicts the unit's module: one is for the face, one for keypoints or "
                  "another ControlNet");
    if (named != Kind::kNone) kind = named;
  }
  return kind;
}

bool is_nothing(const json& value) {
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty());
}

/// The string that holds the picture, in any of the forms that a unit's image may have; null if
/// there is none.
const json* string_of(const Fields& unit, std::string_view name, const json& value) {
  const auto without_mask = [&](const json& mask) {
    if (!is_nothing(mask)) refuse_field(unit.path_of(name) + ".mask", kNoMasks);
  };
  if (is_nothing(value)) return nullptr;
  if (value.is_string()) return &value;
  if (value.is_object()) {
    for (const auto& [key, item] : value.items()) {
      if (key == "mask") {
        without_mask(item);
      } else if (key != "image") {
        refuse_field(unit.path_of(name) + "." + key.substr(0, 100),
                     "there is no such field; an image has image and mask");
      }
    }
    const auto image = value.find("image");
    return image == value.end() ? nullptr : string_of(unit, name, *image);
  }
  if (!value.is_array()) unit.refuse(name, kImageRule);
  if (value.empty()) return nullptr;
  if (value.size() > 1 && value[0].is_object())
    unit.refuse(name, fmt::format("expected one photo, not {}", value.size()));
  if (value.size() > 2) unit.refuse(name, "expected a list of an image and its mask");
  if (value.size() == 2) without_mask(value[1]);
  return string_of(unit, name, value[0]);
}

/// Reads the unit's picture, if it has one, and the path of its field.
void read_picture(const LongStringJson& json, const Fields& unit, Photo& photo) {
  for (std::string_view name : {"image", "input_image"}) {
    const auto* const value = unit.find(name);
    const auto* const string = value == nullptr ? nullptr : string_of(unit, name, *value);
    if (string == nullptr) continue;
    if (photo.decoded) unit.refuse(name, "image is given as well");
    read_base64(json, unit, name, *string, photo);
  }
}

void check_control_mode(const Fields& unit) {
  const json* value = unit.find("control_mode");
  if (value == nullptr) return;
  if (value->is_array() && value->size() == 1) value = &value->front();  // some clients send that
  const bool is_balanced = value->is_string()
                               ? lower(value->get_ref<const std::string&>()) == "balanced"
                               : value->is_number() && value->get<double>() == 0;
  if (!is_balanced) unit.refuse("control_mode", "expected Balanced");
}

void check_resize_mode(const Fields& unit, std::vector<std::string>& warnings) {
  const json* const value = unit.find("resize_mode");
  if (value == nullptr) return;
  if (value->is_number() && value->get<double>() == 2) return;
  const std::string name = value->is_string() ? lower(value->get_ref<const std::string&>()) : "";
  for (std::string_view same :
       {"resize and fill", "outer fit (shrink to fit)", "envelope (outer fit)"}) {
    if (name == same) return;
  }
  warnings.push_back(fmt::format(
      "{} has no effect: the photo is always fitted into the picture as Resize and Fill does",
      unit.path_of("resize_mode")));
}

/// The unit's parameters; `end` is the one that "guidance", guidance_end's former name, sets.
void read_windowed(const Fields& unit, std::string_view prefix, double& end, JobRequest& request) {
  const auto old = unit.number("guidance");
  end = old.value_or(1);
  unit.read_parameters(prefix, request);
  if (old && *old != end) unit.refuse("guidance", "guidance_end is given as well");
}

void read_face(const Fields& unit, JobRequest& request) {
  read_windowed(unit, "face.", request.adapter_end, request);
}

void read_points(const Fields& unit, JobRequest& request, std::vector<std::string>& warnings) {
  const bool has_photo = request.pose.decoded != nullptr;
  if (has_photo && lower(unit.text("module").value_or("")) == "none") {
    unit.refuse("module",
                "keypoint drawings are not supported; send a photo with the module "
                "instant_id_face_keypoints");
  }
  if (has_photo) check_resize_mode(unit, warnings);
  request.identity_strength = 1;
  read_windowed(unit, "points.", request.identity_end, request);
}

/// "canny-sdxl [0123abcd]" without the hash.
std::string unit_model_of(const Fields& unit) {
  std::string model = unit.text("model").value_or("");
  const std::size_t hash = model.rfind(" [");
  if (hash != std::string::npos && model.ends_with(']')) model.resize(hash);
  if (model.empty() || lower(model) == "none") unit.refuse("model", kControlNameRule);
  return model;
}

Prepare prepare_of(const Fields& unit) {
  const std::string module = lower(unit.text("module").value_or("none"));
  if (module == "canny") return Prepare::kCanny;
  if (!module.empty() && module != "none") {
    unit.refuse("module",
                "expected none or canny; prepare the picture yourself and send it with none");
  }
  return Prepare::kNone;
}

/// The type that the extension calls `union_control_type`; nothing for "Unknown".
std::optional<int> union_type_of(const Fields& unit) {
  constexpr std::array<std::string_view, 8> kNames{"openpose",
                                                   "depth",
                                                   "hed/pidi/scribble/ted",
                                                   "canny/lineart/anime_lineart/mlsd",
                                                   "normal",
                                                   "segment",
                                                   "tile",
                                                   "inpaint"};
  const std::string name = lower(unit.text("union_control_type").value_or("unknown"));
  if (name == "unknown" || name == "all") return std::nullopt;
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name || kControlTypes[i] == name) return static_cast<int>(i);
  }
  unit.refuse("union_control_type", fmt::format("expected one of {}", fmt::join(kNames, ", ")));
}

/// A number of the unit from 0 to `most`.
double unit_number(const Fields& unit, std::string_view name, double usual, double most) {
  const double number = unit.number(name).value_or(usual);
  if (!(number >= 0 && number <= most))
    unit.refuse(name, fmt::format("expected a number from 0 to {}", most));
  return number;
}

void check_thresholds(const Fields& unit, std::vector<std::string>& warnings) {
  for (const auto& [name, usual] : {std::pair("threshold_a", 100.0), {"threshold_b", 200.0}}) {
    const std::optional<double> value = unit.number(name);
    if (!value || *value < 0 || *value == usual) continue;
    warnings.push_back(
        fmt::format("{} has no effect: edges are found with {}", unit.path_of(name), usual));
  }
}

/// Another ControlNet.
void read_control(const Fields& unit, Photo picture, JobRequest& request,
                  std::vector<std::string>& warnings) {
  constexpr double kMost = static_cast<double>(kMostControlStrength);
  const std::string_view end = unit.find("guidance_end") ? "guidance_end" : "guidance";
  ControlChoice choice{.model = unit_model_of(unit),
                       .strength = static_cast<float>(unit_number(unit, "weight", 1, kMost)),
                       .start = unit_number(unit, "guidance_start", 0, 1),
                       .end = unit_number(unit, end, 1, 1),
                       .prepare = prepare_of(unit),
                       .type = union_type_of(unit)};
  // As in the web UI, a unit of img2img without a picture has the one that is started from.
  if (!picture.decoded) {
    picture.bytes = request.initial.bytes;
    picture.decoded = request.initial.decoded;
  }
  if (!picture.decoded) unit.refuse("image", "it is missing: the ControlNet's picture");
  if (choice.prepare == Prepare::kCanny) check_thresholds(unit, warnings);
  const json* const resize = unit.find("resize_mode");
  const bool is_stretched =
      resize == nullptr || (resize->is_number() && resize->get<double>() == 0) ||
      (resize->is_string() && lower(resize->get_ref<const std::string&>()) == "just resize");
  if (!is_stretched) {
    warnings.push_back(
        fmt::format("{} has no effect: the picture is always stretched as Just Resize does",
                    unit.path_of("resize_mode")));
  }
  const json* const crop = unit.find("inpaint_crop_input_image");
  if (crop != nullptr && *crop == false) {
    warnings.push_back(
        fmt::format("{} has no effect: the picture is cut like the one that is repainted",
                    unit.path_of("inpaint_crop_input_image")));
  }
  std::string text = text_of(choice);
  // A name may look like several keys.
  if (control_problem(text, Asker::kService) || parse_control(text) != choice)
    unit.refuse("model", kControlNameRule);
  request.controls.push_back(std::move(text));
  request.control_pictures.push_back(std::move(picture));
  if (const auto problem = problem_of(parameters::kControls, request.controls, Asker::kService))
    unit.refuse("enabled", *problem);
}

void read_unit(const LongStringJson& json, const Fields& unit, const std::string& path,
               JobRequest& request, UnitPaths& paths, std::vector<std::string>& warnings) {
  const Kind kind = unit_kind(unit);
  Photo picture{.name = "image"};
  read_picture(json, unit, picture);
  if (kind == Kind::kNone) {
    if (!picture.decoded) return;  // an empty unit
    refuse_field(unit.path_of("module"),
                 "it is missing: expected instant_id_face_embedding or instant_id_face_keypoints");
  }
  if (kind == Kind::kOther) {
    check_control_mode(unit);
    read_control(unit, std::move(picture), request, warnings);
    return;
  }
  std::string& known = kind == Kind::kFace ? paths.face : paths.points;
  if (!known.empty()) {
    refuse_field(path, fmt::format("expected one unit of this kind, and {} is one already", known));
  }
  known = path;
  check_control_mode(unit);
  (kind == Kind::kFace ? request.photo : request.pose) = std::move(picture);
  if (kind == Kind::kFace) {
    read_face(unit, request);
  } else {
    read_points(unit, request, warnings);
  }
}

void read_args(const LongStringJson& json, const Fields& script, const nlohmann::json& args,
               JobRequest& request, UnitPaths& paths, std::vector<std::string>& warnings) {
  if (!args.is_array()) script.refuse("args", "expected a list of units");
  for (std::size_t i = 0; i < args.size(); ++i) {
    const auto& item = args[i];
    if (item.is_null()) continue;
    const std::string place = fmt::format("{}[{}]", script.path_of("args"), i);
    const Fields unit(json, item, place);
    if (!unit.boolean("enabled").value_or(true)) continue;
    check_fields(json, item, place, kUnitFields, warnings);
    read_unit(json, unit, place, request, paths, warnings);
  }
}

}  // namespace

void read_base64(const LongStringJson& json, const Fields& fields, std::string_view name,
                 const nlohmann::json& value, Photo& photo) {
  std::optional<std::string> picture;
  if (value.is_string()) picture = json.base64_in(value);
  if (!picture || picture->empty()) fields.refuse(name, kImageRule);
  photo.name = fields.path_of(name);
  photo.take(std::move(*picture));
}

UnitPaths read_units(const LongStringJson& json, const nlohmann::json& scripts, JobRequest& request,
                     std::vector<std::string>& warnings) {
  UnitPaths paths;
  // The web UI's weight; without a unit of keypoints IdentityNet is off.
  request.adapter_strength = 1;
  request.identity_strength = 0;
  for (const auto& [name, script] : scripts.items()) {
    if (lower(name) != "controlnet" || is_off(script)) continue;
    const std::string path = fmt::format("{}.{}", kScripts, name);
    const Fields fields(json, script, path);
    check_fields(json, script, path, std::to_array<Field>({{"args"}}), warnings);
    if (const auto* const args = fields.find("args"))
      read_args(json, fields, *args, request, paths, warnings);
  }
  if (!request.photo.decoded) {
    refuse_field(
        paths.face.empty() ? std::string(kScripts) : paths.face + ".image",
        "InstantID's photo is missing; for example {\"alwayson_scripts\": {\"controlnet\": "
        "{\"args\": [{\"module\": \"instant_id_face_embedding\", \"image\": \"BASE64\"}, "
        "{\"module\": \"instant_id_face_keypoints\"}]}}}");
  }
  // Many clients send the photo twice.
  if (request.pose.bytes == request.photo.bytes) request.pose.drop();
  if (paths.points.empty()) {
    warnings.emplace_back(
        "there is no control_instant_id unit: IdentityNet is off and the face may appear anywhere; "
        "add the unit {\"module\": \"instant_id_face_keypoints\"} to place it as in the photo");
  }
  return paths;
}

}  // namespace semblance::service
