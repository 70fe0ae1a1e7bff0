// Recipes from the "parameters" text: Semblance's own, and AUTOMATIC1111's, whose names are those
// of its modules/processing.py and infotext_utils.py.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/parameters.h"
#include "app/recipe_readers.h"
#include "app/web_ui.h"
#include "core/ascii.h"
#include "device/cards.h"
#include "pipeline/control_choice.h"

namespace semblance {
namespace {

/// What a ControlNet's values are called in pictures, and in requests.
constexpr auto kUnitFields =
    std::to_array<std::pair<std::string_view, std::string_view>>({{"Module", "prepare"},
                                                                  {"Weight", "strength"},
                                                                  {"Guidance Start", "start"},
                                                                  {"Guidance End", "end"},
                                                                  {"Type", "type"}});

/// "depth [4f9c]" -> "depth"
std::string_view without_hash(std::string_view model) {
  const std::size_t hash = model.rfind(" [");
  return hash != model.npos && model.ends_with(']') ? model.substr(0, hash) : model;
}

/// Sets the parameter that pictures call `name`. False if there is none.
bool take_by_name(Recipe& recipe, std::string_view name, std::string_view value) {
  bool is_known = false;
  each_parameter(
      [&](const Parameter& row, auto& member) {
        if (row.png.empty() || row.png != name) return;
        is_known = true;
        if constexpr (kind_of<std::decay_t<decltype(member)>>() != ParameterKind::kList)
          take(recipe, row, name, value, member);
      },
      recipe.request);
  return is_known;
}

/// A ControlNet as Semblance writes it, or a unit of that program. `ignored`: its fields without
/// effect here. False if that is not what it is.
bool take_control(Recipe& recipe, const std::string& value,
                  std::span<const std::string_view> ignored = {}) {
  ControlChoice choice;
  std::string more;
  for (const auto& [name, text] : parse_info_fields(value)) {
    if (std::ranges::find(ignored, name) != ignored.end()) continue;
    if (name == "Model") {
      choice.model = file_part(without_hash(text));
      if (lower(choice.model) == "none") return false;
    } else if (name == "Image") {
      choice.image = file_part(text);
    } else {
      const auto* const field = std::ranges::find(
          kUnitFields, name, &std::pair<std::string_view, std::string_view>::first);
      if (field == kUnitFields.end()) return false;
      more += fmt::format(",{}={}", field->second, text);
    }
  }
  std::vector<std::string>& controls = recipe.request.controls;
  if (choice.image.empty()) choice.image = fmt::format("CONTROL-{}.png", controls.size() + 1);
  std::string text = text_of(choice) + more;
  if (control_problem(text, Asker::kUser)) return false;
  controls.push_back(text_of(parse_control(text)));
  return true;
}

/// Names of models and whatever else Semblance writes beside the parameters. False if it writes no
/// such field.
bool take_own_field(Recipe& recipe, std::string_view name, const std::string& value) {
  Request& request = recipe.request;
  if (name == "Sampler") {
    take(recipe, parameters::kScheduler, name, value, request.scheduler);
  } else if (name == "Schedule type") {
    take(recipe, parameters::kSigmas, name, value, request.sigmas);
  } else if (name == "Size") {
    take_size(recipe, name, value);
  } else if (name == "Model") {
    recipe.models.base = value;
  } else if (name == "UNet") {
    recipe.models.unet = value;
  } else if (name == "VAE") {
    recipe.models.vae = value;
  } else if (name == "Text encoders") {
    recipe.models.text_encoders = value;
  } else if (name == "Empty negative") {
    request.negative = "";
  } else if (name == "Mask") {
    request.has_mask = true;
  } else if (name.starts_with("ControlNet ")) {
    return take_control(recipe, value);
  } else if (name == "Precision" && (value == "f32" || value == "bf16" || value == "f16")) {
    recipe.precision = value;
  } else if (name == "Backend" && (value == "ref" || names_card(value))) {
    recipe.backend = value;
  } else {
    return name == "Warnings" || name == "Likeness" || name == "Version";
  }
  return true;
}

void take_prompts(Recipe& recipe, const Infotext& text) {
  take(recipe, parameters::kPrompt, parameters::kPrompt.flag_text(), text.prompt,
       recipe.request.prompt);
  if (text.negative && !text.negative->empty()) {
    take(recipe, parameters::kNegative, parameters::kNegative.flag_text(), *text.negative,
         recipe.request.negative);
  }
}

/// "AUTOMATIC1111 v1.10.1" of "v1.10.1", "Forge f2.0.1", "SD.Next"; the program's own name if the
/// version begins with one.
std::string program_of(const Infotext& text) {
  const auto value = [&text](std::string_view name) {
    const std::string* const found = text.find(name);
    return found == nullptr ? std::string() : noted_text(*found);
  };
  if (const std::string app = value("App"); !app.empty()) return app;
  const std::string version = value("Version");
  const bool has_digit = version.size() > 1 && version[1] >= '0' && version[1] <= '9';
  if (version.empty()) return "AUTOMATIC1111";
  if (has_digit && version.front() == 'v') return "AUTOMATIC1111 " + version;
  return has_digit && version.front() == 'f' ? "Forge " + version : version;
}

/// Fields that change nothing here: checksums, what other fields say again, and a batch's numbers,
/// since each picture has its own noise there.
constexpr auto kWithoutEffect = std::to_array<std::string_view>(
    {"Model hash", "VAE hash", "Lora hashes", "Hashes", "Init image hash", "Version", "App", "User",
     "Batch size", "Batch pos", "Template", "Negative Template", "Parser", "Pad conds", "Emphasis",
     "Sampler", "Schedule type", "RNG"});

bool has_no_effect(std::string_view name, std::string_view value) {
  if (name == "Emphasis") return value == "Original";
  if (name == "VAE") return value == "Automatic" || value == "None";
  if (name == "ENSD") return value == "0";
  if (name == "Noise multiplier") return value == "1" || value == "1.0";
  return std::ranges::find(kWithoutEffect, name) != kWithoutEffect.end();
}

void take_sampling(Recipe& recipe, const Infotext& text) {
  const std::string* const sampler = text.find("Sampler");
  const std::string* const scheduler = text.find("Schedule type");
  const auto sampling =
      web_ui_sampling(sampler ? *sampler : std::string(), scheduler ? *scheduler : std::string());
  if (!sampling) {
    note(recipe, recipe_words::kNoteNoSampler, noted_text(*sampler));
    return;
  }
  const std::string_view title = sampling->sampler->title;
  if (sampling->is_nearest)
    note(recipe, recipe_words::kNoteNearestSampler, noted_text(*sampler), title);
  if (sampling->lacks_scheduler)
    note(recipe, recipe_words::kNoteNoCurve, noted_text(*scheduler), sampling->curve->title);
  if (sampling->unused != nullptr)
    note(recipe, recipe_words::kNoteUnusedCurve, sampling->unused->title, title);
  set_sampling(*sampling, recipe.request);
}

/// Fields of a unit that change nothing here. Of the others only "Control Mode: Balanced" is the
/// same.
constexpr auto kUnitFieldsWithoutEffect = std::to_array<std::string_view>(
    {"Resize Mode", "Processor Res", "Threshold A", "Threshold B", "Low Vram", "Pixel Perfect",
     "Hr Option", "Save Detected Map"});

/// "Module: canny, Model: diffusers_xl_canny [2b69], Weight: 0.5, ...".
bool take_other_unit(Recipe& recipe, const std::string& value) {
  constexpr std::string_view kBalanced = ", Control Mode: Balanced";
  std::string unit = value;
  if (const std::size_t mode = unit.find(kBalanced); mode != std::string::npos)
    unit.erase(mode, kBalanced.size());
  return take_control(recipe, unit, kUnitFieldsWithoutEffect);
}

/// "Module: instant_id_face_embedding, Weight: 0.8, Guidance Start: 0, ...". False for a unit that
/// Semblance cannot have.
bool take_unit(Recipe& recipe, const std::string& value) {
  Request& request = recipe.request;
  const InfoFields unit = parse_info_fields(value);
  WebUiUnit kind = WebUiUnit::kNone;
  for (const auto& [name, text] : unit) {
    if (kind == WebUiUnit::kNone && (name == "Module" || name == "Model")) kind = web_ui_unit(text);
  }
  if (kind != WebUiUnit::kFace && kind != WebUiUnit::kPoints) return take_other_unit(recipe, value);
  const bool is_face = kind == WebUiUnit::kFace;
  float& strength = is_face ? request.adapter_strength : request.identity_strength;
  strength = 1;
  for (const auto& [name, text] : unit) {
    if (name == "Weight") {
      take(recipe, is_face ? parameters::kAdapterStrength : parameters::kIdentityStrength, name,
           text, strength);
    } else if (name == "Guidance Start") {
      take(recipe, is_face ? parameters::kAdapterStart : parameters::kIdentityStart, name, text,
           is_face ? request.adapter_start : request.identity_start);
    } else if (name == "Guidance End") {
      take(recipe, is_face ? parameters::kAdapterEnd : parameters::kIdentityEnd, name, text,
           is_face ? request.adapter_end : request.identity_end);
    }
  }
  return true;
}

/// That program makes one step more than the fraction says.
void take_denoising(Recipe& recipe, std::string_view value) {
  std::optional<double> strength;
  take(recipe, parameters::kStrength, "Denoising strength", value, strength);
  if (!strength) return;
  const int steps = recipe.request.step_count();
  const int made = std::min(steps, static_cast<int>(std::min(*strength, 0.999) * steps) + 1);
  recipe.request.strength = strength_of(made, steps);
}

/// What that program says of a mask. False if it is something else.
bool take_mask(Recipe& recipe, std::string_view name, std::string_view value) {
  Request& request = recipe.request;
  if (name == "Mask blur") {
    take(recipe, parameters::kMaskBlur, name, value, request.mask_blur);
  } else if (name == "Masked area padding") {
    take(recipe, parameters::kInpaintPadding, name, value, request.inpaint_padding);
  } else if (name == "Inpaint area" && value == "Only masked") {
    request.inpaint_area = std::string(kInpaintAreaNames[1]);
  } else if (name == "Masked content" && (value == "fill" || value == "latent noise")) {
    request.masked_content = std::string(value == "fill" ? "fill" : "noise");
  } else {
    return false;
  }
  request.has_mask = true;
  return true;
}

void note_networks(Recipe& recipe, std::string_view prompt) {
  for (const std::string_view network : {"<lyco:", "<hypernet:"}) {
    if (prompt.find(network) != prompt.npos) note(recipe, recipe_words::kNoteNetwork, network);
  }
}

/// "easynegative: c74b4e810b03, ...": the embeddings' names.
void note_embeddings(Recipe& recipe, std::string_view hashes) {
  for (const auto& [name, hash] : parse_info_fields(hashes))
    note(recipe, recipe_words::kNoteEmbedding, noted_text(name));
}

void take_web_ui_field(Recipe& recipe, const std::string& name, const std::string& value,
                       bool has_second_pass) {
  Request& request = recipe.request;
  if (has_no_effect(name, value)) return;
  if (name == "Seed" || name == "CFG scale") {
    take_by_name(recipe, name, value);
  } else if (name == "Steps") {
    // Taken before, since the denoising strength depends on it.
  } else if (name == "Size") {
    take_size(recipe, name, value);
  } else if (name == "Model") {
    recipe.models.base = file_part(value);
  } else if (name == "VAE") {
    recipe.models.vae = file_part(value);
  } else if (take_mask(recipe, name, value)) {
    // Taken.
  } else if (name == "Denoising strength" && has_second_pass) {
    take(recipe, parameters::kHiresStrength, name, value, request.hires_strength);
  } else if (name == "Denoising strength") {
    take_denoising(recipe, value);
  } else if (name == "Hires upscale") {
    take(recipe, parameters::kHires, name, value, request.hires);
  } else if (name == "Hires upscaler" && value == "Lanczos") {
    // The only one.
  } else if (name == "Clip skip") {
    note(recipe, recipe_words::kNoteClipSkip, noted_text(value));
  } else if (name == "Eta DDIM" && request.scheduler &&
             sampler_of(*request.scheduler).has(kTakesEta)) {
    take(recipe, parameters::kEta, name, value, request.eta);
  } else if (name == "Noise Schedule" && value == "Zero Terminal SNR") {
    request.zero_snr = true;
  } else if (name == "TI hashes") {
    note_embeddings(recipe, value);
  } else if (!name.starts_with("ControlNet ") || !take_unit(recipe, value)) {
    note(recipe, recipe_words::kNoteField, noted_text(name), noted_text(value));
  }
}

}  // namespace

Recipe own_recipe(const Infotext& text) {
  Recipe recipe{.kind = Recipe::Kind::kSemblance,
                .made_by = noted_text(*text.find("Version")),
                .fields = text.fields};
  take_prompts(recipe, text);
  // Without a name the noise levels are the default ones, whatever the model's file says.
  recipe.request.sigmas = Choice(std::string(name_of(Curve::kDefault)));
  for (const auto& [name, value] : text.fields) {
    if (!take_by_name(recipe, name, value) && !take_own_field(recipe, name, value))
      note(recipe, recipe_words::kNoteField, noted_text(name), noted_text(value));
  }
  return recipe;
}

Recipe web_ui_recipe(const Infotext& text) {
  Recipe recipe{.kind = Recipe::Kind::kWebUi, .made_by = program_of(text), .fields = text.fields};
  Request& request = recipe.request;
  take_prompts(recipe, text);
  request.encoding = std::string("a1111");
  request.identity_strength = request.adapter_strength = 0;
  const std::string* const source = text.find("RNG");
  request.noise = std::string(source != nullptr && *source == "CPU" ? "a1111-cpu" : "a1111-gpu");
  take_sampling(recipe, text);
  if (const std::string* const steps = text.find("Steps"))
    take(recipe, parameters::kSteps, "Steps", *steps, request.steps);
  const bool has_second_pass = std::ranges::any_of(
      text.fields, [](const auto& field) { return field.first.starts_with("Hires "); });
  for (const auto& [name, value] : text.fields)
    take_web_ui_field(recipe, name, value, has_second_pass);
  note_networks(recipe, request.prompt);
  return recipe;
}

}  // namespace semblance
