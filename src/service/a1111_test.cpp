#include "service/a1111_test.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "sampling/sampler.h"
#include "service/a1111_samplers.h"
#include "service/long_strings.h"

namespace semblance::service {
namespace {

using namespace testing;
using nlohmann::json;

const Time kStart = Time(std::chrono::milliseconds(1769860800000));  // 2026-01-31T12:00:00Z

TEST(Txt2Img, DefaultsAreTheWebUis) {
  const Txt2Img wanted = parsed(body());
  const JobRequest& s = wanted.request;
  EXPECT_EQ(s.prompt, "");
  EXPECT_FALSE(s.negative);
  EXPECT_EQ(s.steps, 50);
  EXPECT_EQ(s.guidance, 7);
  EXPECT_EQ(s.width, 1024);
  EXPECT_EQ(s.height, 1024);
  EXPECT_FALSE(s.seed);
  EXPECT_EQ(s.count, 1);
  EXPECT_EQ(s.adapter_strength, 1);
  EXPECT_EQ(s.identity_strength, 1);
  EXPECT_EQ(s.identity_start, 0);
  EXPECT_EQ(s.identity_end, 1);
  EXPECT_TRUE(wanted.send_images);
  EXPECT_EQ(wanted.request.photo.bytes, "PHOTO");
  EXPECT_FALSE(wanted.request.pose.decoded);
  EXPECT_EQ(wanted.warnings, std::vector<std::string>{});
  EXPECT_EQ(parsed(body({{"width", 640}}), 256).request.height, 256);
}

TEST(Txt2Img, ReadsTheRequest) {
  const Txt2Img wanted = parsed(body({{"prompt", "a man"},
                                      {"negative_prompt", "blurred"},
                                      {"seed", 42},
                                      {"steps", 4.0},
                                      {"cfg_scale", 5.5},
                                      {"width", 640},
                                      {"height", 832},
                                      {"batch_size", 2},
                                      {"n_iter", 3},
                                      {"send_images", false}}));
  const JobRequest& s = wanted.request;
  EXPECT_EQ(s.prompt, "a man");
  EXPECT_EQ(s.negative, "blurred");
  EXPECT_EQ(s.seed, 42U);
  EXPECT_EQ(s.steps, 4);
  EXPECT_EQ(s.guidance, 5.5);
  EXPECT_EQ(s.width, 640);
  EXPECT_EQ(s.height, 832);
  EXPECT_EQ(s.count, 6);
  EXPECT_EQ(wanted.batch_size, 2);
  EXPECT_EQ(wanted.batches, 3);
  EXPECT_FALSE(wanted.send_images);
  // An empty negative prompt counts as none, and -1 as a random seed.
  const Txt2Img plain = parsed(body({{"negative_prompt", ""}, {"seed", -1}}));
  EXPECT_FALSE(plain.request.negative);
  EXPECT_FALSE(plain.request.seed);
}

/// As the Python package webuiapi sends it, with all its defaults.
TEST(Txt2Img, ReadsAClientThatSendsAllFields) {
  json all = json::parse(R"({
    "enable_hr": false, "hr_scale": 2, "hr_upscaler": "Latent", "hr_second_pass_steps": 0,
    "hr_resize_x": 0, "hr_resize_y": 0, "denoising_strength": 0.7, "firstphase_width": 0,
    "firstphase_height": 0, "prompt": "a man", "styles": [], "seed": -1, "subseed": -1,
    "subseed_strength": 0.0, "seed_resize_from_h": 0, "seed_resize_from_w": 0, "batch_size": 1,
    "n_iter": 1, "steps": 20, "cfg_scale": 7.0, "width": 512, "height": 512,
    "restore_faces": false, "tiling": false, "do_not_save_samples": false,
    "do_not_save_grid": false, "negative_prompt": "", "eta": 1.0, "s_churn": 0, "s_tmax": 0,
    "s_tmin": 0, "s_noise": 1, "override_settings": {},
    "override_settings_restore_afterwards": true, "sampler_name": "Euler",
    "sampler_index": "Euler a", "script_name": null, "script_args": [], "send_images": true,
    "save_images": false,
    "alwayson_scripts": {"ADetailer": {"args": [false]}, "ControlNet": {"args": [
      {"input_image": "UEhPVE8=", "mask": null, "module": "instant_id_face_embedding",
       "model": "ip-adapter_instant_id_sdxl [eb2d3ec0]", "weight": 0.8,
       "resize_mode": "Resize and Fill", "lowvram": false, "processor_res": 512,
       "threshold_a": 64, "threshold_b": 64, "guidance": 0.75, "guidance_start": 0.25,
       "guidance_end": 0.75, "control_mode": ["Balanced"], "pixel_perfect": false,
       "hr_option": "Both"},
      {"input_image": "UE9TRQ==", "mask": null, "module": "instant_id_face_keypoints",
       "model": "control_instant_id_sdxl [c5c25a50]", "weight": 0.6,
       "resize_mode": "Resize and Fill", "lowvram": false, "processor_res": 512,
       "threshold_a": 64, "threshold_b": 64, "guidance": 0.9, "guidance_start": 0.1,
       "guidance_end": 0.9, "control_mode": 0, "pixel_perfect": false, "hr_option": "Both"}]}}
  })");
  const Txt2Img wanted = parsed(all);
  EXPECT_EQ(wanted.request.photo.bytes, "PHOTO");
  EXPECT_EQ(wanted.request.pose.bytes, "POSE");
  const JobRequest& s = wanted.request;
  EXPECT_EQ(s.steps, 20);
  EXPECT_EQ(s.adapter_strength, 0.8F);
  EXPECT_EQ(s.identity_strength, 0.6F);
  EXPECT_EQ(s.identity_start, 0.1);
  EXPECT_EQ(s.identity_end, 0.9);
  EXPECT_EQ(s.adapter_start, 0.25);
  EXPECT_EQ(s.adapter_end, 0.75);
  EXPECT_EQ(wanted.warnings, std::vector<std::string>{});
}

struct Sampled {
  std::string scheduler, sigmas, spacing, noise;
  double eta = 0;
  bool operator==(const Sampled&) const = default;
};

Sampled sampled(const json& more, std::vector<std::string> warnings = {}) {
  const Txt2Img wanted = parsed(body(more));
  EXPECT_EQ(wanted.warnings, warnings) << more;
  const JobRequest& s = wanted.request;
  const auto name = [](const std::optional<Choice>& choice) { return choice ? choice->name : ""; };
  return {name(s.scheduler), name(s.sigmas), name(s.spacing), s.noise.name, s.eta};
}

TEST(Txt2Img, AcceptsSamplersInAnySpelling) {
  const Sampled euler{"euler", "default", "linspace", "a1111-cpu"};
  EXPECT_EQ(sampled(json::object()), euler);
  for (const char* name : {"Euler", "euler", "k_euler", "K EULER", "EulerDiscreteScheduler", ""})
    EXPECT_EQ(sampled({{"sampler_name", name}}), euler) << name;
  for (const char* name : {"Automatic", "automatic", ""})
    EXPECT_EQ(sampled({{"scheduler", name}}), euler) << name;
  for (const char* name : {"DPM++ 2M", "DPM++ 2M Karras", "k_dpmpp_2m"})
    EXPECT_EQ(sampled({{"sampler_name", name}}),
              (Sampled{"dpmpp_2m", "karras", "linspace", "a1111-cpu"}));
  // The newer field counts.
  EXPECT_EQ(sampled({{"sampler_name", "Euler"}, {"sampler_index", "DDIM"}}), euler);
  EXPECT_EQ(sampled({{"sampler_name", nullptr}, {"sampler_index", "DDIM"}}),
            (Sampled{"ddim", "default", "leading", "a1111-cpu"}));
}

TEST(Txt2Img, SamplesLikeThatProgram) {
  EXPECT_EQ(sampled({{"sampler_name", "DPM++ 2M"}, {"scheduler", "SGM Uniform"}}),
            (Sampled{"dpmpp_2m", "sgm_uniform", "linspace", "a1111-cpu"}));
  EXPECT_EQ(sampled({{"sampler_name", "DPM++ 2M"}, {"scheduler", "Uniform"}}).sigmas, "uniform");
  EXPECT_EQ(sampled({{"sampler_name", "DPM++ 3M SDE"}}).sigmas, "exponential");
  EXPECT_EQ(sampled({{"sampler_name", "DDIM"}, {"eta", 0.5}}).eta, 0.5);
  EXPECT_EQ(sampled({{"sampler_name", "Euler a"}, {"eta", 1}}).eta, 0);
  EXPECT_EQ(
      sampled({{"sampler_name", "Euler a"}, {"eta", 0.5}}, {"eta has no effect with Euler a"}).eta,
      0);
  for (const auto& [source, noise] : std::vector<std::pair<std::string, std::string>>{
           {"CPU", "a1111-cpu"}, {"GPU", "a1111-gpu"}, {"NV", "a1111-gpu"}}) {
    EXPECT_EQ(sampled({{"override_settings", {{"randn_source", source}}}}).noise, noise);
  }
}

TEST(Txt2Img, UsesTheNearestOfWhatThereIsNot) {
  EXPECT_EQ(sampled({{"sampler_name", "DPM2 a Karras"}},
                    {"sampler_name: DPM2 a Karras is not available, using the nearest: DPM2"}),
            (Sampled{"kdpm2", "karras", "linspace", "a1111-cpu"}));
  EXPECT_EQ(sampled({{"sampler_name", "DPM++ 2M"}, {"scheduler", "KL Optimal"}},
                    {"scheduler: KL Optimal is not available, using Karras"})
                .sigmas,
            "karras");
  EXPECT_EQ(sampled({{"sampler_name", "DDIM"}, {"scheduler", "Karras"}},
                    {"scheduler: Karras has no effect with DDIM"})
                .sigmas,
            "default");
}

TEST(Txt2Img, AcceptsTheLongestPromptInAnyEscaping) {
  const auto taken = [](const std::string& prompt) {
    return parsed(body({{"prompt", prompt}})).request.prompt;
  };
  for (const std::string& prompt :
       {std::string(65'536, 'a'), std::string(65'536, '\x01'), std::string(20'000, '"')})
    EXPECT_EQ(taken(prompt), prompt);
}

TEST(Txt2Img, RefusesByName) {
  const std::vector<std::tuple<std::string, json, std::string>> table = {
      {"sampler_name", "Eulr", "expected one of " + sampler_titles() + ", got \"Eulr\""},
      {"sampler_name", 3, "expected a string, got 3"},
      {"scheduler", 3, "expected a string, got 3"},
      {"eta", "none", "expected a number from 0 to 1, got \"none\""},
      {"hr_resize_x", 1024, "send hr_scale, got 1024"},
      {"styles", {"film", "noir"}, "expected at most one style, got a list"},
      {"styles", "film", "expected a list of names, got \"film\""},
      {"restore_faces", true, "face restoration is not supported, got true"},
      {"tiling", true, "tiling is not supported, got true"},
      {"refiner_checkpoint", "sdxl_refiner", "refiners are not supported, got \"sdxl_refiner\""},
      {"script_name", "x/y/z plot", "scripts are not supported, got \"x/y/z plot\""},
      {"subseed_strength", 0.1, "variation seeds are not supported, got 0.1"},
      {"s_churn", 1, "Euler runs without churn, got 1"},
      {"s_min_uncond", 0.5, "the negative prompt applies to all steps, got 0.5"},
      {"mask", kPhoto, "masks are not supported, got \"" + kPhoto + "\""},
      {"init_images", {kPhoto}, "img2img is not supported, got a list"},
      {"controlnet_units", {1}, "send units in alwayson_scripts.controlnet.args, got a list"},
      {"promt", "x", "there is no such field, did you mean prompt?"},
      {"cfgscale", 5, "there is no such field, did you mean cfg_scale?"},
      {"frobnicate", 0, "there is no such field"},
      {"firstpass_image", kPhoto, "img2img is not supported, got \"" + kPhoto + "\""},
      {"token_merging_ratio", 0.5, "token merging is not supported, got 0.5"},
      {"outpath_samples", "/tmp", "paths in requests are never read or written, got \"/tmp\""},
      {"prompt", 5, "expected a string, got 5"},
      {"prompt", std::string("a\0b", 3), "expected text without the character U+0000"},
      {"prompt", std::string(65'537, 'a'), "expected text of at most 65536 bytes, got 65537 bytes"},
      {"negative_prompt", std::string(1 << 20, 'a'),
       "expected text of at most 65536 bytes, got a long string"},
      {"steps", 0, "expected a whole number from 1 to 100, got 0"},
      {"steps", 101, "expected a whole number from 1 to 100, got 101"},
      {"steps", "20", "expected a whole number from 1 to 100, got \"20\""},
      {"steps", 1.5, "expected a whole number from 1 to 100, got 1.5"},
      {"steps", 1e300, "expected a whole number from 1 to 100, got 1e+300"},
      {"cfg_scale", 101, "expected a number from 0 to 100, got 101"},
      {"cfg_scale", true, "expected a number from 0 to 100, got true"},
      {"width", 1020, "expected a multiple of 8 from 8 to 4096, got 1020; the nearest is 1024"},
      {"width", 0, "expected a multiple of 8 from 8 to 4096, got 0"},
      {"height", 4, "expected a multiple of 8 from 8 to 4096, got 4"},
      {"height", 1e12, "expected a multiple of 8 from 8 to 4096, got 1000000000000.0"},
      {"seed", 0.5, "expected a whole number of at most 53 bits, got 0.5"},
      {"seed", -2, "expected at least 0, or -1 for a random seed, got -2"},
      {"batch_size", 17, "expected a whole number from 1 to 16, got 17"},
      {"n_iter", 0, "expected a whole number from 1 to 16, got 0"},
      {"send_images", "no", "expected true or false, got \"no\""},
      {"alwayson_scripts", 5, "expected a JSON object, got 5"},
      {"override_settings", 5, "expected a JSON object, got 5"},
  };
  for (const auto& [name, value, rule] : table) {
    EXPECT_EQ(refusal(body({{name, value}})), name + ": cannot take " + name + ": " + rule);
  }
  EXPECT_EQ(
      refusal(body({{"n_iter", 4}, {"batch_size", 5}})),
      "n_iter: cannot take n_iter: expected n_iter times batch_size of at most 16, got 4 x 5");
  EXPECT_EQ(refusal({1, 2}),
            "the request: cannot take the request: expected a JSON object, got a list");
  EXPECT_EQ(refusal(body({{"override_settings", {{"sd_model_checkpoint", "other"}}}})),
            "override_settings.sd_model_checkpoint: cannot take "
            "override_settings.sd_model_checkpoint: expected \"semblance-demo\", the model in use; "
            "POST /sdapi/v1/options switches to another, got \"other\"");
  EXPECT_EQ(refusal(body({{"override_settings", {{"randn_source", "TPU"}}}})),
            "override_settings.randn_source: cannot take override_settings.randn_source: it is "
            "\"CPU\" and cannot be changed, got \"TPU\"");
  EXPECT_EQ(refusal(body({{"override_settings", {{"sd_model_chekpoint", "x"}}}})),
            "override_settings.sd_model_chekpoint: cannot take "
            "override_settings.sd_model_chekpoint: there is no such option, did you mean "
            "sd_model_checkpoint?");
  EXPECT_EQ(refusal(body({{"override_settings", {{"sd_model_checkpoint", "semblance-demo"}}}})),
            "no error");
  json other = body();
  other["alwayson_scripts"]["ADetailer"] = {{"args", {true, {{"ad_model", "face"}}}}};
  EXPECT_EQ(refusal(other),
            "alwayson_scripts.ADetailer: cannot take alwayson_scripts.ADetailer: there is no such "
            "script; the only one is controlnet");
  for (const json& off : {json(nullptr), json::object(), json({{"args", json::array()}}),
                          json({{"args", {false, 1}}})}) {
    other["alwayson_scripts"]["ADetailer"] = off;
    EXPECT_EQ(refusal(other), "no error") << off;
  }
}

TEST(Txt2Img, WarnsByName) {
  const Txt2Img wanted = parsed(body({{"prompt", "a (man:1.2) <lora:x:1> BREAK a dog"},
                                      {"negative_prompt", "[snow] <hypernet:b:1> AND ice"},
                                      {"save_images", true},
                                      {"force_task_id", "t"}}));
  EXPECT_EQ(
      wanted.warnings,
      (std::vector<std::string>{
          "force_task_id has no effect: /sdapi/v1/progress takes no task id",
          "save_images has no effect: the service always keeps its newest results",
          "negative_prompt: of extra networks only LoRAs are supported; <hypernet:...> is read as "
          "plain text"}));
  EXPECT_EQ(wanted.request.encoding.name, "a1111");
}

TEST(Txt2Img, ReadsASecondPass) {
  const Txt2Img plain = parsed(body({{"hr_scale", 3}, {"denoising_strength", 0.3}}));
  EXPECT_EQ(plain.request.hires, 1);
  const Txt2Img usual = parsed(body({{"enable_hr", true}, {"hr_upscaler", "Lanczos"}}));
  EXPECT_EQ(usual.request.hires, 2);
  EXPECT_EQ(usual.request.hires_strength, 0.75);
  EXPECT_FALSE(usual.request.strength);
  EXPECT_EQ(usual.warnings, std::vector<std::string>{});
  const Txt2Img other = parsed(body({{"enable_hr", true},
                                     {"hr_scale", 1.5},
                                     {"denoising_strength", 0.4},
                                     {"hr_upscaler", "Latent"},
                                     {"hr_second_pass_steps", 10}}));
  EXPECT_EQ(other.request.hires, 1.5);
  EXPECT_EQ(other.request.hires_strength, 0.4);
  EXPECT_EQ(other.warnings,
            (std::vector<std::string>{"hr_upscaler: the picture is enlarged with Lanczos",
                                      "hr_second_pass_steps: the second pass makes "
                                      "denoising_strength of the first one's steps"}));
  EXPECT_EQ(refusal(body({{"enable_hr", true}, {"hr_prompt", "a cat"}})),
            "hr_prompt: cannot take hr_prompt: the second pass has the settings of the first, got "
            "\"a cat\"");
  EXPECT_EQ(refusal(body({{"enable_hr", true}, {"hr_scale", 5}})),
            "hr_scale: cannot take hr_scale: expected a number from 1 to 4, got 5");
  EXPECT_EQ(refusal(body({{"enable_hr", true}, {"hr_scale", 4}, {"width", 2048}})),
            "hr_scale: cannot take hr_scale: expected a picture with sides of at most 4096 pixels, "
            "got one of 8192x4096");
}

TEST(Txt2Img, TakesAStyle) {
  EXPECT_EQ(parsed(body({{"styles", {"", "film noir", "None"}}})).request.style,
            Choice("Film Noir"));
  EXPECT_EQ(parsed(body({{"styles", {"Oil"}}})).request.style, Choice("Oil"));
  EXPECT_FALSE(parsed(body({{"styles", {"None"}}})).request.style);
}

TEST(InstantIdUnits, AreFoundByModuleOrModelInAnyForm) {
  const std::vector<json> same = {
      units_json({{{"module", "instant_id_face_embedding"}, {"image", kPhoto}}, points_unit()}),
      units_json({{{"model", "ip-adapter_instant_id_sdxl [abc]"}, {"image", kPhoto}},
                  {{"model", "control_instant_id_sdxl"}}}),
      units_json({{{"module", "InsightFace (InstantID)"}, {"image", kPhoto}}, points_unit()}),
      units_json({face_unit({{"module", "ip-adapter-auto"}}), points_unit({{"module", "None"}})}),
      units_json({face_unit({{"image", {{"image", kPhoto}, {"mask", nullptr}}}}), points_unit()}),
      units_json({face_unit({{"image", {kPhoto, nullptr}}}), points_unit()}),
      units_json({face_unit({{"image", {kPhoto}}}), points_unit()}),
      units_json({face_unit({{"image", json::array({{{"image", kPhoto}}})}}), points_unit()}),
      units_json({face_unit({{"image", nullptr}, {"input_image", kPhoto}}), points_unit()}),
      units_json({face_unit({{"image", "data:image/png;base64," + kPhoto}}), points_unit()}),
      // The other order, and the same photo sent twice.
      units_json({points_unit({{"image", kPhoto}, {"resize_mode", 2}}), face_unit()}),
      // Units and scripts that are off.
      units_json({nullptr,
                  json::object(),
                  face_unit({{"enabled", true}}),
                  points_unit(),
                  {{"enabled", false}, {"module", "canny"}, {"what", 1}}}),
      {{"alwayson_scripts", {{"ControlNET", {{"args", {face_unit(), points_unit()}}}}}}},
  };
  for (const json& whole : same) {
    const Txt2Img wanted = parsed(whole);
    EXPECT_EQ(wanted.request.photo.bytes, "PHOTO") << whole;
    EXPECT_FALSE(wanted.request.pose.decoded) << whole;
    EXPECT_EQ(wanted.request.identity_strength, 1) << whole;
    EXPECT_EQ(wanted.warnings, std::vector<std::string>{}) << whole;
  }
}

TEST(InstantIdUnits, WithoutKeypointsTurnIdentityNetOffWithAWarning) {
  const Txt2Img wanted = parsed(units_json(json::array({face_unit({{"weight", 0.5}})})));
  EXPECT_EQ(wanted.request.adapter_strength, 0.5);
  EXPECT_EQ(wanted.request.identity_strength, 0);
  ASSERT_EQ(wanted.warnings.size(), 1U);
  EXPECT_TRUE(
      wanted.warnings[0].starts_with("there is no control_instant_id unit: IdentityNet is off"));
}

TEST(InstantIdUnits, WarnAboutFieldsWithoutEffect) {
  const Txt2Img wanted = parsed(units_json(
      {face_unit({{"save_detected_map", true}, {"resize_mode", "Just Resize"}}),
       points_unit({{"image", kPose}, {"resize_mode", "Crop and Resize"}, {"low_vram", true}})}));
  EXPECT_EQ(wanted.request.pose.bytes, "POSE");
  EXPECT_EQ(
      wanted.warnings,
      (std::vector<std::string>{
          std::string(kArgs) + "[0].save_detected_map has no effect: there is no detected map",
          std::string(kArgs) + "[1].resize_mode has no effect: the photo is always fitted "
                               "into the picture as Resize and Fill does"}));
}

TEST(InstantIdUnits, AreRefusedByName) {
  const std::string both =
      "it contradicts the unit's module: one is for the face, one for keypoints or another "
      "ControlNet, got ";
  const std::string no_mask = "masks are not supported";
  const std::vector<std::tuple<json, std::string, std::string>> table = {
      {{{"module", "canny"}}, "model", both + "\"ip-adapter_instant_id_sdxl\""},
      {{{"model", "control_v11p_sd15_canny"}}, "model", both + "\"control_v11p_sd15_canny\""},
      {{{"model", "control_instant_id_sdxl"}}, "model", both + "\"control_instant_id_sdxl\""},
      {{{"image", "not base64"}}, "image", "expected an image in base64, got \"not base64\""},
      {{{"image", "/etc/passwd.png"}},
       "image",
       "expected an image in base64, got \"/etc/passwd.png\""},
      {{{"image", 5}}, "image", "expected an image in base64, got 5"},
      {{{"image", {{"image", kPhoto}, {"mask", kPose}}}}, "image.mask", no_mask},
      {{{"image", {{"picture", kPhoto}}}},
       "image.picture",
       "there is no such field; an image has image and mask"},
      {{{"image", {kPhoto, kPose}}}, "image.mask", no_mask},
      {{{"image", {kPhoto, nullptr, nullptr}}},
       "image",
       "expected a list of an image and its mask, got a list"},
      {{{"image", {{{"image", kPhoto}}, {{"image", kPose}}}}},
       "image",
       "expected one photo, not 2, got a list"},
      {{{"input_image", kPose}}, "input_image", "image is given as well, got \"" + kPose + "\""},
      {{{"mask", kPose}}, "mask", no_mask + ", got \"" + kPose + "\""},
      {{{"effective_region_mask", std::string(20'000, 'A')}},
       "effective_region_mask",
       no_mask + ", got a long string"},
      {{{"advanced_weighting", {1, 2}}},
       "advanced_weighting",
       "a unit has one weight for all layers, got a list"},
      {{{"control_mode", "My prompt is more important"}},
       "control_mode",
       "expected Balanced, got \"My prompt is more important\""},
      {{{"control_mode", 2}}, "control_mode", "expected Balanced, got 2"},
      {{{"guidance_start", 0.9}, {"guidance_end", 0.5}},
       "guidance_start",
       "expected at most alwayson_scripts.controlnet.args[0].guidance_end, got 0.9 and 0.5"},
      {{{"weight", 6}}, "weight", "expected a number from 0 to 5, got 6"},
      {{{"weight", "1"}}, "weight", "expected a number from 0 to 5, got \"1\""},
      {{{"enabled", 1}}, "enabled", "expected true or false, got 1"},
      {{{"wieght", 1}}, "wieght", "there is no such field, did you mean weight?"},
      {{{"output_dir", "/tmp"}},
       "output_dir",
       "paths in requests are never read or written, got "
       "\"/tmp\""},
  };
  for (const auto& [more, name, rule] : table) {
    const std::string path = std::string(kArgs) + "[0]." + name;
    EXPECT_EQ(refusal(units_json(json::array({face_unit(more)}))),
              path + ": cannot take " + path + ": " + rule);
  }
}

TEST(InstantIdUnits, WithKeypointsAreRefusedByName) {
  const std::vector<std::tuple<json, std::string, std::string>> table = {
      {{{"module", "none"}, {"image", kPose}},
       "module",
       "keypoint drawings are not supported; send a photo with the module "
       "instant_id_face_keypoints, got \"none\""},
      {{{"guidance_start", 0.9}, {"guidance_end", 0.5}},
       "guidance_start",
       "expected at most alwayson_scripts.controlnet.args[1].guidance_end, got 0.9 and 0.5"},
      {{{"guidance_end", 1.5}}, "guidance_end", "expected a number from 0 to 1, got 1.5"},
      {{{"guidance", 0.5}, {"guidance_end", 0.6}},
       "guidance",
       "guidance_end is given as well, got 0.5"},
      {{{"weight", -1}}, "weight", "expected a number from 0 to 5, got -1"},
  };
  for (const auto& [more, name, rule] : table) {
    const std::string path = std::string(kArgs) + "[1]." + name;
    EXPECT_EQ(refusal(units_json({face_unit(), points_unit(more)})),
              path + ": cannot take " + path + ": " + rule);
  }
  const std::string args = kArgs;
  EXPECT_EQ(refusal(units_json({face_unit(), face_unit()})),
            args + "[1]: cannot take " + args + "[1]: expected one unit of this kind, and " + args +
                "[0] is one already");
  EXPECT_EQ(refusal(units_json(json::array({{{"image", kPhoto}}}))),
            args + "[0].module: cannot take " + args +
                "[0].module: it is missing: expected instant_id_face_embedding or "
                "instant_id_face_keypoints");
  EXPECT_EQ(refusal(units_json(json::array({true}))),
            args + "[0]: cannot take " + args + "[0]: expected a JSON object, got true");
  EXPECT_EQ(refusal({{"alwayson_scripts", {{"controlnet", {{"args", {{"a", 1}}}}}}}}),
            args + ": cannot take " + args + ": expected a list of units, got an object");
}

TEST(InstantIdUnits, WithoutAPhotoAnswerWithAnExample) {
  const std::string wanted =
      "InstantID's photo is missing; for example {\"alwayson_scripts\": {\"controlnet\": "
      "{\"args\": "
      "[{\"module\": \"instant_id_face_embedding\", \"image\": \"BASE64\"}, {\"module\": "
      "\"instant_id_face_keypoints\"}]}}}";
  const std::string all = "alwayson_scripts: cannot take alwayson_scripts: " + wanted;
  EXPECT_EQ(refusal({{"prompt", "a man"}}), all);
  EXPECT_EQ(refusal({{"alwayson_scripts", nullptr}}), all);
  EXPECT_EQ(refusal(units_json(json::array())), all);
  EXPECT_EQ(refusal(units_json(json::array({points_unit({{"image", kPhoto}})}))), all);
  EXPECT_EQ(refusal(units_json(json::array({face_unit({{"enabled", false}})}))), all);
  const std::string path = std::string(kArgs) + "[0].image";
  EXPECT_EQ(refusal(units_json(json::array({face_unit({{"image", ""}})}))),
            path + ": cannot take " + path + ": " + wanted);
  // The example is valid.
  const std::size_t begin = wanted.find('{');
  json shown = json::parse(wanted.substr(begin));
  shown["alwayson_scripts"]["controlnet"]["args"][0]["image"] = kPhoto;
  EXPECT_TRUE(parsed(shown).warnings.empty());
}

TEST(Txt2Img, ResponseHasParametersAndInfo) {
  Txt2Img wanted = parsed(body({{"prompt", "a man"}, {"seed", 7}, {"batch_size", 2}}));
  wanted.warnings = {"w"};
  Job job{.state = JobState::kDone, .started = kStart, .request = wanted.request};
  job.pictures = {{{1024, 1024}, 7}, {{1024, 1024}, 8}};
  const ResponseFrame frame = txt2img_frame(wanted, job, {"text 7", "text 8"}, "demo");
  const json answer = json::parse(frame.before + "\"UE5H\",\"UE5H\"" + frame.after);
  EXPECT_EQ(answer["images"], (json{"UE5H", "UE5H"}));
  const json& parameters = answer["parameters"];
  EXPECT_EQ(parameters["prompt"], "a man");
  EXPECT_EQ(parameters["steps"], 50);
  EXPECT_EQ(parameters["batch_size"], 2);
  EXPECT_EQ(parameters["seed"], 7);
  // The response's parameters are a valid request, except for the photo.
  json again = parameters;
  again["alwayson_scripts"]["controlnet"]["args"][0]["image"] = kPhoto;
  EXPECT_EQ(refusal(again), "no error");
  const json info = json::parse(answer["info"].get<std::string>());
  EXPECT_EQ(info["all_seeds"], (json{7, 8}));
  EXPECT_EQ(info["seed"], 7);
  EXPECT_EQ(info["infotexts"], (json{"text 7", "text 8"}));
  EXPECT_EQ(info["all_prompts"], (json{"a man", "a man"}));
  EXPECT_EQ(info["sd_model_name"], "demo");
  EXPECT_EQ(info["job_timestamp"], "20260131120000");
  EXPECT_EQ(info["warnings"], json{"w"});
  EXPECT_EQ(info["interrupted"], false);
  job.state = JobState::kCancelled;
  job.pictures.clear();
  const ResponseFrame none = txt2img_frame(wanted, job, {}, "demo");
  EXPECT_EQ(json::parse(none.before + none.after)["images"], json::array());
}

TEST(Progress, CountsPicturesAndSteps) {
  const json idle = json::parse(progress_response(nullptr, false));
  EXPECT_EQ(idle["progress"], 0);
  EXPECT_EQ(idle["state"]["job_count"], 0);
  EXPECT_EQ(idle["state"]["job"], "");
  EXPECT_TRUE(idle["current_image"].is_null());
  EXPECT_TRUE(idle["textinfo"].is_null());
  Job job{.id = "id", .state = JobState::kRunning, .started = kStart};
  job.request.count = 4;
  job.request.steps = 10;
  job.pictures = {{{64, 64}, 1}};
  job.progress = {.step = 5, .stage = "steps", .seconds_left = 12.5};
  const json answer = json::parse(progress_response(&job, false, "PNG"));
  EXPECT_EQ(answer["progress"], 0.375);
  EXPECT_EQ(answer["eta_relative"], 12.5);
  EXPECT_EQ(answer["current_image"], "UE5H");
  EXPECT_EQ(answer["textinfo"], "steps");
  EXPECT_EQ(answer["state"], json::parse(R"({"skipped": false, "interrupted": false,
    "stopping_generation": false, "job": "id", "job_count": 4, "job_timestamp": "20260131120000",
    "job_no": 1, "sampling_step": 5, "sampling_steps": 10})"));
}

TEST(WebUiLists, NameSamplersAndCurves) {
  const json all = json::parse(samplers_response());
  ASSERT_EQ(all.size(), samplers().size());
  EXPECT_EQ(
      all[0],
      json::parse(
          R"({"name": "Euler", "aliases": ["euler", "k_euler", "euler_discrete"], "options": {}})"));
  // Each name of the lists is accepted without a warning.
  for (const json& each : all) {
    EXPECT_NE(sampled({{"sampler_name", each["name"]}}).scheduler, "");
    const bool is_dpm = each["name"] == "DPM++ 2M";
    if (is_dpm) {
      EXPECT_EQ(each["options"]["scheduler"], "karras");
    }
  }
  const json curves = json::parse(schedulers_response());
  ASSERT_EQ(curves.size(), semblance::curves().size());
  EXPECT_EQ(curves[0]["name"], "automatic");
  EXPECT_EQ(curves[1]["label"], "Karras");
  for (const json& each : curves) {
    for (const char* field : {"name", "label"})
      EXPECT_NE(sampled({{"scheduler", each[field]}}).sigmas, "") << each;
  }
}

TEST(WebUiLists, NameTheModels) {
  const json models = json::parse(sd_models_response({"demo", "film"}));
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0]["title"], "demo");
  EXPECT_EQ(models[1]["filename"], "film");
}

}  // namespace
}  // namespace semblance::service
