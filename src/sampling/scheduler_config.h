// scheduler_config.json: how a model was trained and how to sample it. Any sampler can use any such
// file, as with from_config in diffusers (0.42): it reads the keys that its own class has, and uses
// its class's defaults for missing keys.
#pragma once

#include <optional>
#include <string>

namespace semblance {

class Json;

enum class BetaSchedule { kLinear, kScaledLinear };
enum class Prediction { kEpsilon, kV, kSample };
enum class Spacing { kLinspace, kLeading, kTrailing };

/// The distribution of noise levels between the largest and the lowest.
enum class Curve {
  kDefault,      // the levels of evenly spaced timesteps
  kKarras,       // Karras et al. 2022, rho 7
  kExponential,  // evenly spaced logarithms
  kBeta,         // quantiles of a beta distribution (Lee et al. 2024), diffusers' version
  kSgmUniform,   // evenly spaced fractional timesteps without the last, as in ComfyUI
  kSimple,       // every n-th trained level, as in ComfyUI
  kAys,          // Align Your Steps (Sabour et al. 2024), the table for SDXL
};

/// Optional values are absent in the file; their defaults depend on the sampler's class.
struct SchedulerConfig {
  std::string class_name = "EulerDiscreteScheduler";
  int train_timesteps = 1000;
  std::optional<double> beta_start = {};
  std::optional<double> beta_end = {};
  std::optional<BetaSchedule> beta_schedule = {};
  Prediction prediction = Prediction::kEpsilon;
  std::optional<Spacing> spacing = {};
  Curve curve = Curve::kDefault;
  std::optional<double> sigma_min = {};  // for Karras', exponential and beta curves
  std::optional<double> sigma_max = {};
  int steps_offset = 0;
  bool continuous_timesteps = false;  // only used with v prediction, as in diffusers
  bool rescale_betas_zero_snr = false;
  bool final_sigma_min = false;  // the last sigma is the lowest trained one instead of 0

  // Keys of DPM-Solver, DEIS and UniPC.
  bool sde = false;  // algorithm_type sde-dpmsolver++
  std::optional<int> solver_order = {};
  std::optional<bool> lower_order_final = {};
  bool euler_at_final = false;
  std::string unknown_solver = {};  // an unsupported setting, "use_lu_lambdas true"

  // Keys of DDIM, PNDM, LCM and TCD.
  std::optional<bool> clip_sample = {};
  double clip_sample_range = 1;
  std::optional<bool> set_alpha_to_one = {};
  std::optional<bool> skip_prk_steps = {};
  bool thresholding = false;
  int original_inference_steps = 50;
  double timestep_scaling = 10;

  /// Throws Error(kCorrupt) for a value of the wrong type or out of range, and for unsupported
  /// settings: trained_betas, other beta schedules and interpolations, and classes for flow
  /// matching or EDM.
  static SchedulerConfig read(const Json& json);
};

}  // namespace semblance
