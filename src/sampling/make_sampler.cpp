// Makes a sampler from a model's file and a request, like diffusers' from_config, and rejects
// combinations that diffusers would ignore or fail on.
#include "core/error.h"
#include "sampling/sampler.h"

namespace semblance {
namespace {

template <typename T>
void set_default(std::optional<T>& value, const T& fallback) {
  if (!value) value = fallback;
}

[[noreturn]] void refuse(const SamplerRow& row, std::string_view why, std::string_view instead) {
  fail(ErrorKind::kArgument, "cannot use {}: {}\n  {}", row.title, why, instead);
}

/// Drops settings of the model's file that the row's class does not read, and fills in its
/// defaults.
void forget_unread(SchedulerConfig& config, const SamplerRow& row) {
  const SchedulerDefaults& defaults = row.defaults;
  if (!row.has(kReadsCurve)) config.curve = Curve::kDefault;
  if (!row.has(kReadsSpacing)) config.spacing.reset();
  if (!row.has(kReadsZeroSnr)) config.rescale_betas_zero_snr = false;
  if (!row.has(kReadsFinal)) config.final_sigma_min = false;
  if (!row.has(kReadsContinuous)) config.continuous_timesteps = false;
  if (!row.has(kClips)) config.clip_sample = false;
  set_default(config.beta_start, defaults.beta_start);
  set_default(config.beta_end, defaults.beta_end);
  set_default(config.beta_schedule, defaults.beta_schedule);
  if (!row.has(kForFewSteps)) set_default(config.spacing, defaults.spacing);
  set_default(config.clip_sample, defaults.clip_sample);
  set_default(config.set_alpha_to_one, defaults.set_alpha_to_one);
  set_default(config.lower_order_final, defaults.lower_order_final);
}

void check_file(const SchedulerConfig& config, const SamplerRow& row) {
  constexpr std::string_view kInstead = "use another sampler";
  if (row.has(kThresholds) && config.thresholding) {
    refuse(row,
           "the model's scheduler config sets thresholding true, which Semblance does not support",
           kInstead);
  }
  if (!row.has(kIsSolver)) return;
  if (!config.unknown_solver.empty()) {
    refuse(row,
           fmt::format("the model's scheduler config sets {}, which Semblance does not support",
                       config.unknown_solver),
           kInstead);
  }
  // A row of DPM-Solver's multistep class defines its order. Other rows only support order 2; it is
  // checked if the file is their own class's.
  const int order = config.solver_order.value_or(2);
  const bool is_known = row.name.starts_with("dpmpp_") && !row.name.ends_with("2s");
  const bool is_own = config.class_name == row.diffusers_class;
  if ((is_known && is_own && order == 1) || (!is_known && is_own && order != 2)) {
    refuse(row,
           fmt::format("the model's scheduler config sets solver_order {}, which Semblance "
                       "does not support here",
                       order),
           kInstead);
  }
}

void apply(const SamplerOptions& options, SchedulerConfig& config, const SamplerRow& row) {
  if (options.curve && *options.curve != Curve::kDefault && !row.has(kTakesCurve)) {
    refuse(row, fmt::format("it has no noise level curves, got {}", name_of(*options.curve)),
           "use the default curve or another sampler");
  }
  if (options.spacing && !row.has(kReadsSpacing) && !row.has(kForFewSteps))
    refuse(row, "its timestep spacing is fixed", "omit the spacing");
  if (options.zero_terminal_snr.value_or(false) && !row.has(kReadsZeroSnr)) {
    refuse(row, "it does not support zero terminal SNR",
           "use Euler, Euler a, DPM++ 2M, UniPC, DDIM, LCM or TCD");
  }
  config.curve = options.curve.value_or(config.curve);
  if (options.spacing) config.spacing = options.spacing;
  config.prediction = options.prediction.value_or(config.prediction);
  config.rescale_betas_zero_snr = options.zero_terminal_snr.value_or(config.rescale_betas_zero_snr);
  if (config.prediction == Prediction::kSample && !row.has(kTakesSample)) {
    refuse(row, "expected a model that predicts epsilon or v, got one that predicts the sample",
           "use another sampler");
  }
  if (!(options.eta >= 0 && options.eta <= 1)) {
    refuse(row, fmt::format("eta must be from 0 to 1, got {}", options.eta),
           "use 0 for steps without new noise");
  }
  if (options.eta != 0 && !row.has(kTakesEta)) {
    refuse(row, fmt::format("it has no parameter eta, got {}", options.eta),
           "omit eta, or use DDIM or TCD");
  }
}

}  // namespace

std::unique_ptr<Sampler> make_sampler(const SamplerRow& row, const SchedulerConfig& config,
                                      int steps, const SamplerOptions& options) {
  SamplerSettings settings{
      .config = config, .steps = steps, .eta = options.eta, .skipped_steps = options.skipped_steps};
  if (options.skipped_steps < 0 || (options.skipped_steps > 0 && options.skipped_steps >= steps)) {
    fail(ErrorKind::kArgument,
         "cannot make the sampler: expected to skip fewer than {} steps, got {}", steps,
         options.skipped_steps);
  }
  check_file(config, row);
  forget_unread(settings.config, row);
  apply(options, settings.config, row);
  return row.make(settings);
}

}  // namespace semblance
