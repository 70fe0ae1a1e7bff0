#include "app/parameters.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <random>

#include "sampling/sampler.h"
#include "weights/checkpoint.h"

namespace semblance {
namespace {

/// "sdxl-base" of "/models/sdxl-base/". In a hub cache,
/// "models--owner--name/snapshots/<commit>", it is the name.
std::string last_part(const std::filesystem::path& path) {
  const std::filesystem::path whole = std::filesystem::absolute(path).lexically_normal();
  const std::filesystem::path last = whole.has_filename() ? whole : whole.parent_path();
  const std::string repository = last.parent_path().parent_path().filename().string();
  const std::size_t dashes = repository.rfind("--");
  if (last.parent_path().filename() == "snapshots" && repository.starts_with("models--"))
    return repository.substr(dashes + 2);
  return last.filename().string();
}

std::string as_value(const std::string& value) {
  if (value.find_first_of(",:\n\"") == std::string::npos) return value;
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// A ControlNet as AUTOMATIC1111's extension writes it: "Module: canny, Model: edges, ...".
std::string unit_text(const ControlChoice& choice) {
  std::string text =
      fmt::format("Module: {}, Model: {}, Weight: {}, Guidance Start: {}, Guidance End: {}",
                  kPrepareNames[static_cast<std::size_t>(choice.prepare)],
                  as_value(choice.short_name()), choice.strength, choice.start, choice.end);
  if (choice.type)
    text += fmt::format(", Type: {}", kControlTypes[static_cast<std::size_t>(*choice.type)]);
  if (!choice.image.empty()) {
    const std::filesystem::path image(choice.image);
    text += fmt::format(", Image: {}", as_value(image.filename().string()));
  }
  return text;
}

/// "5", "0.8", "on".
template <typename T>
std::string shown(const T& value) {
  if constexpr (kIsOptional<T>) {
    return shown(*value);
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "on" : "off";
  } else if constexpr (std::is_same_v<T, Choice>) {
    return value.name;
  } else {
    return fmt::format("{}", value);
  }
}

/// "Steps: 30, Sampler: Euler, CFG scale: 5, ...", in the order of the table, except that
/// the sampler, the size and the model are placed as in that web UI.
std::string settings_text(Request request, const MadeWith& made_with) {
  const SamplerInUse sampling = sampler_in_use(request, made_with.scheduler);
  request.steps = request.step_count();
  request.guidance = request.guidance_scale();
  request.seed = request.seed.value_or(Request::kSeed);
  const Request defaults;
  const bool has_window = request.identity_start != defaults.identity_start ||
                          request.identity_end != defaults.identity_end;
  const CurveRow& curve =
      request.sigmas ? curve_of(*request.sigmas) : *find_curve(name_of(sampling.curve));
  const bool has_curve = curve.curve != Curve::kDefault || curve.spacing.has_value();
  std::string text;
  const auto add = [&text](std::string_view name, std::string_view value) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", name, value);
  };
  each_parameter(
      [&](const Parameter& row, const auto& value, const auto& usual) {
        if (&row == &parameters::kControls) {
          for (std::size_t i = 0; i < request.controls.size(); ++i) {
            add(fmt::format("ControlNet {}", i),
                as_value(unit_text(parse_control(request.controls[i]))));
          }
        }
        if (&row == &parameters::kPeople && !request.people.empty())
          add("People", fmt::to_string(request.people.size()));
        // LoRAs are part of the prompt.
        if constexpr (kind_of<std::decay_t<decltype(value)>>() != ParameterKind::kList) {
          const bool is_window =
              &row == &parameters::kIdentityStart || &row == &parameters::kIdentityEnd;
          if (!row.png.empty() && (row.png_always || (is_window ? has_window : value != usual)))
            add(row.png, shown(value));
        }
        if (&row == &parameters::kScheduler) add("Sampler", sampling.sampler->title);
        if (&row == &parameters::kStrength && request.has_mask && !request.extends())
          add("Mask", "on");
        if (&row == &parameters::kSigmas && has_curve) add("Schedule type", curve.title);
        // No negative prompt gives a zeroed encoding, an empty one is encoded: different pictures.
        if (&row == &parameters::kIdentityEnd && request.negative && request.negative->empty())
          add("Empty negative", "encoded");
        if (&row != &parameters::kHeight) return;
        add("Size", fmt::format("{}x{}", request.width, request.height));
        add("Model", as_value(model_name(made_with.base)));
        for (const auto& [name, path] :
             {std::pair("UNet", &made_with.parts.unet), std::pair("VAE", &made_with.parts.vae),
              std::pair("Text encoders", &made_with.parts.text_encoders)}) {
          if (!path->empty()) add(name, as_value(last_part(*path)));
        }
      },
      request, defaults);
  return text;
}

}  // namespace

std::uint64_t random_seed() {
  constexpr std::uint64_t kLimit = std::uint64_t{1} << 31U;
  std::random_device device;
  return std::uniform_int_distribution<std::uint64_t>(0, kLimit - 1)(device);
}

std::string model_name(const std::filesystem::path& base) {
  const std::filesystem::path name = last_part(base);
  return (has_weight_extension(name) ? name.stem() : name).string();
}

std::string likeness_text(double likeness) { return fmt::format("{:.3f}", likeness); }

std::string program_version() { return "semblance " SEMBLANCE_VERSION; }

namespace {

/// " <lora:film:0.8>" for each LoRA beside those that the prompt names.
std::string lora_tags(const Request& request) {
  std::string tags;
  for (const std::string& text : request.loras) tags += ' ' + prompt_tag_of(parse_lora(text));
  return tags;
}

}  // namespace

std::string parameters_text(const Request& request, const MadeWith& made_with) {
  std::string text = request.prompt + lora_tags(request) + '\n';
  if (request.negative && !request.negative->empty())
    text += fmt::format("Negative prompt: {}\n", *request.negative);
  text += settings_text(request, made_with);
  text += fmt::format(", Precision: {}", name_of(made_with.precision));
  if (made_with.backend != "cpu") text += fmt::format(", Backend: {}", made_with.backend);
  if (!made_with.warnings.empty()) {
    const auto texts = texts_of(made_with.warnings, Language::kEnglish);
    text += fmt::format(", Warnings: {}", as_value(fmt::format("{}", fmt::join(texts, "; "))));
  }
  if (made_with.likeness) text += fmt::format(", Likeness: {}", likeness_text(*made_with.likeness));
  return text + fmt::format(", Version: {}", program_version());
}

ImageText picture_text(const Request& request, const MadeWith& made_with) {
  return {{"parameters", parameters_text(request, made_with)}, {"Software", program_version()}};
}

}  // namespace semblance
