#include "service/a1111.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "service/a1111_fields.h"
#include "service/a1111_samplers.h"
#include "service/a1111_scripts.h"
#include "service/a1111_units.h"
#include "service/base64.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr auto kOff = Effect::kMustBeOff;
constexpr auto kNone = Effect::kNone;

constexpr auto kFields = std::to_array<Field>({
    {"prompt"},
    {"negative_prompt"},
    {"seed"},
    {"steps"},
    {"cfg_scale"},
    {"width"},
    {"height"},
    {"batch_size"},
    {"n_iter"},
    {"sampler_name"},
    {"sampler_index"},
    {"scheduler"},
    {"eta"},
    {"alwayson_scripts"},
    {"override_settings"},
    {"send_images"},
    {"save_images", Effect::kWarned, "the service keeps its newest results in any case"},
    {"force_task_id", Effect::kWarned, "progress is asked of /sdapi/v1/progress without an id"},
    {"enable_hr", kOff, "there is no second pass, width and height give the size at once"},
    {"styles", kOff, "there are no styles, their words go into the prompt"},
    {"restore_faces", kOff, "faces are not restored afterwards"},
    {"tiling", kOff, "pictures that tile cannot be made here"},
    {"refiner_checkpoint", kOff, "there is no refiner"},
    {"script_name", kOff, "there are no such scripts"},
    {"subseed_strength", kOff, "seeds are not mixed"},
    {"seed_resize_from_h", kOff, "noise is made for the size asked for"},
    {"seed_resize_from_w", kOff, "noise is made for the size asked for"},
    {"s_churn", kOff, "Euler works without churn here"},
    {"s_min_uncond", kOff, "the negative prompt works in all steps"},
    {"infotext", kOff, "each setting comes in its own field"},
    {"init_images", kOff, "pictures are made from noise"},
    {"firstpass_image", kOff, "pictures are made from noise"},
    {"mask", kOff, "there are no masks, the whole picture is made from noise"},
    {"controlnet_units", kOff, "units come in alwayson_scripts.controlnet.args"},
    {"comments", kOff, "there are none"},
    {"token_merging_ratio", kOff, "tokens are not merged"},
    {"token_merging_ratio_hr", kOff, "tokens are not merged"},
    {"outpath_samples", kOff, "no path of a request is read or written"},
    {"outpath_grids", kOff, "no path of a request is read or written"},
    // Parts of what is off above.
    {"denoising_strength", kNone},
    {"firstphase_width", kNone},
    {"firstphase_height", kNone},
    {"hr_scale", kNone},
    {"hr_upscaler", kNone},
    {"hr_second_pass_steps", kNone},
    {"hr_resize_x", kNone},
    {"hr_resize_y", kNone},
    {"hr_checkpoint_name", kNone},
    {"hr_sampler_name", kNone},
    {"hr_scheduler", kNone},
    {"hr_prompt", kNone},
    {"hr_negative_prompt", kNone},
    {"hr_cfg", kNone},
    {"hr_distilled_cfg", kNone},
    {"hr_additional_modules", kNone},
    {"refiner_switch_at", kNone},
    {"script_args", kNone},
    {"subseed", kNone},
    {"seed_enable_extras", kNone},
    {"s_tmin", kNone},
    {"s_tmax", kNone},
    {"s_noise", kNone},
    // Of other samplers and models, and of how that program keeps house.
    {"distilled_cfg_scale", kNone},
    {"disable_extra_networks", kNone},
    {"do_not_reload_embeddings", kNone},
    {"do_not_save_samples", kNone},
    {"do_not_save_grid", kNone},
    {"override_settings_restore_afterwards", kNone},
});

bool has_word(std::string_view text, std::string_view word) {
  const auto is_letter = [&](std::size_t i) {
    return i < text.size() && (static_cast<unsigned char>(text[i]) >= 0x80 ||
                               std::isalnum(static_cast<unsigned char>(text[i])) != 0);
  };
  for (std::size_t i = text.find(word); i != std::string_view::npos; i = text.find(word, i + 1)) {
    if (!is_letter(i - 1) && !is_letter(i + word.size())) return true;
  }
  return false;
}

/// The syntax that prompts have there and not here, and read as plain text; of weights the job
/// itself tells.
void warn_of_prompt(std::string_view field, std::string_view prompt,
                    std::vector<std::string>& warnings) {
  const auto warn = [&](std::string_view what) {
    warnings.push_back(fmt::format("{}: {} as plain text", field, what));
  };
  for (std::string_view network : {"<lora:", "<lyco:", "<hypernet:"}) {
    if (prompt.find(network) != std::string_view::npos)
      warn(fmt::format("there are no extra networks, {}...> is taken", network));
  }
  for (std::string_view word : {"AND", "BREAK"}) {
    if (has_word(prompt, word)) warn(fmt::format("{} is taken", word));
  }
}

int whole_in(const Fields& body, std::string_view name, int fallback, int most) {
  const std::int64_t number = body.whole(name).value_or(fallback);
  if (number < 1 || number > most) body.refuse(name, fmt::format("it must be from 1 to {}", most));
  return static_cast<int>(number);
}

/// Ranges are check_settings()'s matter.
int narrow(std::int64_t number) {
  constexpr std::int64_t kMost = 1'000'000'000;
  return static_cast<int>(std::clamp(number, -kMost, kMost));
}

int side_in(const Fields& body, std::string_view name, int native_side) {
  const int side = narrow(body.whole(name).value_or(native_side));
  return side == 0 ? -1 : side;  // 0 would leave it open
}

void read_settings_of(const Fields& body, int native_side, Txt2Img& wanted) {
  JobSettings& s = wanted.job.settings;
  s.prompt = body.text("prompt").value_or("");
  // There an empty negative prompt of an SDXL is no prompt at all, as diffusers' None.
  s.negative = body.text("negative_prompt");
  if (s.negative && s.negative->empty()) s.negative.reset();
  s.steps = narrow(body.whole("steps").value_or(50));
  s.guidance = static_cast<float>(body.number("cfg_scale").value_or(7));
  s.width = side_in(body, "width", native_side);
  s.height = side_in(body, "height", native_side);
  const std::int64_t seed = body.whole("seed").value_or(-1);
  if (seed < -1) body.refuse("seed", "it must be at least 0, or -1 for a random one");
  if (seed >= 0) s.seed = static_cast<std::uint64_t>(seed);
  const int most = most_of_job(parameters::kCount);
  wanted.batch_size = whole_in(body, "batch_size", 1, most);
  wanted.batches = whole_in(body, "n_iter", 1, most);
  s.count = wanted.batch_size * wanted.batches;
  if (s.count > most) {
    refuse_field("n_iter", fmt::format("n_iter times batch_size must be at most {}", most),
                 fmt::format("{} x {}", wanted.batches, wanted.batch_size));
  }
  wanted.send_images = body.boolean("send_images").value_or(true);
}

/// What must be as it is here, but for the device whose noise is used.
void read_override(const LongStringJson& json, const Fields& body, std::string_view model,
                   JobSettings& settings) {
  const auto* const override = body.find("override_settings");
  if (override == nullptr) return;
  nlohmann::json others = *override;
  const auto source = others.is_object() ? others.find("randn_source") : others.end();
  if (source != others.end() && (*source == "GPU" || *source == "NV")) {
    settings.noise = Choice("a1111-gpu");
    others.erase(source);
  }
  check_options(Fields(json, others, "override_settings"), others, model);
}

/// Where a parameter stands in the body: "cfg_scale", or the path of a unit's field.
std::string field_of(const Parameter& row, const InstantIdUnits& units) {
  const std::size_t dot = row.web_ui.find('.');
  if (dot == std::string_view::npos) return std::string(row.web_ui);
  const std::string& unit = row.web_ui.starts_with("face.") ? units.face_path : units.points_path;
  return unit + std::string(row.web_ui.substr(dot));
}

OrderedJson parameters_of(const Txt2Img& wanted) {
  const JobSettings& s = wanted.job.settings;
  OrderedJson parameters;
  parameters["prompt"] = s.prompt;
  parameters["negative_prompt"] = s.negative.value_or("");
  parameters["seed"] = s.seed ? OrderedJson(*s.seed) : OrderedJson(-1);
  parameters["steps"] = s.steps;
  parameters["cfg_scale"] = as_written(s.guidance.value());
  parameters["width"] = s.width;
  parameters["height"] = s.height;
  parameters["batch_size"] = wanted.batch_size;
  parameters["n_iter"] = wanted.batches;
  parameters["sampler_name"] = sampler_title(s);
  parameters["scheduler"] = scheduler_title(s);
  parameters["send_images"] = wanted.send_images;
  // The photos stay with who sent them.
  OrderedJson units = OrderedJson::array();
  units.push_back({{"module", "instant_id_face_embedding"},
                   {"model", "ip-adapter_instant_id_sdxl"},
                   {"weight", as_written(s.adapter_strength)}});
  units.push_back({{"module", "instant_id_face_keypoints"},
                   {"model", "control_instant_id_sdxl"},
                   {"weight", as_written(s.identity_strength)},
                   {"guidance_start", s.identity_start},
                   {"guidance_end", s.identity_end}});
  parameters["alwayson_scripts"] = {{"controlnet", {{"args", std::move(units)}}}};
  return parameters;
}

OrderedJson info_of(const Txt2Img& wanted, const MadeTxt2Img& made, std::string_view model) {
  const JobSettings& s = wanted.job.settings;
  const std::size_t count = made.seeds.size();
  OrderedJson info;
  info["prompt"] = s.prompt;
  info["all_prompts"] = std::vector<std::string>(count, s.prompt);
  info["negative_prompt"] = s.negative.value_or("");
  info["all_negative_prompts"] = std::vector<std::string>(count, s.negative.value_or(""));
  info["seed"] = made.seeds.empty() ? OrderedJson(-1) : OrderedJson(made.seeds.front());
  info["all_seeds"] = made.seeds;
  info["subseed"] = -1;
  info["all_subseeds"] = std::vector<int>(count, -1);
  info["subseed_strength"] = 0;
  info["width"] = s.width;
  info["height"] = s.height;
  info["sampler_name"] = sampler_title(s);
  info["cfg_scale"] = as_written(s.guidance.value());
  info["steps"] = s.steps;
  info["batch_size"] = wanted.batch_size;
  info["restore_faces"] = false;
  info["face_restoration_model"] = nullptr;
  info["sd_model_name"] = model;
  info["sd_model_hash"] = nullptr;
  info["sd_vae_name"] = nullptr;
  info["sd_vae_hash"] = nullptr;
  info["seed_resize_from_w"] = -1;
  info["seed_resize_from_h"] = -1;
  info["denoising_strength"] = nullptr;
  info["extra_generation_params"] = OrderedJson::object();
  info["index_of_first_image"] = 0;
  info["infotexts"] = made.infotexts;
  info["styles"] = OrderedJson::array();
  info["job_timestamp"] = made.timestamp;
  info["clip_skip"] = 1;
  info["is_using_inpainting_conditioning"] = false;
  // Ours.
  info["interrupted"] = made.interrupted;
  info["warnings"] = wanted.job.warnings;
  return info;
}

}  // namespace

Txt2Img parse_txt2img(std::string_view text, std::string_view model, int native_side) {
  const LongStringJson json(text);
  const Fields body(json, json.value(), "");
  Txt2Img wanted;
  std::vector<std::string>& warnings = wanted.job.warnings;
  check_fields(json, json.value(), "", kFields, warnings);
  read_settings_of(body, native_side, wanted);
  read_sampler(body, wanted.job.settings, warnings);
  read_override(json, body, model, wanted.job.settings);
  warn_of_prompt("prompt", wanted.job.settings.prompt, warnings);
  warn_of_prompt("negative_prompt", wanted.job.settings.negative.value_or(""), warnings);
  const auto* const found = body.find("alwayson_scripts");
  const nlohmann::json& scripts = found == nullptr ? nlohmann::json() : *found;
  check_scripts(json, scripts, wanted.job.settings);
  InstantIdUnits units = read_units(json, scripts);
  JobSettings& s = wanted.job.settings;
  s.adapter_strength = static_cast<float>(units.adapter_strength);
  s.identity_strength = static_cast<float>(units.identity_strength);
  s.identity_start = units.identity_start;
  s.identity_end = units.identity_end;
  check_settings(s, [&units](const Parameter& row) { return field_of(row, units); });
  wanted.job.photo = std::move(units.photo);
  wanted.job.pose = std::move(units.pose);
  wanted.job.photo_name = units.photo_name;
  wanted.job.pose_name = units.pose_name;
  warnings.insert(warnings.end(), units.warnings.begin(), units.warnings.end());
  return wanted;
}

Txt2ImgFrame txt2img_frame(const Txt2Img& wanted, const MadeTxt2Img& made, std::string_view model) {
  OrderedJson rest;
  rest["parameters"] = parameters_of(wanted);
  rest["info"] = info_of(wanted, made, model).dump();
  return {R"({"images":[)", "]," + rest.dump().substr(1)};
}

std::string progress_response(const Txt2ImgProgress& progress) {
  const bool is_idle = progress.job.empty();
  const int pictures = std::max(progress.pictures, 1);
  const double of_picture =
      progress.steps > 0 ? static_cast<double>(progress.step) / progress.steps : 0;
  OrderedJson state;
  state["skipped"] = false;
  state["interrupted"] = progress.interrupted;
  state["stopping_generation"] = false;
  state["job"] = progress.job;
  state["job_count"] = is_idle ? 0 : progress.pictures;
  state["job_timestamp"] = is_idle ? "0" : progress.timestamp;
  state["job_no"] = progress.picture;
  state["sampling_step"] = progress.step;
  state["sampling_steps"] = progress.steps;
  OrderedJson response;
  response["progress"] =
      is_idle ? 0 : std::clamp((progress.picture + of_picture) / pictures, 0.0, 1.0);
  response["eta_relative"] = progress.seconds_left;
  response["state"] = std::move(state);
  response["current_image"] =
      progress.preview.empty() ? OrderedJson() : OrderedJson(base64(progress.preview));
  response["textinfo"] = progress.text.empty() ? OrderedJson() : OrderedJson(progress.text);
  return response.dump();
}

std::string sd_models_response(std::string_view model) {
  return OrderedJson::array({{{"title", model},
                              {"model_name", model},
                              {"hash", nullptr},
                              {"sha256", nullptr},
                              {"filename", model},  // folders of this machine are not told
                              {"config", nullptr}}})
      .dump();
}

}  // namespace semblance::service
