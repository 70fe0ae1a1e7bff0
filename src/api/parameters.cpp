#include "api/parameters.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace semblance {
namespace {

std::string as_value(const std::string& value) {
  if (value.find_first_of(",:\n\"") == std::string::npos) return value;
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The last part of the model's path: "/models/sdxl-base/" is "sdxl-base". In the hub's cache,
/// "models--owner--name/snapshots/<commit>", the name.
std::string model_name(const std::filesystem::path& base) {
  const std::filesystem::path whole = std::filesystem::absolute(base).lexically_normal();
  const std::filesystem::path last = whole.has_filename() ? whole : whole.parent_path();
  const std::string kept = last.parent_path().parent_path().filename().string();
  const std::size_t dashes = kept.rfind("--");
  if (last.parent_path().filename() == "snapshots" && kept.starts_with("models--"))
    return kept.substr(dashes + 2);
  return last.filename().string();
}

}  // namespace

std::string program_version() { return "semblance " SEMBLANCE_VERSION; }

std::string parameters_text(const Request& request, const MadeWith& made_with) {
  const Request defaults;
  std::string text = request.prompt + '\n';
  if (request.negative && !request.negative->empty())
    text += fmt::format("Negative prompt: {}\n", *request.negative);
  text += fmt::format("Steps: {}, Sampler: Euler, CFG scale: {}, Seed: {}, Size: {}x{}, Model: {}",
                      request.steps, request.guidance, request.seed, request.width, request.height,
                      as_value(model_name(made_with.base)));
  text += fmt::format(", IdentityNet strength: {}, Adapter strength: {}", request.identity_strength,
                      request.adapter_strength);
  if (request.identity_start != defaults.identity_start ||
      request.identity_end != defaults.identity_end) {
    text += fmt::format(", IdentityNet start: {}, IdentityNet end: {}", request.identity_start,
                        request.identity_end);
  }
  // Without a negative prompt the encoding is zeroed, an empty one is encoded: two pictures.
  if (request.negative && request.negative->empty()) text += ", Empty negative: encoded";
  if (request.vae_tiling) text += ", VAE tiling: on";
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
