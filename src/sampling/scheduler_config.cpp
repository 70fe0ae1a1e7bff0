#include "sampling/scheduler_config.h"

#include <array>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/json.h"

namespace semblance {
namespace {

template <typename T>
using Choice = std::pair<std::string_view, T>;

template <typename T, std::size_t kCount>
std::optional<T> get_choice(const Json& json, std::string_view key,
                            const std::array<Choice<T>, kCount>& choices) {
  if (!json.has(key)) return std::nullopt;
  const std::string name = json.get_string(key);
  std::string rule = kCount == 1 ? "" : "one of ";
  for (const auto& [known, value] : choices) {
    if (name == known) return value;
    if (known != choices.front().first) rule += ", ";
    rule.append("\"").append(known).append("\"");
  }
  json.refuse(key, rule + " (Semblance supports no other)");
}

constexpr std::array kBetaSchedules{
    Choice<BetaSchedule>{"linear", BetaSchedule::kLinear},
    Choice<BetaSchedule>{"scaled_linear", BetaSchedule::kScaledLinear}};
constexpr std::array kPredictions{Choice<Prediction>{"epsilon", Prediction::kEpsilon},
                                  Choice<Prediction>{"v_prediction", Prediction::kV},
                                  Choice<Prediction>{"sample", Prediction::kSample}};
constexpr std::array kSpacings{Choice<Spacing>{"linspace", Spacing::kLinspace},
                               Choice<Spacing>{"leading", Spacing::kLeading},
                               Choice<Spacing>{"trailing", Spacing::kTrailing}};
constexpr std::array kInterpolations{Choice<bool>{"linear", false}};
constexpr std::array kTimestepTypes{Choice<bool>{"discrete", false},
                                    Choice<bool>{"continuous", true}};
constexpr std::array kFinalSigmas{Choice<bool>{"zero", false}, Choice<bool>{"sigma_min", true}};
constexpr std::array kCurves{Choice<Curve>{"use_karras_sigmas", Curve::kKarras},
                             Choice<Curve>{"use_exponential_sigmas", Curve::kExponential},
                             Choice<Curve>{"use_beta_sigmas", Curve::kBeta}};

/// Switches with the only supported value.
constexpr std::array kSolverSwitches{Choice<bool>{"use_lu_lambdas", false},
                                     Choice<bool>{"use_flow_sigmas", false},
                                     Choice<bool>{"predict_x0", true}};

std::optional<double> get_beta(const Json& json, std::string_view key) {
  if (!json.has(key)) return std::nullopt;
  const double value = json.get_float(key);
  if (!(value > 0 && value < 1)) json.refuse(key, "a number between 0 and 1");
  return value;
}

std::optional<double> get_positive(const Json& json, std::string_view key) {
  if (!json.has(key)) return std::nullopt;
  const double value = json.get_float(key);
  if (!(value > 0)) json.refuse(key, "a number above 0");
  return value;
}

std::optional<bool> get_switch(const Json& json, std::string_view key) {
  return json.has(key) ? std::optional(json.get_bool(key)) : std::nullopt;
}

Curve read_curve(const Json& json) {
  Curve curve = Curve::kDefault;
  std::string_view first;
  for (const auto& [key, value] : kCurves) {
    if (!json.get_bool(key, false)) continue;
    if (!first.empty()) json.refuse(key, fmt::format("false if \"{}\" is true", first));
    first = key;
    curve = value;
  }
  return curve;
}

/// The solvers' keys. As in diffusers, names of another class's algorithm ("deis", "bh2") mean the
/// class's own default.
void read_solver(SchedulerConfig& config, const Json& json) {
  const std::string algorithm = json.get_string("algorithm_type", "dpmsolver++");
  config.sde = algorithm == "sde-dpmsolver++";
  if (algorithm == "dpmsolver" || algorithm == "sde-dpmsolver")
    config.unknown_solver = "algorithm_type " + algorithm;
  if (json.get_string("solver_type", "midpoint") == "heun")
    config.unknown_solver = "solver_type heun";
  for (const auto& [key, only] : kSolverSwitches) {
    if (json.get_bool(key, only) != only)
      config.unknown_solver = fmt::format("{} {}", key, only ? "false" : "true");
  }
  if (json.has("solver_order"))
    config.solver_order =
        static_cast<int>(json.get_int("solver_order", {}, {.least = 1, .most = 3}));
  config.lower_order_final = get_switch(json, "lower_order_final");
  config.euler_at_final = json.get_bool("euler_at_final", false);
}

}  // namespace

SchedulerConfig SchedulerConfig::read(const Json& json) {
  constexpr IntRange kCount{.least = 1, .most = 1'000'000};
  json.expect_object();
  SchedulerConfig config;
  const auto count = [&](std::string_view key, int fallback, IntRange range) {
    return static_cast<int>(json.get_int(key, fallback, range));
  };
  config.class_name = json.get_string("_class_name", config.class_name);
  // Models with these schedulers predict something else, and no sampler here would make a picture.
  if (config.class_name.starts_with("FlowMatch") || config.class_name.starts_with("EDM"))
    json.refuse("_class_name", "a scheduler of models that predict the noise or its velocity");
  config.train_timesteps = count("num_train_timesteps", config.train_timesteps, kCount);
  config.beta_start = get_beta(json, "beta_start");
  config.beta_end = get_beta(json, "beta_end");
  config.beta_schedule = get_choice(json, "beta_schedule", kBetaSchedules);
  config.prediction = get_choice(json, "prediction_type", kPredictions).value_or(config.prediction);
  config.spacing = get_choice(json, "timestep_spacing", kSpacings);
  get_choice(json, "interpolation_type", kInterpolations);
  config.continuous_timesteps = get_choice(json, "timestep_type", kTimestepTypes).value_or(false);
  config.final_sigma_min = get_choice(json, "final_sigmas_type", kFinalSigmas).value_or(false);
  config.steps_offset = count("steps_offset", 0, {.least = 0, .most = kCount.most});
  config.rescale_betas_zero_snr = json.get_bool("rescale_betas_zero_snr", false);
  config.sigma_min = get_positive(json, "sigma_min");
  config.sigma_max = get_positive(json, "sigma_max");
  config.curve = read_curve(json);
  read_solver(config, json);
  config.clip_sample = get_switch(json, "clip_sample");
  config.clip_sample_range =
      get_positive(json, "clip_sample_range").value_or(config.clip_sample_range);
  config.set_alpha_to_one = get_switch(json, "set_alpha_to_one");
  config.skip_prk_steps = get_switch(json, "skip_prk_steps");
  config.thresholding = json.get_bool("thresholding", false);
  config.original_inference_steps =
      count("original_inference_steps", config.original_inference_steps, kCount);
  config.timestep_scaling =
      get_positive(json, "timestep_scaling").value_or(config.timestep_scaling);
  if (json.has("trained_betas")) {
    json.refuse("trained_betas", "null (Semblance only supports linear and scaled_linear betas)");
  }
  return config;
}

}  // namespace semblance
