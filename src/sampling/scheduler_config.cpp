#include <array>
#include <string_view>
#include <utility>

#include "core/json.h"
#include "sampling/schedule.h"

namespace semblance {
namespace {

template <typename T, std::size_t kCount>
T get_choice(const Json& json, std::string_view key, T fallback,
             const std::array<std::pair<std::string_view, T>, kCount>& choices) {
  if (!json.has(key)) return fallback;
  const std::string name = json.get_string(key);
  std::string rule = kCount == 1 ? "" : "one of ";
  for (const auto& [known, value] : choices) {
    if (name == known) return value;
    if (known != choices.front().first) rule += ", ";
    rule.append("\"").append(known).append("\"");
  }
  json.refuse(key, rule + " (Semblance supports no other)");
}

double get_between(const Json& json, std::string_view key, double fallback) {
  const double value = json.get_float(key, fallback);
  if (!(value > 0 && value < 1)) json.refuse(key, "a number between 0 and 1");
  return value;
}

std::optional<double> get_sigma(const Json& json, std::string_view key) {
  if (!json.has(key)) return std::nullopt;
  const double value = json.get_float(key);
  if (!(value > 0)) json.refuse(key, "a number above 0");
  return value;
}

}  // namespace

SchedulerConfig SchedulerConfig::read(const Json& json) {
  json.expect_object();
  SchedulerConfig config;
  config.class_name = json.get_string("_class_name", config.class_name);
  config.train_timesteps = static_cast<int>(
      json.get_int("num_train_timesteps", config.train_timesteps, {.least = 1, .most = 1'000'000}));
  config.beta_start = get_between(json, "beta_start", config.beta_start);
  config.beta_end = get_between(json, "beta_end", config.beta_end);
  config.beta_schedule = get_choice(
      json, "beta_schedule", config.beta_schedule,
      std::array{
          std::pair<std::string_view, BetaSchedule>{"linear", BetaSchedule::kLinear},
          std::pair<std::string_view, BetaSchedule>{"scaled_linear", BetaSchedule::kScaledLinear}});
  config.prediction = get_choice(
      json, "prediction_type", config.prediction,
      std::array{std::pair<std::string_view, Prediction>{"epsilon", Prediction::kEpsilon},
                 std::pair<std::string_view, Prediction>{"v_prediction", Prediction::kVPrediction},
                 std::pair<std::string_view, Prediction>{"sample", Prediction::kSample}});
  config.spacing =
      get_choice(json, "timestep_spacing", config.spacing,
                 std::array{std::pair<std::string_view, Spacing>{"linspace", Spacing::kLinspace},
                            std::pair<std::string_view, Spacing>{"leading", Spacing::kLeading},
                            std::pair<std::string_view, Spacing>{"trailing", Spacing::kTrailing}});
  get_choice(json, "interpolation_type", true,
             std::array{std::pair<std::string_view, bool>{"linear", true}});
  config.continuous_timesteps =
      get_choice(json, "timestep_type", false,
                 std::array{std::pair<std::string_view, bool>{"discrete", false},
                            std::pair<std::string_view, bool>{"continuous", true}});
  config.final_sigma_min =
      get_choice(json, "final_sigmas_type", false,
                 std::array{std::pair<std::string_view, bool>{"zero", false},
                            std::pair<std::string_view, bool>{"sigma_min", true}});
  config.steps_offset =
      static_cast<int>(json.get_int("steps_offset", 0, {.least = 0, .most = 1'000'000}));
  config.rescale_betas_zero_snr = json.get_bool("rescale_betas_zero_snr", false);
  config.sigma_min = get_sigma(json, "sigma_min");
  config.sigma_max = get_sigma(json, "sigma_max");
  const bool karras = json.get_bool("use_karras_sigmas", false);
  const bool exponential = json.get_bool("use_exponential_sigmas", false);
  if (karras && exponential) {
    json.refuse("use_exponential_sigmas", "false if \"use_karras_sigmas\" is true");
  }
  if (karras) config.sigmas = Sigmas::kKarras;
  if (exponential) config.sigmas = Sigmas::kExponential;
  if (json.get_bool("use_beta_sigmas", false)) {
    json.refuse("use_beta_sigmas", "false (Semblance does not support them)");
  }
  if (json.has("trained_betas")) {
    json.refuse("trained_betas", "null (Semblance only supports linear and scaled_linear betas)");
  }
  return config;
}

}  // namespace semblance
