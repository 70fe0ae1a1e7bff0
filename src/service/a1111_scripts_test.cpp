// What web UIs and other programs send that changes nothing.
#include "service/a1111_scripts.h"

#include <fmt/core.h>

#include "service/a1111_test.h"

namespace semblance::service {
namespace {

using namespace testing;
using nlohmann::json;

/// A body with one more script.
json with_script(const std::string& name, json script, json more = json::object()) {
  json whole = body(std::move(more));
  whole["alwayson_scripts"][name] = std::move(script);
  return whole;
}

/// As AUTOMATIC1111's page sends it: every script with its values, every field, units off.
TEST(Txt2Img, ReadsTheWebUisPage) {
  json all = json::parse(R"({
    "alwayson_scripts": {
      "API payload": {"args": []}, "Comments": {"args": []}, "Extra options": {"args": []},
      "Hypertile": {"args": []}, "Refiner": {"args": [false, "", 0.8]},
      "Sampler": {"args": [20, "Euler", "Automatic"]},
      "Seed": {"args": [-1, false, -1, 0, 0, 0]},
      "ControlNet": {"args": [
        {"advanced_weighting": null, "animatediff_batch": false, "batch_image_files": [],
         "batch_images": "", "batch_keyframe_idx": null, "batch_mask_dir": null,
         "batch_modifiers": [], "control_mode": "Balanced", "effective_region_mask": null,
         "enabled": true, "guidance_end": 1.0, "guidance_start": 0.0, "hr_option": "Both",
         "image": {"image": "UEhPVE8=", "mask": null}, "inpaint_crop_input_image": false,
         "input_mode": "simple", "ipadapter_input": null, "is_ui": true, "loopback": false,
         "low_vram": false, "mask": null, "model": "ip-adapter_instant_id_sdxl [eb2d3ec0]",
         "module": "instant_id_face_embedding", "output_dir": "", "pixel_perfect": false,
         "processor_res": 512, "pulid_mode": "Fidelity", "resize_mode": "Crop and Resize",
         "save_detected_map": false, "threshold_a": -1.0, "threshold_b": -1.0,
         "union_control_type": "Unknown", "weight": 1.0},
        {"enabled": true, "module": "instant_id_face_keypoints",
         "model": "control_instant_id_sdxl [c5c25a50]", "image": null, "weight": 1.0},
        {"enabled": false, "image": null, "model": "None", "module": "none", "frobnicate": 5}]}},
    "batch_size": 1, "cfg_scale": 7, "comments": {}, "denoising_strength": 0.7,
    "disable_extra_networks": false, "do_not_save_grid": false, "do_not_save_samples": false,
    "enable_hr": false, "firstpass_image": null, "height": 512, "hr_negative_prompt": "",
    "hr_prompt": "", "hr_resize_x": 0, "hr_resize_y": 0, "hr_scale": 2,
    "hr_second_pass_steps": 0, "hr_upscaler": "Latent", "n_iter": 1, "negative_prompt": "",
    "override_settings": {}, "override_settings_restore_afterwards": true, "prompt": "a man",
    "restore_faces": false, "s_churn": 0.0, "s_min_uncond": 0.0, "s_noise": 1.0, "s_tmax": null,
    "s_tmin": 0.0, "sampler_name": "Euler", "scheduler": "Automatic", "script_args": [],
    "script_name": null, "seed": -1, "seed_enable_extras": true, "seed_resize_from_h": -1,
    "seed_resize_from_w": -1, "steps": 20, "styles": [], "subseed": -1, "subseed_strength": 0,
    "tiling": false, "width": 512})");
  EXPECT_EQ(parsed(all).warnings, std::vector<std::string>{});
  EXPECT_EQ(parsed(all).request.photo.bytes, "PHOTO");
  // Forge's page adds these.
  const json forge = json::parse(R"json({
    "FreeU Integrated (SD 1.x, SD 2.x, SDXL)": [false, 1.01, 1.02, 0.99, 0.95, 0, 1],
    "Kohya HRFix Integrated": [false, 3, 2, 0, 0.35, true, "bicubic", "bicubic"],
    "Never OOM Integrated": [false, false], "StyleAlign Integrated": [false, 1],
    "ADetailer": [true, false, {"ad_model": "None"}, {"ad_model": "None"}],
    "AnimateDiff": [{"enable": false, "model": "mm_sd_v15"}], "Refiner": [true, "None", 0.8]
  })json");
  for (const auto& [name, args] : forge.items()) all["alwayson_scripts"][name] = {{"args", args}};
  EXPECT_EQ(refusal(all), "no error");
}

/// What SillyTavern adds to a request.
TEST(Txt2Img, ReadsAChatProgram) {
  const Txt2Img wanted =
      parsed(body({{"sampler_name", "Euler"},
                   {"scheduler", "Automatic"},
                   {"hr_additional_modules", json::array()},
                   {"override_settings",
                    {{"CLIP_stop_at_last_layers", 1}, {"forge_additional_modules", json::array()}}},
                   {"save_images", false},
                   {"unknown", nullptr},
                   {"styles", {"", "None"}},
                   {"init_images", {nullptr}}}));
  EXPECT_EQ(wanted.warnings, std::vector<std::string>{});
}

TEST(Txt2Img, ScriptsMustAgreeWithTheRequest) {
  const auto refused = [](const std::string& name, const json& args, const json& more) {
    return refusal(with_script(name, {{"args", args}}, more));
  };
  const json fixed{{"steps", 20}, {"seed", 7}};
  EXPECT_EQ(refused("Sampler", {20, "k_euler", ""}, fixed), "no error");
  EXPECT_EQ(refused("sampler", json::array({nullptr}), fixed), "no error");
  const json dpm{{"steps", 20}, {"sampler_name", "DPM++ 2M"}};
  EXPECT_EQ(refused("Sampler", {20, "DPM++ 2M", "Karras"}, dpm), "no error");
  EXPECT_EQ(refused("Seed", {7, false, 5, 0.5, 64, 64}, fixed), "no error");
  EXPECT_EQ(refused("Seed", {7, true, 5, 0, 0, 0}, fixed), "no error");
  EXPECT_EQ(refused("Seed", {-1, true, -1, 0, 0, 0}, fixed), "no error");
  const std::vector<std::tuple<std::string, json, int, std::string>> table = {
      {"Sampler", {30, "Euler", "Automatic"}, 0, "expected 20, the request's steps, got 30"},
      {"Sampler",
       {20, "DPM++ 2M", "Automatic"},
       1,
       "expected Euler, as in the request, got \"DPM++ 2M\""},
      {"Sampler", {20, 5, "Automatic"}, 1, "expected Euler, as in the request, got 5"},
      {"Sampler",
       {20, "Euler", "Karras"},
       2,
       "expected Automatic, as in the request, got \"Karras\""},
      {"Seed", {8, false, -1, 0, 0, 0}, 0, "expected 7, the request's seed, got 8"},
      {"Seed", {7, true, 5, 0.5, 0, 0}, 3, "variation seeds are not supported, got 0.5"},
      {"Seed", {7, true, -1, 0, 512, 0}, 4, "resizing from a seed is not supported, got 512"},
      {"Seed", {7, true, -1, 0, 0, 512}, 5, "resizing from a seed is not supported, got 512"},
  };
  for (const auto& [name, args, place, rule] : table) {
    const std::string path = fmt::format("alwayson_scripts.{}.args[{}]", name, place);
    EXPECT_EQ(refused(name, args, fixed), path + ": cannot take " + path + ": " + rule);
  }
  EXPECT_EQ(refused("Seed", {8}, json::object()),
            "alwayson_scripts.Seed.args[0]: cannot take alwayson_scripts.Seed.args[0]: expected "
            "-1, the request's seed, got 8");
  const std::vector<std::pair<std::string, json>> on = {
      {"Refiner", {true, "sd_xl_refiner_1.0", 0.8}},
      {"ADetailer", {true, false, {{"ad_model", "face_yolov8n.pt"}}}},
      {"AnimateDiff", {{{"enable", true}}}},
      {"X/Y/Z plot", {0, ""}},
      {"Seed", 5}};
  for (const auto& [name, args] : on) {
    const std::string path = "alwayson_scripts." + name;
    EXPECT_EQ(
        refused(name, args, fixed),
        path + ": cannot take " + path + ": there is no such script; the only one is controlnet");
  }
  // Some languages write an empty object as a list.
  EXPECT_TRUE(
      refusal({{"alwayson_scripts", json::array()}})
          .starts_with("alwayson_scripts: cannot take alwayson_scripts: InstantID's photo"));
  EXPECT_EQ(refusal({{"alwayson_scripts", {1}}}),
            "alwayson_scripts: cannot take alwayson_scripts: expected a JSON object, got a list");
}

TEST(WebUiOptions, CanBeReadAndSetToTheirOwnValues) {
  const std::string have = options_response("demo");
  EXPECT_EQ(json::parse(have)["sd_model_checkpoint"], "demo");
  EXPECT_EQ(read_options(have, "demo"), std::nullopt);  // all of them
  EXPECT_EQ(read_options(R"({"CLIP_stop_at_last_layers": 1.0, "sd_vae": null})", "demo"),
            std::nullopt);
  const auto refused = [](const std::string& text) -> std::string {
    try {
      read_options(text, "demo");
    } catch (const HttpError& error) {
      EXPECT_EQ(error.response().status, 400);
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(refused(R"({"sd_model_checkpoint": 5})"),
            "cannot take sd_model_checkpoint: expected a string, got 5");
  EXPECT_EQ(refused(R"({"CLIP_stop_at_last_layers": 3})"),
            "cannot take CLIP_stop_at_last_layers: it is 1 and cannot be changed, got 3");
  EXPECT_EQ(refused(R"({"sd_vae": "sdxl_vae.safetensors"})"),
            "cannot take sd_vae: it is \"Automatic\" and cannot be changed, got "
            "\"sdxl_vae.safetensors\"");
  EXPECT_EQ(refused(R"({"randn_source": "GPU"})"),
            "cannot take randn_source: it is \"CPU\" and cannot be changed, got \"GPU\"");
  EXPECT_EQ(refused(R"({"eta_noise_seed_delta": 31337})"),
            "cannot take eta_noise_seed_delta: it is 0 and cannot be changed, got 31337");
  EXPECT_EQ(refused(R"({"tiling": true})"),
            "cannot take tiling: it is false and cannot be changed, got true");
  EXPECT_EQ(refused(R"({"sd_model_checkpoint": "", "sd_vae": "None", "sd_hypernetwork": null,
                        "CLIP_stop_at_last_layers": 2, "eta_noise_seed_delta": 0,
                        "forge_additional_modules": [], "samples_save": true, "jpeg_quality": 80,
                        "emphasis": "Original", "frobnicate": null})"),
            "no error");
  EXPECT_EQ(refused(R"({"sd_modelcheckpoint": "demo"})"),
            "cannot take sd_modelcheckpoint: there is no such option, did you mean "
            "sd_model_checkpoint?");
  EXPECT_EQ(refused("[]"), "cannot take the request: expected a JSON object, got []");
}

TEST(WebUiOptions, MayNameAnotherModel) {
  const auto wanted = [](const json& options) { return read_options(options.dump(), "demo"); };
  EXPECT_EQ(wanted({{"sd_model_checkpoint", "film"}, {"samples_save", true}}), "film");
  for (const json& same : {json("demo"), json(""), json("None"), json(nullptr)})
    EXPECT_EQ(wanted({{"sd_model_checkpoint", same}}), std::nullopt) << same;
  EXPECT_EQ(wanted(json::object()), std::nullopt);
  EXPECT_THROW(wanted({{"sd_model_checkpoint", "film"}, {"randn_source", "NV"}}), HttpError);
}

}  // namespace
}  // namespace semblance::service
