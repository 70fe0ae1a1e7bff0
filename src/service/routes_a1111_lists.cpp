// The lists that clients of AUTOMATIC1111's web UI ask for before they make pictures, and the text
// of a picture. What is not here has an empty list, or 501 with a sentence.
#include <nlohmann/json.hpp>

#include "app/recipe.h"
#include "core/error.h"
#include "core/json.h"
#include "memory/file.h"
#include "service/a1111_fields.h"
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

json script_infos() {
  json all = json::array();
  for (const bool is_img2img : {false, true}) {
    all.push_back({{"name", "controlnet"},
                   {"is_alwayson", true},
                   {"is_img2img", is_img2img},
                   {"args", json::array()}});
  }
  return all;
}

/// The one with which a second pass enlarges (hr_upscaler).
json upscalers() {
  return json::array({{{"name", kUpscaler},
                       {"model_name", nullptr},
                       {"model_path", nullptr},
                       {"model_url", nullptr},
                       {"scale", 4}}});
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
    loaded[file.stem().string()] = {{"step", nullptr},
                                    {"sd_checkpoint", nullptr},
                                    {"sd_checkpoint_name", nullptr},
                                    {"shape", nullptr},
                                    {"vectors", nullptr}};
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
  list("/sdapi/v1/script-info", script_infos);
  list("/sdapi/v1/upscalers", upscalers);
  list("/sdapi/v1/cmd-flags", [] { return json::object(); });
  list("/sdapi/v1/prompt-styles", [&engine] { return styles(engine); });
  list("/sdapi/v1/embeddings", [&engine] { return embeddings(engine); });
  list("/sdapi/v1/loras", [&engine] { return loras(engine); });
  for (const char* name : {"latent-upscale-modes", "hypernetworks", "face-restorers",
                           "realesrgan-models", "sd-vae", "sd-modules", "extensions"})
    list(std::string("/sdapi/v1/") + name, [] { return json::array(); });
  router.add("POST", "/sdapi/v1/png-info",
             [](const HttpRequest& request, const Captures&) {
               return json_response(png_info(request.body).dump());
             },
             {.body_limit = std::uint64_t{8} << 20U});
  for (const char* name : {"refresh-checkpoints", "refresh-loras", "refresh-vae"}) {
    router.add("POST", std::string("/sdapi/v1/") + name,
               [](const HttpRequest&, const Captures&) { return json_response("null"); });
  }
  const auto lacks = [&router](const char* path, const char* why) {
    router.add("POST", path, [why](const HttpRequest&, const Captures&) -> HttpResponse {
      throw HttpError(501, "not_implemented", why);
    });
  };
  lacks("/sdapi/v1/interrogate", "there is no model here that describes pictures");
  lacks("/sdapi/v1/extra-single-image", "finished pictures are not upscaled here: send enable_hr");
  lacks("/sdapi/v1/extra-batch-images", "finished pictures are not upscaled here: send enable_hr");
}

}  // namespace semblance::service
