// The lists that clients of AUTOMATIC1111's web UI ask for before they make pictures, the text of a
// picture, and what of its ControlNet extension is here. What is not here has an empty list, or 501
// with a sentence.
#include <nlohmann/json.hpp>

#include "app/recipe.h"
#include "core/error.h"
#include "core/json.h"
#include "memory/file.h"
#include "service/base64.h"
#include "service/routes.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using Captures = Router::Captures;

/// Scripts as that web UI names them; a client sends units where it sees both.
json script_lists() {
  const json both{"controlnet", "controlnet m2m"};
  return {{"txt2img", both}, {"img2img", both}};
}

json styles(const Engine& engine) {
  json all = json::array();
  for (const Style& style : engine.options().prompts.styles.all()) {
    all.push_back(
        {{"name", style.name}, {"prompt", style.prompt}, {"negative_prompt", style.negative}});
  }
  return all;
}

json embeddings(const Engine& engine) {
  json loaded = json::object();
  for (const auto& file : engine.options().models.embeddings)
    loaded[file.stem().string()] = {{"step", nullptr}, {"shape", nullptr}, {"vectors", nullptr}};
  return {{"loaded", std::move(loaded)}, {"skipped", json::object()}};
}

json loras(const Engine& engine) {
  json all = json::array();
  for (const auto& folder : engine.options().lora_folders) {
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
      if (entry.path().extension() != ".safetensors") continue;
      const std::string name = entry.path().stem().string();
      // The path is the service's own business.
      all.push_back({{"name", name}, {"alias", name}, {"path", ""}, {"metadata", json::object()}});
    }
  }
  return all;
}

json control_models(const Engine& engine) {
  json all{"ip-adapter_instant_id_sdxl", "control_instant_id_sdxl"};
  for (const std::string& name : engine.controls()) all.push_back(name);
  return {{"model_list", std::move(all)}};
}

json control_modules() {
  return {
      {"module_list", {"none", "canny", "instant_id_face_embedding", "instant_id_face_keypoints"}},
      {"module_detail", json::object()}};
}

/// The text of a picture, as that web UI answers: empty if there is none.
json png_info(const std::string& body) {
  const std::string field = "image";
  const std::optional<std::string> file = from_base64(
      Json::parse("the request", body).expect_object().get_string(field, std::string()));
  if (!file) throw HttpError(400, "argument", "image: expected an image in base64", field);
  try {
    const PictureTexts texts = read_texts(*file_over("the picture", *file));
    json items = json::object();
    for (const PictureText& each : texts.texts) items[each.key] = each.value.value_or("");
    const PictureText* const parameters = texts.find("parameters");
    const std::string info = parameters ? parameters->value.value_or("") : "";
    return {{"info", info}, {"items", std::move(items)}, {"parameters", json::object()}};
  } catch (const Error& error) {
    throw HttpError(error, field);
  }
}

}  // namespace

void add_a1111_list_routes(Router& router, Context& context) {
  const auto list = [&router](const std::string& path, std::function<json()> make) {
    router.add("GET", path, [make = std::move(make)](const HttpRequest&, const Captures&) {
      return json_response(make().dump());
    });
  };
  Engine& engine = context.engine;
  list("/sdapi/v1/scripts", script_lists);
  list("/sdapi/v1/cmd-flags", [] { return json::object(); });
  list("/sdapi/v1/prompt-styles", [&engine] { return styles(engine); });
  list("/sdapi/v1/embeddings", [&engine] { return embeddings(engine); });
  list("/sdapi/v1/loras", [&engine] { return loras(engine); });
  for (const char* name : {"upscalers", "latent-upscale-modes", "hypernetworks", "face-restorers",
                           "realesrgan-models", "sd-vae", "sd-modules"})
    list(std::string("/sdapi/v1/") + name, [] { return json::array(); });
  list("/controlnet/version", [] { return json{{"version", 3}}; });
  list("/controlnet/model_list", [&engine] { return control_models(engine); });
  list("/controlnet/module_list", control_modules);
  router.add("POST", "/sdapi/v1/png-info",
             [](const HttpRequest& request, const Captures&) {
               return json_response(png_info(request.body).dump());
             },
             {.body_limit = std::uint64_t{8} << 20U});
  for (const char* name : {"refresh-checkpoints", "refresh-loras"}) {
    router.add("POST", std::string("/sdapi/v1/") + name,
               [](const HttpRequest&, const Captures&) { return json_response("null"); });
  }
  const auto lacks = [&router](const char* path, const char* why) {
    router.add("POST", path, [why](const HttpRequest&, const Captures&) -> HttpResponse {
      throw HttpError(501, "not_implemented", why);
    });
  };
  lacks("/sdapi/v1/skip", "skip is not here: interrupt ends the whole request");
  lacks("/sdapi/v1/interrogate", "there is no model here that describes pictures");
  lacks("/sdapi/v1/extra-single-image", "there are no upscalers here");
  lacks("/sdapi/v1/extra-batch-images", "there are no upscalers here");
  lacks("/controlnet/detect", "detect is not here: send the picture as a unit with its module");
}

}  // namespace semblance::service
