#include "app/parameters.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <random>

#include "sampling/sampler.h"

namespace semblance {
namespace {

std::string as_value(const std::string& value) {
  if (value.find_first_of(",:\n\"") == std::string::npos) return value;
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The last part of the model's path: "sdxl-base" for "/models/sdxl-base/". In a hub cache,
/// "models--owner--name/snapshots/<commit>", it is the name.
std::string model_name(const std::filesystem::path& base) {
  const std::filesystem::path whole = std::filesystem::absolute(base).lexically_normal();
  const std::filesystem::path last = whole.has_filename() ? whole : whole.parent_path();
  const std::string repository = last.parent_path().parent_path().filename().string();
  const std::size_t dashes = repository.rfind("--");
  if (last.parent_path().filename() == "snapshots" && repository.starts_with("models--"))
    return repository.substr(dashes + 2);
  return last.filename().string();
}

/// "5", "0.8", "on".
template <typename T>
std::string shown(const T& value) {
  if constexpr (kIsOptional<T>) {
    return shown(*value);
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "on" : "off";
  } else {
    return fmt::format("{}", value);
  }
}

/// "Steps: 30, Sampler: Euler, CFG scale: 5, ...", in the order of the table, except that
/// the sampler, the size and the model are placed as in that web UI.
std::string settings_text(Request request, const std::string& model) {
  request.guidance = request.guidance.value_or(Request::kGuidance);
  request.seed = request.seed.value_or(Request::kSeed);
  const Request defaults;
  const bool has_window = request.identity_start != defaults.identity_start ||
                          request.identity_end != defaults.identity_end;
  std::string text;
  const auto add = [&text](std::string_view name, std::string_view value) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", name, value);
  };
  each_parameter(
      [&](const Parameter& row, const auto& value, const auto& usual) {
        // LoRAs are part of the prompt.
        if constexpr (kind_of<std::decay_t<decltype(value)>>() != ParameterKind::kList) {
          const bool is_window =
              &row == &parameters::kIdentityStart || &row == &parameters::kIdentityEnd;
          if (!row.png.empty() && (row.png_always || (is_window ? has_window : value != usual)))
            add(row.png, shown(value));
        }
        if (&row == &parameters::kSteps) add("Sampler", std::string(default_sampler().title));
        // No negative prompt gives a zeroed encoding, an empty one is encoded: different pictures.
        if (&row == &parameters::kIdentityEnd && request.negative && request.negative->empty())
          add("Empty negative", "encoded");
        if (&row != &parameters::kHeight) return;
        add("Size", fmt::format("{}x{}", request.width, request.height));
        add("Model", model);
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

std::string program_version() { return "semblance " SEMBLANCE_VERSION; }

namespace {

/// " <lora:film:0.8>" for each LoRA that the prompt does not name itself.
std::string lora_tags(const Request& request) {
  std::string tags;
  for (const std::string& text : request.loras) {
    const LoraChoice choice = parse_lora(text);
    const std::string start = fmt::format("<lora:{}:", choice.short_name());
    if (request.prompt.find(start) == std::string::npos) tags += ' ' + prompt_tag_of(choice);
  }
  return tags;
}

}  // namespace

std::string parameters_text(const Request& request, const MadeWith& made_with) {
  std::string text = request.prompt + lora_tags(request) + '\n';
  if (request.negative && !request.negative->empty())
    text += fmt::format("Negative prompt: {}\n", *request.negative);
  text += settings_text(request, as_value(model_name(made_with.base)));
  text += fmt::format(", Precision: {}", made_with.precision == Precision::kBF16 ? "bf16" : "f32");
  if (made_with.backend != "cpu") text += fmt::format(", Backend: {}", made_with.backend);
  if (!made_with.warnings.empty()) {
    const auto texts = texts_of(made_with.warnings, Language::kEnglish);
    text += fmt::format(", Warnings: {}", as_value(fmt::format("{}", fmt::join(texts, "; "))));
  }
  return text + fmt::format(", Version: {}", program_version());
}

ImageText picture_text(const Request& request, const MadeWith& made_with) {
  return {{"parameters", parameters_text(request, made_with)}, {"Software", program_version()}};
}

}  // namespace semblance
