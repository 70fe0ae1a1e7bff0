#include "service/a1111.h"

#include <fmt/chrono.h>

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
    {"styles"},
    {"send_images"},
    {"save_images", Effect::kWarned, "the service always keeps its newest results"},
    {"force_task_id", Effect::kWarned, "/sdapi/v1/progress takes no task id"},
    {"enable_hr"},
    {"hr_scale"},
    {"hr_upscaler"},
    {"hr_second_pass_steps"},
    {"hr_resize_x", kOff, "send hr_scale"},
    {"hr_resize_y", kOff, "send hr_scale"},
    {"denoising_strength"},
    {"restore_faces", kOff, "face restoration is not supported"},
    {"tiling", kOff, "tiling is not supported"},
    {"refiner_checkpoint", kOff, "refiners are not supported"},
    {"script_name", kOff, "scripts are not supported"},
    {"subseed_strength", kOff, "variation seeds are not supported"},
    {"seed_resize_from_h", kOff, "resizing from a seed is not supported"},
    {"seed_resize_from_w", kOff, "resizing from a seed is not supported"},
    {"s_churn", kOff, "Euler runs without churn"},
    {"s_min_uncond", kOff, "the negative prompt applies to all steps"},
    {"infotext", kOff, "send each setting in its own field"},
    {"init_images", kOff, "img2img is not supported"},
    {"firstpass_image", kOff, "img2img is not supported"},
    {"mask", kOff, kNoMasks},
    {"controlnet_units", kOff, "send units in alwayson_scripts.controlnet.args"},
    {"comments", kOff, "comments are not supported"},
    {"token_merging_ratio", kOff, "token merging is not supported"},
    {"token_merging_ratio_hr", kOff, "token merging is not supported"},
    {"outpath_samples", kOff, kNoPaths},
    {"outpath_grids", kOff, kNoPaths},
    // Details of features that are off, see above.
    {"firstphase_width", kNone},
    {"firstphase_height", kNone},
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
    // For other models, and for that program's own housekeeping.
    {"distilled_cfg_scale", kNone},
    {"disable_extra_networks", kNone},
    {"do_not_reload_embeddings", kNone},
    {"do_not_save_samples", kNone},
    {"do_not_save_grid", kNone},
    {"override_settings_restore_afterwards", kNone},
});

/// Of a second pass, which has the settings of the first; without one they have no effect.
constexpr auto kFieldsOfSecondPass = std::to_array<std::string_view>(
    {"hr_checkpoint_name", "hr_sampler_name", "hr_scheduler", "hr_prompt", "hr_negative_prompt"});

/// Those of img2img alone, or with another meaning there.
constexpr auto kFieldsOfImg2Img = std::to_array<Field>({
    {"init_images"},
    {"enable_hr", kOff, "a second pass is of txt2img alone; width and height are the final size"},
    {"hr_scale", kNone},
    {"hr_upscaler", kNone},
    {"hr_second_pass_steps", kNone},
    {"hr_resize_x", kNone},
    {"hr_resize_y", kNone},
    {"denoising_strength"},
    {"mask"},
    {"mask_blur"},
    {"inpainting_fill"},
    {"inpaint_full_res"},
    {"inpaint_full_res_padding"},
    {"resize_mode", kOff, "only 0 is supported: a picture of another shape is stretched"},
    {"inpainting_mask_invert", kOff, "send a mask that is white where the picture is repainted"},
    {"mask_blur_x", kOff, "send mask_blur"},
    {"mask_blur_y", kOff, "send mask_blur"},
    {"mask_round", kNone},
    {"latent_mask", kOff, "send mask"},
    {"include_init_images", Effect::kWarned, "the response has the new pictures alone"},
    {"initial_noise_multiplier", kNone},
    {"image_cfg_scale", kNone},
    {"img2img_upscaler", kNone},
});

std::vector<Field> fields_of(bool is_img2img) {
  std::vector<Field> fields(kFields.begin(), kFields.end());
  for (const std::string_view name : kFieldsOfSecondPass) fields.push_back({name, kNone});
  if (!is_img2img) return fields;
  for (const Field& field : kFieldsOfImg2Img) {
    std::erase_if(fields, [&](const Field& other) { return other.name == field.name; });
    fields.push_back(field);
  }
  return fields;
}

/// Warns of prompt syntax that is read as plain text here; of other syntax the job warns.
void warn_of_prompt(std::string_view field, std::string_view prompt,
                    std::vector<std::string>& warnings) {
  for (const std::string_view network : {"<lyco:", "<hypernet:"}) {
    if (prompt.find(network) == std::string_view::npos) continue;
    warnings.push_back(
        fmt::format("{}: of extra networks only LoRAs are supported; {}...> is read as plain text",
                    field, network));
  }
}

/// The only style of the list; empty names and None are none.
std::optional<Choice> style_in(const Fields& body) {
  std::optional<Choice> style;
  const json* const list = body.find("styles");
  if (list == nullptr || is_off(*list)) return style;
  if (!list->is_array()) body.refuse("styles", "expected a list of names");
  for (const json& name : *list) {
    if (is_off(name)) continue;
    if (!name.is_string()) body.refuse("styles", "expected a list of names");
    if (style) body.refuse("styles", "expected at most one style");
    read_text(parameters::kStyle, name.get_ref<const std::string&>(), style);
  }
  return style;
}

/// A field that has a parameter's rule; an absent one leaves the member as it is.
template <typename T>
void read_field(const LongStringJson& json, const Fields& body, const Parameter& row,
                std::string_view name, T& member) {
  const nlohmann::json* const value = body.find(name);
  if (value != nullptr)
    read_parameter(row, body.path_of(name), *value, shown(json, *value), member);
}

/// What the pictures start from, and its mask. That program's defaults.
void read_start(const LongStringJson& json, const Fields& body, JobRequest& request) {
  const nlohmann::json* const pictures = body.find("init_images");
  if (pictures == nullptr || !pictures->is_array() || pictures->size() != 1)
    body.refuse("init_images", "expected a list of one image in base64");
  read_base64(json, body, "init_images", pictures->front(), request.initial);
  const auto read = [&](const Parameter& row, std::string_view name, auto& member) {
    read_field(json, body, row, name, member);
  };
  // Otherwise the picture's own size, or the model's for a mask's surroundings.
  if (body.find("width") == nullptr && body.find("height") == nullptr)
    request.width = request.height = 0;
  request.strength = 0.75;
  read(parameters::kStrength, "denoising_strength", request.strength);
  const nlohmann::json* const mask = body.find("mask");
  if (mask == nullptr || is_off(*mask)) return;
  read_base64(json, body, "mask", *mask, request.mask);
  read(parameters::kMaskBlur, "mask_blur", request.mask_blur);
  const nlohmann::json* const part = body.find("inpaint_full_res");
  const bool is_part = part == nullptr || !is_off(*part);
  request.inpaint_area = std::string(kInpaintAreaNames[is_part ? 1 : 0]);
  request.inpaint_padding = 0;
  read(parameters::kInpaintPadding, "inpaint_full_res_padding", request.inpaint_padding);
  constexpr std::array<std::string_view, 3> kFills{"fill", "original", "noise"};
  const std::int64_t fill = body.whole("inpainting_fill").value_or(0);
  if (fill < 0 || fill >= std::ssize(kFills))
    body.refuse("inpainting_fill", "expected 0 (fill), 1 (original) or 2 (latent noise)");
  request.masked_content = std::string(kFills[static_cast<std::size_t>(fill)]);
}

/// The second pass. That program's defaults.
void read_second_pass(const LongStringJson& json, const Fields& body, JobRequest& request,
                      std::vector<std::string>& warnings) {
  if (!body.boolean("enable_hr").value_or(false)) return;
  const auto read = [&](const Parameter& row, std::string_view name, auto& member) {
    read_field(json, body, row, name, member);
  };
  request.hires = 2;
  read(parameters::kHires, "hr_scale", request.hires);
  request.hires_strength = 0.75;
  read(parameters::kHiresStrength, "denoising_strength", request.hires_strength);
  for (const std::string_view name : kFieldsOfSecondPass) {
    const nlohmann::json* const value = body.find(name);
    if (value != nullptr && !is_off(*value))
      body.refuse(name, "the second pass has the settings of the first");
  }
  const std::string upscaler = body.text("hr_upscaler").value_or("Latent");
  if (upscaler != kUpscaler)
    warnings.push_back(fmt::format("hr_upscaler: the picture is enlarged with {}", kUpscaler));
  const std::int64_t steps = body.whole("hr_second_pass_steps").value_or(0);
  if (steps != 0 && steps != request.step_count()) {
    warnings.emplace_back(
        "hr_second_pass_steps: the second pass makes denoising_strength of the first one's steps");
  }
}

int whole_in(const Fields& body, std::string_view name, int fallback, int most) {
  const std::int64_t number = body.whole(name).value_or(fallback);
  if (number < 1 || number > most)
    body.refuse(name, fmt::format("expected a whole number from 1 to {}", most));
  return static_cast<int>(number);
}

void read_body(const Fields& body, int native_side, Txt2Img& wanted) {
  JobRequest& request = wanted.request;
  // That program's defaults.
  request.steps = 50;
  request.guidance = 7;
  request.width = request.height = native_side;
  body.read_parameters("", request);
  request.style = style_in(body);
  // For SDXL that program treats an empty negative prompt as none, like diffusers' None.
  if (request.negative && request.negative->empty()) request.negative.reset();
  const std::int64_t seed = body.whole("seed").value_or(-1);
  if (seed < -1) body.refuse("seed", "expected at least 0, or -1 for a random seed");
  if (seed >= 0) request.seed = static_cast<std::uint64_t>(seed);
  const int most = most_of_job(parameters::kCount);
  wanted.batch_size = whole_in(body, "batch_size", 1, most);
  wanted.batches = whole_in(body, "n_iter", 1, most);
  request.count = wanted.batch_size * wanted.batches;
  if (request.count > most) {
    refuse_field("n_iter", fmt::format("expected n_iter times batch_size of at most {}", most),
                 fmt::format("{} x {}", wanted.batches, wanted.batch_size));
  }
  wanted.send_images = body.boolean("send_images").value_or(true);
}

/// Options of the request: those of this service, except for the device whose noise is used.
void read_override(const LongStringJson& json, const Fields& body, std::string_view model,
                   JobRequest& request) {
  const auto* const options = body.find("override_settings");
  if (options == nullptr) return;
  nlohmann::json others = *options;
  const auto source = others.is_object() ? others.find("randn_source") : others.end();
  if (source != others.end() && (*source == "GPU" || *source == "NV")) {
    request.noise = Choice("a1111-gpu");
    others.erase(source);
  }
  check_options(Fields(json, others, "override_settings"), others, model);
}

/// The parameter's field in the body: "cfg_scale", or the path of a unit's field.
std::string field_of(const Parameter& row, const UnitPaths& units) {
  if (&row == &parameters::kHires) return "hr_scale";  // with enable_hr alone
  const std::size_t dot = row.web_ui.find('.');
  if (dot == std::string_view::npos) return std::string(row.web_ui);
  const std::string& unit = row.web_ui.starts_with("face.") ? units.face : units.points;
  return unit + std::string(row.web_ui.substr(dot));
}

OrderedJson styles_of(const Request& request) {
  OrderedJson names = OrderedJson::array();
  if (request.style) names.push_back(request.style->name);
  return names;
}

OrderedJson parameters_of(const Txt2Img& wanted, const Job& job) {
  const JobRequest& s = job.request;
  OrderedJson parameters;
  parameters["prompt"] = s.prompt;
  parameters["negative_prompt"] = s.negative.value_or("");
  parameters["seed"] = wanted.request.seed ? OrderedJson(*wanted.request.seed) : OrderedJson(-1);
  parameters["steps"] = s.step_count();
  parameters["cfg_scale"] = as_written(s.guidance.value());
  parameters["width"] = s.width;
  parameters["height"] = s.height;
  parameters["batch_size"] = wanted.batch_size;
  parameters["n_iter"] = wanted.batches;
  parameters["sampler_name"] = sampler_title(s);
  parameters["scheduler"] = scheduler_title(s);
  parameters["styles"] = styles_of(s);
  parameters["send_images"] = wanted.send_images;
  // The photos are not echoed.
  OrderedJson units = OrderedJson::array();
  units.push_back({{"module", "instant_id_face_embedding"},
                   {"model", "ip-adapter_instant_id_sdxl"},
                   {"weight", as_written(s.adapter_strength)},
                   {"guidance_start", s.adapter_start},
                   {"guidance_end", s.adapter_end}});
  units.push_back({{"module", "instant_id_face_keypoints"},
                   {"model", "control_instant_id_sdxl"},
                   {"weight", as_written(s.identity_strength)},
                   {"guidance_start", s.identity_start},
                   {"guidance_end", s.identity_end}});
  parameters["alwayson_scripts"] = {{"controlnet", {{"args", std::move(units)}}}};
  return parameters;
}

std::string timestamp(const Job& job) {
  const std::int64_t seconds = unix_seconds(job.started.value_or(job.created));
  return fmt::format("{:%Y%m%d%H%M%S}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

OrderedJson info_of(const Txt2Img& wanted, const Job& job,
                    const std::vector<std::string>& infotexts, std::string_view model) {
  const JobRequest& s = job.request;
  const std::size_t count = job.pictures.size();
  std::vector<std::uint64_t> seeds;
  for (const JobPicture& picture : job.pictures) seeds.push_back(picture.seed);
  OrderedJson info;
  info["prompt"] = s.prompt;
  info["all_prompts"] = std::vector<std::string>(count, s.prompt);
  info["negative_prompt"] = s.negative.value_or("");
  info["all_negative_prompts"] = std::vector<std::string>(count, s.negative.value_or(""));
  info["seed"] = seeds.empty() ? OrderedJson(-1) : OrderedJson(seeds.front());
  info["all_seeds"] = seeds;
  info["subseed"] = -1;
  info["all_subseeds"] = std::vector<int>(count, -1);
  info["subseed_strength"] = 0;
  info["width"] = s.width;
  info["height"] = s.height;
  info["sampler_name"] = sampler_title(s);
  info["cfg_scale"] = as_written(s.guidance.value());
  info["steps"] = s.step_count();
  info["batch_size"] = wanted.batch_size;
  info["restore_faces"] = false;
  info["face_restoration_model"] = nullptr;
  info["sd_model_name"] = model;
  info["sd_model_hash"] = nullptr;
  info["sd_vae_name"] = nullptr;
  info["sd_vae_hash"] = nullptr;
  info["seed_resize_from_w"] = -1;
  info["seed_resize_from_h"] = -1;
  info["denoising_strength"] = s.strength    ? OrderedJson(*s.strength)
                               : s.hires > 1 ? OrderedJson(s.hires_strength)
                                             : OrderedJson(nullptr);
  info["extra_generation_params"] = OrderedJson::object();
  info["index_of_first_image"] = 0;
  info["infotexts"] = infotexts;
  info["styles"] = styles_of(s);
  info["job_timestamp"] = timestamp(job);
  info["clip_skip"] = 1;
  info["is_using_inpainting_conditioning"] = false;
  // Ours.
  info["interrupted"] = job.state == JobState::kCancelled;
  info["warnings"] = wanted.warnings;
  return info;
}

Txt2Img parse_body(std::string_view text, std::string_view model, int native_side,
                   bool is_img2img) {
  const LongStringJson json(text);
  const Fields body(json, json.value(), "");
  Txt2Img wanted;
  std::vector<std::string>& warnings = wanted.warnings;
  JobRequest& request = wanted.request;
  check_fields(json, json.value(), "", fields_of(is_img2img), warnings);
  read_body(body, native_side, wanted);
  if (is_img2img)
    read_start(json, body, request);
  else
    read_second_pass(json, body, request, warnings);
  read_sampler(body, request, warnings);
  read_override(json, body, model, request);
  warn_of_prompt("prompt", request.prompt, warnings);
  warn_of_prompt("negative_prompt", request.negative.value_or(""), warnings);
  const auto* const found = body.find("alwayson_scripts");
  const nlohmann::json& scripts = found == nullptr ? nlohmann::json() : *found;
  check_scripts(json, scripts, request);
  const UnitPaths units = read_units(json, scripts, request, warnings);
  request.encoding = std::string("a1111");
  check_settings(request, [&units](const Parameter& row) { return field_of(row, units); });
  return wanted;
}

}  // namespace

Txt2Img parse_txt2img(std::string_view text, std::string_view model, int native_side) {
  return parse_body(text, model, native_side, false);
}

Txt2Img parse_img2img(std::string_view text, std::string_view model, int native_side) {
  return parse_body(text, model, native_side, true);
}

ResponseFrame txt2img_frame(const Txt2Img& wanted, const Job& job,
                            const std::vector<std::string>& infotexts, std::string_view model) {
  OrderedJson rest;
  rest["parameters"] = parameters_of(wanted, job);
  rest["info"] = info_of(wanted, job, infotexts, model).dump();
  return {R"({"images":[)", "]," + rest.dump().substr(1)};
}

std::string progress_response(const Job* job, bool is_interrupted, std::string_view preview) {
  OrderedJson state;
  OrderedJson response;
  state["skipped"] = false;
  state["interrupted"] = is_interrupted;
  state["stopping_generation"] = false;
  const Job none;
  const Job& shown = job == nullptr ? none : *job;
  const Progress& progress = shown.progress;
  const auto done = static_cast<double>(shown.pictures.size());
  state["job"] = shown.id;
  state["job_count"] = job == nullptr ? 0 : shown.request.count;
  state["job_timestamp"] = job == nullptr ? "0" : timestamp(shown);
  state["job_no"] = shown.pictures.size();
  state["sampling_step"] = progress.step;
  state["sampling_steps"] = job == nullptr ? 0 : steps_of(shown);
  const double pictures = done + static_cast<double>(progress.step) / steps_of(shown);
  response["progress"] = job == nullptr ? 0 : std::clamp(pictures / shown.request.count, 0.0, 1.0);
  response["eta_relative"] = progress.seconds_left.value_or(0);
  response["state"] = std::move(state);
  response["current_image"] = preview.empty() ? OrderedJson() : OrderedJson(base64(preview));
  OrderedJson& text = response["textinfo"];
  if (shown.state == JobState::kRunning)
    text = progress.stage;
  else if (job != nullptr)
    text = fmt::format("waiting, {} ahead", progress.position.value_or(0));
  return response.dump();
}

std::string sd_models_response(const std::vector<std::string>& models) {
  OrderedJson all = OrderedJson::array();
  for (const std::string& model : models) {
    all.push_back({{"title", model},
                   {"model_name", model},
                   {"hash", nullptr},
                   {"sha256", nullptr},
                   {"filename", model},  // does not reveal this machine's folders
                   {"config", nullptr}});
  }
  return all.dump();
}

}  // namespace semblance::service
