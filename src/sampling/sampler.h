// The tables of samplers and of noise level curves, and the names that people use for them. To add
// a sampler: a file with a class behind Sampler, a line in makers.h, a row in sampler.cpp.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sampling/sampler_base.h"
#include "sampling/scheduler_config.h"

namespace semblance {

/// What a sampler is made from. All optional values of `config` are set, except the spacing of
/// samplers for few steps: without one they use the timesteps that the model was distilled for.
struct SamplerSettings {
  SchedulerConfig config;
  int steps = 0;
  double eta = 0;
  int skipped_steps = 0;  // of `steps`, at the beginning
};

/// The defaults of diffusers' class for keys that the model's file lacks.
struct SchedulerDefaults {
  double beta_start = 0.0001;
  double beta_end = 0.02;
  BetaSchedule beta_schedule = BetaSchedule::kLinear;
  Spacing spacing = Spacing::kLinspace;
  bool clip_sample = false;
  bool set_alpha_to_one = false;
  bool lower_order_final = true;
};

/// What a sampler supports.
enum SamplerTrait : unsigned {
  kTakesCurve = 1U << 0,       // supports curves of noise levels: it steps on sigmas
  kReadsCurve = 1U << 1,       // diffusers' class reads them from the model's file
  kReadsSpacing = 1U << 2,     // timestep_spacing
  kReadsZeroSnr = 1U << 3,     // rescale_betas_zero_snr
  kReadsFinal = 1U << 4,       // final_sigmas_type
  kReadsContinuous = 1U << 5,  // timestep_type
  kTakesSample = 1U << 6,      // supports models that predict the sample
  kTakesEta = 1U << 7,         // has a parameter eta
  kIsSolver = 1U << 8,         // reads solver_type, solver_order, ...
  kThresholds = 1U << 9,       // reads thresholding, which Semblance does not support
  kClips = 1U << 10,           // reads clip_sample
  kIsBrownian = 1U << 11,      // diffusers draws its noise from a Brownian tree
  kIsSde = 1U << 12,           // AUTOMATIC1111 and ComfyUI draw its noise from one
  kForFewSteps = 1U << 13,     // for models distilled to a few steps
};

struct SamplerRow {
  std::string_view name;             // "dpmpp_2m": in flags and JSON
  std::string_view title;            // "DPM++ 2M": in picture metadata, as in AUTOMATIC1111
  std::string_view diffusers_class;  // "DPMSolverMultistepScheduler"
  std::span<const std::string_view> aliases;
  unsigned traits;
  SchedulerDefaults defaults;
  Curve web_ui_curve;  // AUTOMATIC1111's default for this sampler
  std::unique_ptr<Sampler> (*make)(const SamplerSettings& settings);

  bool has(SamplerTrait trait) const { return (traits & trait) != 0; }
};

struct CurveRow {
  std::string_view name;   // "sgm_uniform"
  std::string_view title;  // "SGM Uniform", as in AUTOMATIC1111
  std::span<const std::string_view> aliases;
  Curve curve;
  std::optional<Spacing> spacing;  // if the name implies one
};

/// What another program's sampler title means here.
struct SamplerChoice {
  const SamplerRow* sampler = nullptr;
  const CurveRow* curve = nullptr;  // if the title contains one: "DPM++ 2M Karras"
  bool is_nearest = false;          // an approximation: Semblance lacks the title's sampler
};

/// A request's options. Those absent follow the model's file.
struct SamplerOptions {
  std::optional<Curve> curve = {};
  std::optional<Spacing> spacing = {};
  std::optional<Prediction> prediction = {};
  std::optional<bool> zero_terminal_snr = {};
  double eta = 0;  // 0..1: the share of new noise in each step of DDIM and TCD
  /// Steps left out at the beginning, for a run that starts from a picture with noise.
  int skipped_steps = 0;
};

/// Makes a sampler from a model's file, like from_config of the row's class, and a request's
/// options. Throws Error(kArgument) for an option or a setting of the file that the sampler does
/// not support, or if all steps are skipped; and what make_schedule() throws.
std::unique_ptr<Sampler> make_sampler(const SamplerRow& row, const SchedulerConfig& config,
                                      int steps, const SamplerOptions& options = {});

std::span<const SamplerRow> samplers();
const SamplerRow& default_sampler();
std::span<const CurveRow> curves();

/// Finds a row by name, title, class or alias, ignoring case, spaces, hyphens and underscores;
/// nullptr if there is none.
const SamplerRow* find_sampler(std::string_view name);
const CurveRow* find_curve(std::string_view name);
/// Also accepts titles that end in a curve's title, and maps samplers that Semblance lacks, such as
/// "DPM2 a", to the nearest one.
std::optional<SamplerChoice> find_choice(std::string_view title);
/// The sampler that a model's file selects by its class, algorithm_type and solver_order; nullptr
/// if Semblance lacks the class.
const SamplerRow* find_sampler(const SchedulerConfig& config);
/// Whether the file is that of a model distilled to a few steps: its sampler is made for them, or
/// it has trailing spacing, as SDXL Turbo, Lightning and Hyper-SD need. (Models with zero terminal
/// SNR have that, too.)
bool is_for_few_steps(const SchedulerConfig& config);
/// "karras", "Karras"
std::string_view name_of(Curve curve);
std::string_view title_of(Curve curve);

/// "Euler, Euler a, ...": all titles, for messages.
std::string sampler_titles();
/// "default, karras, ...": all names.
std::string curve_names();

}  // namespace semblance
