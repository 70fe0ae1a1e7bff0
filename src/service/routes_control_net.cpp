// /controlnet/...: the API of the ControlNet extension of AUTOMATIC1111's web UI. Of its modules,
// those that a unit here may have (a1111_units.h).
#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/ascii.h"
#include "core/error.h"
#include "image/decode.h"
#include "image/encode.h"
#include "memory/file.h"
#include "service/a1111_fields.h"
#include "service/a1111_units.h"
#include "service/base64.h"
#include "service/routes.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using Captures = Router::Captures;

constexpr std::string_view kFaceModel = "ip-adapter_instant_id_sdxl";
constexpr std::string_view kPointsModel = "control_instant_id_sdxl";
constexpr std::array<std::string_view, 4> kModules{"none", "canny", "instant_id_face_embedding",
                                                   "instant_id_face_keypoints"};
constexpr std::size_t kMostPictures = 16;  // of a request to detect
constexpr int kUsualSide = 512;            // the shorter side, where the request names none

constexpr auto kDetectFields = std::to_array<Field>({
    {"controlnet_module"},
    {"controlnet_input_images"},
    {"controlnet_images"},  // what webuiapi calls them
    {"controlnet_processor_res"},
    {"controlnet_threshold_a"},
    {"controlnet_threshold_b"},
    {"controlnet_masks", kOff, kNoMasks},
    {"low_vram", Effect::kNone},
});

json names_of_nets(const Engine& engine) {
  json all{kFaceModel, kPointsModel};
  for (const std::string& name : engine.controls()) all.push_back(name);
  return all;
}

json modules() {
  json details = json::object();
  for (const std::string_view module : kModules) {
    // What that extension shows for a module; nothing can be set here.
    details[std::string(module)] = {{"model_free", false}, {"sliders", json::array()}};
  }
  return {{"module_list", kModules}, {"module_detail", std::move(details)}};
}

json control_types(const Engine& engine) {
  const auto type = [](json modules, json models, std::string_view usual) {
    return json{{"module_list", std::move(modules)},
                {"model_list", std::move(models)},
                {"default_option", usual},
                {"default_model", "None"}};
  };
  json edges = json::array();
  for (const std::string& name : engine.controls()) {
    if (lower(name).find("canny") != std::string::npos) edges.push_back(name);
  }
  return {{"control_types",
           {{"All", type(kModules, names_of_nets(engine), "none")},
            {"Canny", type({"none", "canny"}, std::move(edges), "canny")},
            {"Instant-ID",
             type({kModules[2], kModules[3]}, {kFaceModel, kPointsModel}, kModules[2])}}}};
}

/// The pictures of a request to detect; `decoded` keeps their bytes.
std::vector<Photo> pictures_in(const LongStringJson& body, const Fields& fields) {
  for (const char* name : {"controlnet_input_images", "controlnet_images"}) {
    const json* const list = fields.find(name);
    if (list == nullptr) continue;
    if (!list->is_array() || list->empty() || list->size() > kMostPictures)
      fields.refuse(name, fmt::format("expected a list of 1 to {} pictures", kMostPictures));
    std::vector<Photo> pictures(list->size());
    for (std::size_t i = 0; i < pictures.size(); ++i)
      read_base64(body, fields, name, (*list)[i], pictures[i]);
    return pictures;
  }
  fields.refuse("controlnet_input_images", "it is missing: a list of pictures in base64");
}

/// The picture's size after that extension has scaled its shorter side to `side`.
Size scaled_to(Size size, std::int64_t side, const Fields& fields) {
  const double scale = static_cast<double>(side) / std::min(size.w, size.h);
  const double most = most_of_job(parameters::kWidth);
  const double w = std::nearbyint(size.w * scale), h = std::nearbyint(size.h * scale);
  if (w < 1 || h < 1 || w > most || h > most) {
    fields.refuse("controlnet_processor_res",
                  fmt::format("expected sides from 1 to {} pixels; {}x{} becomes {}x{}", most,
                              size.w, size.h, w, h));
  }
  return {static_cast<int>(w), static_cast<int>(h)};
}

double threshold_in(const Fields& fields, std::string_view name, double usual) {
  const double value = fields.number(name).value_or(-1);
  constexpr double kMost = 255;
  if (value > kMost) fields.refuse(name, fmt::format("expected a number from 0 to {}", kMost));
  return value < 0 ? usual : value;
}

Size size_of_picture(const Photo& picture) {
  try {
    return probe(*file_over("the picture", picture.bytes)).upright();
  } catch (const Error& error) {
    throw HttpError(error, picture.name);
  }
}

std::vector<std::byte> png_of(Engine& engine, const Photo& picture, Size size, Prepare prepare,
                              const CannyThresholds& edges, const std::stop_token& stop) {
  Request shape;
  shape.width = size.w;
  shape.height = size.h;
  try {
    const auto file = file_over("the picture", picture.bytes);
    return encode(engine.open_control(*file, shape, prepare, nullptr, stop, edges),
                  ImageFormat::kPng);
  } catch (const Error& error) {
    // A memory error while a job runs is tried again after it.
    if (error.kind() == ErrorKind::kMemory || error.kind() == ErrorKind::kCancelled) throw;
    throw HttpError(error, picture.name);
  }
}

/// What a unit's module makes of pictures.
HttpResponse detect(Context& context, const HttpRequest& request) {
  const LongStringJson body(request.body);
  const Fields fields(body, body.value(), "");
  std::vector<std::string> warnings;
  check_fields(body, body.value(), "", kDetectFields, warnings);
  const std::string module = lower(fields.text("controlnet_module").value_or("none"));
  const auto prepare = std::ranges::find(kPrepareNames, module);
  if (prepare == kPrepareNames.end()) {
    throw HttpError(501, "not_implemented",
                    fmt::format("cannot run the module {}: expected none or canny\n  prepare the "
                                "picture yourself and send it with none",
                                module.substr(0, 100)),
                    "controlnet_module");
  }
  const auto kind = static_cast<Prepare>(prepare - kPrepareNames.begin());
  const CannyThresholds usual;
  const CannyThresholds edges{threshold_in(fields, "controlnet_threshold_a", usual.low),
                              threshold_in(fields, "controlnet_threshold_b", usual.high)};
  const std::int64_t wanted = fields.whole("controlnet_processor_res").value_or(-1);
  const std::int64_t side = wanted > 0 ? wanted : kUsualSide;
  const std::vector<Photo> pictures = pictures_in(body, fields);
  std::vector<Size> sizes;
  std::size_t decoded = 0;
  for (const Photo& picture : pictures) {
    const Size size = size_of_picture(picture);
    // "none" leaves the picture as it is.
    sizes.push_back(kind == Prepare::kNone ? size : scaled_to(size, side, fields));
    decoded += picture.bytes.size();
  }
  request.drop_body(decoded);
  Body answer(R"({"images":[)");
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const std::vector<std::byte> png = context.jobs.between(request, [&](std::stop_token stop) {
      return png_of(context.engine, pictures[i], sizes[i], kind, edges, stop);
    });
    answer += i == 0 ? "\"" : ",\"";
    answer += base64({reinterpret_cast<const char*>(png.data()), png.size()});
    answer += "\"";
  }
  answer += R"(],"info":"Success"})";
  return {.body = std::move(answer)};
}

}  // namespace

void add_control_net_routes(Router& router, Context& context) {
  const auto list = [&router](const char* path, std::function<json()> make) {
    router.add("GET", path, [make = std::move(make)](const HttpRequest&, const Captures&) {
      return json_response(make().dump());
    });
  };
  Engine& engine = context.engine;
  list("/controlnet/version", [] { return json{{"version", 3}}; });
  list("/controlnet/model_list", [&engine] { return json{{"model_list", names_of_nets(engine)}}; });
  list("/controlnet/module_list", modules);
  list("/controlnet/control_types", [&engine] { return control_types(engine); });
  list("/controlnet/settings", [] {
    // The units of InstantID, and those beside them.
    return json{{"control_net_unit_count", 2 + most_of_job(parameters::kControls)}};
  });
  router.add(
      "POST", "/controlnet/detect",
      [&context](const HttpRequest& request, const Captures&) { return detect(context, request); },
      {.body_limit = context.upload_bytes / 3 * 4 + (std::uint64_t{1} << 20U)});
}

}  // namespace semblance::service
