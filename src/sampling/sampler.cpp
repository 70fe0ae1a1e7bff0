#include "sampling/sampler.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/ascii.h"
#include "core/error.h"
#include "sampling/makers.h"

namespace semblance {
namespace {

using Names = std::span<const std::string_view>;

// Aliases, including ComfyUI's names and those of AUTOMATIC1111's settings.
constexpr std::array<std::string_view, 2> kEuler{"k_euler", "euler_discrete"};
constexpr std::array<std::string_view, 3> kEulerA{"k_euler_a", "k_euler_ancestral",
                                                  "euler_ancestral"};
constexpr std::array<std::string_view, 2> kHeun{"k_heun", "heun_discrete"};
constexpr std::array<std::string_view, 4> kKdpm2{"dpm2", "dpm_2", "k_dpm_2", "kdpm2_discrete"};
constexpr std::array<std::string_view, 2> kLms{"k_lms", "lms_discrete"};
constexpr std::array<std::string_view, 3> kDpmpp2m{"k_dpmpp_2m", "dpm_solver_multistep",
                                                   "dpmsolver++"};
constexpr std::array<std::string_view, 1> kDpmpp3m{"k_dpmpp_3m"};
constexpr std::array<std::string_view, 4> kDpmpp2mSde{"k_dpmpp_2m_sde", "dpmpp_2m_sde_gpu",
                                                      "sde_dpmsolver++", "dpm_solver_sde_2m"};
constexpr std::array<std::string_view, 2> kDpmpp3mSde{"k_dpmpp_3m_sde", "dpmpp_3m_sde_gpu"};
constexpr std::array<std::string_view, 3> kDpmppSde{"k_dpmpp_sde", "dpmpp_sde_gpu",
                                                    "dpm_solver_sde"};
constexpr std::array<std::string_view, 1> kDpmpp2s{"dpm_solver_singlestep"};
constexpr std::array<std::string_view, 1> kDeis{"deis_multistep"};
constexpr std::array<std::string_view, 3> kUniPc{"uni_pc", "uni_pc_bh2", "unipc_multistep"};
constexpr std::array<std::string_view, 1> kDdim{"ddim_uniform"};
constexpr std::array<std::string_view, 1> kPndm{"plms"};
constexpr std::array<std::string_view, 1> kLcm{"latent_consistency"};
constexpr Names kNone{};

// The defaults of diffusers' classes.
constexpr SchedulerDefaults kPlain{};
constexpr SchedulerDefaults kKDiffusion{.beta_start = 0.00085, .beta_end = 0.012};
constexpr SchedulerDefaults kSinglestep{.lower_order_final = false};
constexpr SchedulerDefaults kOfDdim{
    .spacing = Spacing::kLeading, .clip_sample = true, .set_alpha_to_one = true};
constexpr SchedulerDefaults kOfPndm{.spacing = Spacing::kLeading};
constexpr SchedulerDefaults kConsistency{.beta_start = 0.00085,
                                         .beta_end = 0.012,
                                         .beta_schedule = BetaSchedule::kScaledLinear,
                                         .set_alpha_to_one = true};

constexpr unsigned kOnSigmas = kTakesCurve | kReadsSpacing;
constexpr unsigned kCurved = kOnSigmas | kReadsCurve;
constexpr unsigned kSolver = kCurved | kTakesSample | kIsSolver | kThresholds;
constexpr unsigned kDpmSolver = kSolver | kReadsZeroSnr | kReadsFinal;

constexpr Curve kUniform = Curve::kDefault;
constexpr Curve kKarras = Curve::kKarras;
constexpr Curve kExponential = Curve::kExponential;

constexpr const char* kMultistep = "DPMSolverMultistepScheduler";

// Titles of samplers that AUTOMATIC1111 lacks follow its style.
constexpr std::array kSamplers{
    SamplerRow{"euler", "Euler", "EulerDiscreteScheduler", kEuler,
               kCurved | kReadsZeroSnr | kReadsFinal | kReadsContinuous | kTakesSample, kPlain,
               kUniform, make_euler},
    SamplerRow{"euler_a", "Euler a", "EulerAncestralDiscreteScheduler", kEulerA,
               kOnSigmas | kReadsZeroSnr, kPlain, kUniform, make_euler_ancestral},
    SamplerRow{"heun", "Heun", "HeunDiscreteScheduler", kHeun, kCurved | kTakesSample | kClips,
               kKDiffusion, kUniform, make_heun},
    SamplerRow{"kdpm2", "DPM2", "KDPM2DiscreteScheduler", kKdpm2, kCurved, kKDiffusion, kKarras,
               make_kdpm2},
    SamplerRow{"lms", "LMS", "LMSDiscreteScheduler", kLms, kCurved | kTakesSample, kPlain, kUniform,
               make_lms},
    SamplerRow{"dpmpp_2m", "DPM++ 2M", kMultistep, kDpmpp2m, kDpmSolver, kPlain, kKarras,
               make_dpmpp_2m},
    SamplerRow{"dpmpp_3m", "DPM++ 3M", kMultistep, kDpmpp3m, kDpmSolver, kPlain, kKarras,
               make_dpmpp_3m},
    SamplerRow{"dpmpp_2m_sde", "DPM++ 2M SDE", kMultistep, kDpmpp2mSde, kDpmSolver | kIsSde, kPlain,
               kExponential, make_dpmpp_2m_sde},
    SamplerRow{"dpmpp_3m_sde", "DPM++ 3M SDE", kMultistep, kDpmpp3mSde, kDpmSolver | kIsSde, kPlain,
               kExponential, make_dpmpp_3m_sde},
    SamplerRow{"dpmpp_sde", "DPM++ SDE", "DPMSolverSDEScheduler", kDpmppSde,
               kCurved | kIsBrownian | kIsSde, kKDiffusion, kKarras, make_dpmpp_sde},
    SamplerRow{"dpmpp_2s", "DPM++ 2S", "DPMSolverSinglestepScheduler", kDpmpp2s,
               (kSolver | kReadsFinal) & ~kReadsSpacing, kSinglestep, kKarras, make_dpmpp_2s},
    SamplerRow{"deis", "DEIS", "DEISMultistepScheduler", kDeis, kSolver, kPlain, kUniform,
               make_deis},
    SamplerRow{"unipc", "UniPC", "UniPCMultistepScheduler", kUniPc, kDpmSolver, kPlain, kUniform,
               make_unipc},
    SamplerRow{"ddim", "DDIM", "DDIMScheduler", kDdim,
               kReadsSpacing | kReadsZeroSnr | kTakesSample | kTakesEta | kThresholds | kClips,
               kOfDdim, kUniform, make_ddim},
    SamplerRow{"pndm", "PNDM", "PNDMScheduler", kPndm, kReadsSpacing, kOfPndm, kUniform, make_pndm},
    SamplerRow{"lcm", "LCM", "LCMScheduler", kLcm,
               kReadsZeroSnr | kTakesSample | kThresholds | kClips | kForFewSteps, kConsistency,
               kUniform, make_lcm},
    SamplerRow{"tcd", "TCD", "TCDScheduler", kNone,
               kReadsZeroSnr | kTakesSample | kTakesEta | kForFewSteps, kConsistency, kUniform,
               make_tcd},
};

constexpr std::array<std::string_view, 2> kAutomaticNames{"automatic", "model"};
constexpr std::array<std::string_view, 1> kKarrasNames{"use_karras_sigmas"};
constexpr std::array<std::string_view, 1> kExponentialNames{"polyexponential"};
constexpr std::array<std::string_view, 1> kAysNames{"align_your_steps"};
constexpr std::array<std::string_view, 1> kNormalNames{"normal"};
constexpr std::array<std::string_view, 1> kDdimNames{"ddim_uniform"};

// The last two are the default curve with a spacing, under the names of other programs.
constexpr std::array kCurveRows{
    CurveRow{"default", "Automatic", kAutomaticNames, Curve::kDefault, {}},
    CurveRow{"karras", "Karras", kKarrasNames, Curve::kKarras, {}},
    CurveRow{"exponential", "Exponential", kExponentialNames, Curve::kExponential, {}},
    CurveRow{"beta", "Beta", kNone, Curve::kBeta, {}},
    CurveRow{"sgm_uniform", "SGM Uniform", kNone, Curve::kSgmUniform, {}},
    CurveRow{"simple", "Simple", kNone, Curve::kSimple, {}},
    CurveRow{"ays", "Align Your Steps", kAysNames, Curve::kAys, {}},
    CurveRow{"uniform", "Uniform", kNormalNames, Curve::kDefault, Spacing::kLinspace},
    CurveRow{"ddim", "DDIM", kDdimNames, Curve::kDefault, Spacing::kLeading},
};

// Samplers of other programs that Semblance lacks, with the nearest one.
constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kLikenesses{{
    {"DPM2 a", "kdpm2"},
    {"dpm_2_ancestral", "kdpm2"},
    {"KDPM2AncestralDiscreteScheduler", "kdpm2"},
    {"DPM++ 2S a", "dpmpp_2s"},
    {"dpmpp_2s_ancestral", "dpmpp_2s"},
    {"DPM++ 2M SDE Heun", "dpmpp_2m_sde"},
    {"DPM fast", "dpmpp_2s"},
    {"DPM adaptive", "dpmpp_2s"},
    {"Restart", "heun"},
    {"DDPM", "euler_a"},
    {"DDPMScheduler", "euler_a"},
    {"DDIM CFG++", "ddim"},
    {"heunpp2", "heun"},
    {"ipndm", "pndm"},
    {"euler_cfg_pp", "euler"},
}};

std::string plain(std::string_view name) {
  std::string text;
  for (const char c : lower(name)) {
    if (c == '+')
      text += 'p';  // titles have "++", names have "pp"
    else if (c != ' ' && c != '_' && c != '-')
      text += c;
  }
  return text;
}

bool is_called(Names names, std::string_view wanted) {
  return std::ranges::any_of(names, [&](std::string_view known) { return plain(known) == wanted; });
}

}  // namespace

std::span<const SamplerRow> samplers() { return kSamplers; }

const SamplerRow& default_sampler() { return kSamplers.front(); }

std::span<const CurveRow> curves() { return kCurveRows; }

const SamplerRow* find_sampler(std::string_view name) {
  const std::string wanted = plain(name);
  const auto found = std::ranges::find_if(kSamplers, [&](const SamplerRow& row) {
    return is_called(std::array{row.name, row.title, row.diffusers_class}, wanted) ||
           is_called(row.aliases, wanted);
  });
  return found == kSamplers.end() ? nullptr : &*found;
}

const CurveRow* find_curve(std::string_view name) {
  const std::string wanted = plain(name);
  const auto found = std::ranges::find_if(kCurveRows, [&](const CurveRow& row) {
    return is_called(std::array{row.name, row.title}, wanted) || is_called(row.aliases, wanted);
  });
  return found == kCurveRows.end() ? nullptr : &*found;
}

std::optional<SamplerChoice> find_choice(std::string_view title) {
  const std::string wanted = plain(title);
  const auto sampler_only = [](std::string_view name) -> std::optional<SamplerChoice> {
    if (const SamplerRow* row = find_sampler(name)) return SamplerChoice{.sampler = row};
    for (const auto& [known, nearest] : kLikenesses) {
      if (plain(known) == plain(name))
        return SamplerChoice{.sampler = find_sampler(nearest), .is_nearest = true};
    }
    return std::nullopt;
  };
  if (const auto choice = sampler_only(wanted)) return choice;
  for (const CurveRow& curve : kCurveRows) {
    const std::string ending = plain(curve.title);
    if (!wanted.ends_with(ending)) continue;
    if (auto choice = sampler_only(wanted.substr(0, wanted.size() - ending.size()))) {
      choice->curve = &curve;
      return choice;
    }
  }
  return std::nullopt;
}

const SamplerRow* find_sampler(const SchedulerConfig& config) {
  const auto found = std::ranges::find_if(kSamplers, [&](const SamplerRow& row) {
    if (row.diffusers_class != config.class_name) return false;
    if (row.diffusers_class != kMultistep) return true;
    const bool third = row.name.starts_with("dpmpp_3m");
    return row.has(kIsSde) == config.sde && third == (config.solver_order.value_or(2) == 3);
  });
  return found == kSamplers.end() ? nullptr : &*found;
}

bool is_for_few_steps(const SchedulerConfig& config) {
  const SamplerRow* row = find_sampler(config);
  if (row != nullptr && row->has(kForFewSteps)) return true;
  return config.spacing == Spacing::kTrailing && config.prediction == Prediction::kEpsilon &&
         !config.rescale_betas_zero_snr;
}

std::string_view name_of(Curve curve) {
  return std::ranges::find(kCurveRows, curve, &CurveRow::curve)->name;
}

std::string_view title_of(Curve curve) {
  return std::ranges::find(kCurveRows, curve, &CurveRow::curve)->title;
}

std::string sampler_titles() {
  std::string titles;
  for (const SamplerRow& row : kSamplers)
    titles.append(titles.empty() ? "" : ", ").append(row.title);
  return titles;
}

std::string curve_names() {
  std::string names;
  for (const CurveRow& row : kCurveRows) names.append(names.empty() ? "" : ", ").append(row.name);
  return names;
}

}  // namespace semblance
