// /sdapi/v1/options: the values here, and which values change nothing.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/closest.h"
#include "service/a1111.h"
#include "service/a1111_fields.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr std::string_view kCheckpoint = "sd_model_checkpoint";

/// The options with a truthful value here.
OrderedJson options(std::string_view model) {
  return {{kCheckpoint, model},
          {"sd_vae", "Automatic"},  // the model's own
          {"sd_unet", "Automatic"},
          {"sd_hypernetwork", "None"},
          {"CLIP_stop_at_last_layers", 1},
          {"sdxl_clip_l_skip", false},
          {"sdxl_crop_left", 0},
          {"sdxl_crop_top", 0},
          {"randn_source", "CPU"},
          {"eta_noise_seed_delta", 0},
          {"eta_ancestral", 1},
          {"eta_ddim", 0},
          {"always_discard_next_to_last_sigma", false},
          {"sgm_noise_multiplier", false},
          {"skip_early_cond", 0},
          {"s_churn", 0},
          {"s_min_uncond", 0},
          {"s_noise", 1},
          {"token_merging_ratio", 0},
          {"token_merging_ratio_hr", 0},
          {"upcast_attn", false},
          {"forge_additional_modules", OrderedJson::array()},
          {"filter_nsfw", false},
          {"samples_format", "png"},
          {"enable_pnginfo", true},
          {"return_grid", false},
          {"grid_save", false},
          {"face_restoration", false},
          {"tiling", false},
          {"live_previews_enable", true},
          {"live_previews_image_format", "jpeg"}};
}

/// Options of which any value is accepted, because none changes the picture: that program's
/// housekeeping, img2img and passes that are refused anyway, and prompt weights, which
/// the response's info mentions.
constexpr auto kAnyValue = std::to_array<std::string_view>({"samples_save",
                                                            "grid_save",
                                                            "save_to_dirs",
                                                            "grid_save_to_dirs",
                                                            "samples_filename_pattern",
                                                            "directories_filename_pattern",
                                                            "save_images_add_number",
                                                            "jpeg_quality",
                                                            "webp_lossless",
                                                            "export_for_4chan",
                                                            "live_previews_enable",
                                                            "live_previews_image_format",
                                                            "show_progress_every_n_steps",
                                                            "show_progress_type",
                                                            "show_progress_grid",
                                                            "memmon_poll_rate",
                                                            "sd_checkpoint_cache",
                                                            "sd_vae_checkpoint_cache",
                                                            "sd_checkpoints_limit",
                                                            "sd_checkpoints_keep_in_cpu",
                                                            "face_restoration_model",
                                                            "face_restoration_unload",
                                                            "code_former_weight",
                                                            "upscaler_for_img2img",
                                                            "img2img_fix_steps",
                                                            "img2img_color_correction",
                                                            "initial_noise_multiplier",
                                                            "inpainting_mask_weight",
                                                            "emphasis",
                                                            "batch_cond_uncond",
                                                            "control_net_no_detectmap",
                                                            "control_net_unit_count",
                                                            "forge_inference_memory",
                                                            "forge_async_loading",
                                                            "forge_pin_shared_memory",
                                                            "forge_preset"});

/// Whether `value` is the option's value, or equivalent to it.
bool is_same(std::string_view name, const json& value, const json& have) {
  if (is_off(value) && is_off(have)) return true;
  // "Off" means: no file in place of the model's own.
  if (name == "sd_vae" || name == "sd_unet" || name == kCheckpoint)
    return is_off(value) || value == have;
  // SDXL always reads its text encoders at the last layer but one, for either value.
  if (name == "CLIP_stop_at_last_layers") return value == 1 || value == 2;
  return value == have;
}

}  // namespace

void check_options(const Fields& fields, const json& wanted, std::string_view model) {
  const OrderedJson have = options(model);
  for (const auto& [name, value] : wanted.items()) {
    const bool changes_nothing =
        value.is_null() || std::ranges::find(kAnyValue, name) != kAnyValue.end();
    if (changes_nothing) continue;
    const auto option = have.find(name);
    if (option == have.end()) {
      std::vector<std::string_view> known(kAnyValue.begin(), kAnyValue.end());
      for (const auto& item : have.items()) known.push_back(item.key());
      refuse_field(fields.path_of(name.substr(0, 100)),
                   "there is no such option" + did_you_mean(name, known));
    }
    if (is_same(name, value, json(*option))) continue;
    const bool is_model = name == kCheckpoint;
    fields.refuse(name, is_model ? fmt::format("expected {}, the model in use; POST "
                                               "/sdapi/v1/options switches to another",
                                               option->dump())
                                 : fmt::format("it is {} and cannot be changed", option->dump()));
  }
}

std::string options_response(std::string_view model) { return options(model).dump(); }

std::optional<std::string> read_options(std::string_view body, std::string_view model) {
  const LongStringJson json(body);
  const Fields fields(json, json.value(), "");
  nlohmann::json others = json.value();
  others.erase(std::string(kCheckpoint));
  check_options(fields, others, model);
  const nlohmann::json* const wanted = fields.find(kCheckpoint);
  if (wanted == nullptr || is_same(kCheckpoint, *wanted, model)) return std::nullopt;
  return fields.text(kCheckpoint);
}

}  // namespace semblance::service
