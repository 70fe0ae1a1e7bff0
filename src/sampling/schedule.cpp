#include "sampling/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "core/error.h"
#include "sampling/beta_distribution.h"

namespace semblance {
namespace {

// Samplers square and divide noise levels in float32. Real ones are from 0.002 to 5000.
constexpr double kLeastSigma = 1e-6;
constexpr double kLargestSigma = 1e6;

// torch.linspace in float32, on a processor with fused multiply-add: from both ends to the middle.
std::vector<float> linspace_f32(float start, float end, int count) {
  std::vector<float> values(static_cast<std::size_t>(count), start);
  if (count == 1) return values;
  const float step = (end - start) / static_cast<float>(count - 1);
  for (int i = 0; i < count; ++i) {
    const float from_start = std::fma(step, static_cast<float>(i), start);
    const float from_end = std::fma(-step, static_cast<float>(count - i - 1), end);
    values[static_cast<std::size_t>(i)] = i < count / 2 ? from_start : from_end;
  }
  return values;
}

// numpy.linspace in float64.
std::vector<double> linspace_f64(double start, double end, int count) {
  std::vector<double> values(static_cast<std::size_t>(count), start);
  if (count == 1) return values;
  const double step = (end - start) / (count - 1);
  for (int i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = i * step + start;
  values.back() = end;
  return values;
}

// torch.cumprod in float32: the running product is a double.
std::vector<float> cumulative_product(std::span<const float> factors) {
  std::vector<float> products;
  products.reserve(factors.size());
  double product = 1;
  for (const float factor : factors) {
    product *= static_cast<double>(factor);
    products.push_back(static_cast<float>(product));
  }
  return products;
}

// Shifts and scales the schedule so that no signal is left at its last step (Lin et al. 2023,
// algorithm 1). `alphas` are 1 - beta.
void rescale_to_zero_snr(std::vector<float>& alphas) {
  std::vector<float> bars = cumulative_product(alphas);
  for (float& bar : bars) bar = std::sqrt(bar);
  const float first = bars.front();
  const float last = bars.back();
  const float scale = first / (first - last);
  for (float& bar : bars) {
    bar = (bar - last) * scale;
    bar *= bar;
  }
  for (std::size_t i = 0; i < alphas.size(); ++i) {
    const float alpha = i == 0 ? bars[0] : bars[i] / bars[i - 1];
    alphas[i] = 1.0F - (1.0F - alpha);  // through beta, for its rounding
  }
}

std::vector<float> trained_alpha_bars(const SchedulerConfig& config) {
  const bool scaled = *config.beta_schedule == BetaSchedule::kScaledLinear;
  const auto end_of = [&](double beta) {
    return static_cast<float>(scaled ? std::pow(beta, 0.5) : beta);
  };
  std::vector<float> alphas =
      linspace_f32(end_of(*config.beta_start), end_of(*config.beta_end), config.train_timesteps);
  for (float& value : alphas) value = 1.0F - (scaled ? value * value : value);
  if (config.rescale_betas_zero_snr) rescale_to_zero_snr(alphas);
  return cumulative_product(alphas);
}

// Descending. With trailing spacing all families have N timesteps.
std::vector<double> spaced_timesteps(const SchedulerConfig& config, Family family, int steps) {
  std::vector<double> timesteps;
  const int trained = config.train_timesteps;
  const bool multistep = family == Family::kMultistep || family == Family::kSinglestep;
  const int spaces = multistep ? steps + 1 : steps;
  switch (family == Family::kSinglestep ? Spacing::kLinspace : *config.spacing) {
    case Spacing::kLinspace:
      for (const double t : linspace_f64(0, trained - 1, spaces)) {
        const bool fractions = family == Family::kKDiffusion;
        timesteps.push_back(fractions ? static_cast<double>(static_cast<float>(t))
                                      : std::nearbyint(t));
      }
      std::reverse(timesteps.begin(), timesteps.end());
      break;
    case Spacing::kLeading: {
      const int ratio = trained / spaces;
      for (int i = spaces - 1; i >= 0; --i) timesteps.push_back(i * ratio + config.steps_offset);
      break;
    }
    case Spacing::kTrailing: {
      // numpy.arange(trained, 0, -ratio), with its count and its rounding.
      const double ratio = static_cast<double>(trained) / steps;
      const auto count = static_cast<int>(std::ceil(trained / ratio));
      const double delta = (trained - ratio) - trained;
      for (int i = 0; i < count; ++i) timesteps.push_back(std::nearbyint(trained + i * delta) - 1);
      return timesteps;
    }
  }
  if (multistep) timesteps.pop_back();
  return timesteps;
}

// Karras' (rho 7), exponential or beta sigmas from `most` down to `least`.
std::vector<double> curved(Curve curve, double most, double least, int steps) {
  constexpr double kRho = 7.0;
  if (curve == Curve::kExponential) {
    std::vector<double> sigmas = linspace_f64(std::log(most), std::log(least), steps);
    for (double& sigma : sigmas) sigma = std::exp(sigma);
    return sigmas;
  }
  std::vector<double> sigmas = linspace_f64(0, 1, steps);
  const double root_most = std::pow(most, 1 / kRho);
  const double root_least = std::pow(least, 1 / kRho);
  for (double& sigma : sigmas) {
    sigma = curve == Curve::kBeta ? least + beta_quantile(1 - sigma) * (most - least)
                                  : std::pow(root_most + sigma * (root_least - root_most), kRho);
  }
  return sigmas;
}

// The published table for SDXL, interpolated as in AUTOMATIC1111. A single step uses the largest
// level (AUTOMATIC1111 would use the lowest).
std::vector<double> align_your_steps(int steps) {
  constexpr std::array kLevels{14.615, 6.315, 3.771, 2.181, 1.342, 0.862,
                               0.555,  0.380, 0.234, 0.113, 0.029};
  constexpr auto kLast = static_cast<double>(kLevels.size() - 1);
  std::vector<double> sigmas;
  for (const double share : linspace_f64(0, 1, steps)) {
    const auto low = static_cast<std::size_t>(std::min(share * kLast, kLast - 1));
    const double inside = share * kLast - static_cast<double>(low);
    sigmas.push_back(
        std::exp((1 - inside) * std::log(kLevels[low]) + inside * std::log(kLevels[low + 1])));
  }
  return sigmas;
}

// The curves of other front ends. Timesteps are fractional for every sampler, as in those.
Schedule front_end_schedule(const SchedulerConfig& config, const TrainedNoise& trained, int steps) {
  Schedule schedule;
  if (config.curve == Curve::kAys) {
    schedule.sigmas = align_your_steps(steps);
    for (const double sigma : schedule.sigmas)
      schedule.timesteps.push_back(static_cast<float>(trained.timestep_of(sigma)));
    return schedule;
  }
  const double last = config.train_timesteps - 1;
  for (int i = 0; i < steps; ++i) {
    if (config.curve == Curve::kSimple) {
      const double t = last - std::floor(i * (static_cast<double>(config.train_timesteps) / steps));
      schedule.timesteps.push_back(static_cast<float>(t));
      schedule.sigmas.push_back(trained.sigma_at(t));
    } else {
      const double t = last - i * (last / steps);
      schedule.timesteps.push_back(static_cast<float>(t));
      schedule.sigmas.push_back(trained.log_linear_sigma_at(t));
    }
  }
  return schedule;
}

Schedule trained_schedule(const SchedulerConfig& config, const TrainedNoise& trained, Family family,
                          int steps) {
  Schedule schedule;
  auto& [timesteps, sigmas] = schedule;
  for (const double t : spaced_timesteps(config, family, steps)) {
    timesteps.push_back(static_cast<float>(t));
    sigmas.push_back(trained.sigma_at(t));
  }
  if (config.curve == Curve::kDefault) return schedule;
  const bool all = family == Family::kMultistep || family == Family::kSinglestep;
  const double most = all ? static_cast<double>(trained.sigmas().back()) : sigmas.front();
  const double least = all ? static_cast<double>(trained.sigmas().front()) : sigmas.back();
  sigmas = curved(config.curve, config.sigma_max.value_or(most), config.sigma_min.value_or(least),
                  steps);
  timesteps.clear();
  for (const double sigma : sigmas) {
    double t = trained.timestep_of(sigma);
    if (all) t = config.curve == Curve::kKarras ? std::nearbyint(t) : std::trunc(t);
    timesteps.push_back(static_cast<float>(t));
  }
  return schedule;
}

}  // namespace

TrainedNoise::TrainedNoise(const SchedulerConfig& config)
    : alpha_bars_(trained_alpha_bars(config)), sigmas_(alpha_bars_) {
  if (config.rescale_betas_zero_snr) sigmas_.back() = 0x1p-24F;
  for (float& value : sigmas_) value = std::sqrt((1.0F - value) / value);
  if (!std::all_of(sigmas_.begin(), sigmas_.end(),
                   [](float sigma) { return sigma > 0 && std::isfinite(sigma); })) {
    fail(ErrorKind::kCorrupt,
         "cannot make a schedule: betas from {} to {} over {} training steps must give positive "
         "and finite noise levels",
         *config.beta_start, *config.beta_end, config.train_timesteps);
  }
  for (const float sigma : sigmas_) log_sigmas_.push_back(std::log(sigma));
}

// numpy.interp.
double TrainedNoise::sigma_at(double timestep) const {
  const auto last = static_cast<double>(sigmas_.size() - 1);
  if (!(timestep > 0)) return sigmas_.front();
  if (timestep >= last) return sigmas_.back();
  const auto low = static_cast<std::size_t>(timestep);
  const double start = sigmas_[low];
  const double slope = sigmas_[low + 1] - start;
  const double inside = timestep - static_cast<double>(low);
  return inside == 0 ? start : slope * inside + start;
}

double TrainedNoise::timestep_of(double sigma) const {
  const double log_sigma = std::log(std::max(sigma, 1e-10));
  if (log_sigmas_.size() < 2) return 0;
  std::size_t low = 0;
  for (std::size_t i = 0; i < log_sigmas_.size(); ++i) {
    if (log_sigma - static_cast<double>(log_sigmas_[i]) >= 0) low = i;
  }
  low = std::min(low, log_sigmas_.size() - 2);
  const double weight = std::clamp((static_cast<double>(log_sigmas_[low]) - log_sigma) /
                                       static_cast<double>(log_sigmas_[low] - log_sigmas_[low + 1]),
                                   0.0, 1.0);
  return (1 - weight) * static_cast<double>(low) + weight * static_cast<double>(low + 1);
}

double TrainedNoise::log_linear_sigma_at(double timestep) const {
  if (log_sigmas_.size() < 2) return sigmas_.front();
  const auto low = std::min(static_cast<std::size_t>(std::max(timestep, 0.0)), sigmas_.size() - 2);
  const double inside = std::clamp(timestep - static_cast<double>(low), 0.0, 1.0);
  return std::exp((1 - inside) * static_cast<double>(log_sigmas_[low]) +
                  inside * static_cast<double>(log_sigmas_[low + 1]));
}

Schedule make_schedule(const SchedulerConfig& config, const TrainedNoise& trained, Family family,
                       int steps) {
  const bool one_more = family == Family::kMultistep && *config.spacing == Spacing::kLeading;
  const int most = config.train_timesteps - (one_more ? 1 : 0);
  if (steps < 1 || steps > most) {
    fail(ErrorKind::kArgument,
         "cannot make a schedule: steps must be from 1 to {} (the model's training steps), got {}",
         most, steps);
  }
  const bool front_end = config.curve == Curve::kSgmUniform || config.curve == Curve::kSimple ||
                         config.curve == Curve::kAys;
  Schedule schedule = front_end ? front_end_schedule(config, trained, steps)
                                : trained_schedule(config, trained, family, steps);
  for (const double sigma : schedule.sigmas) {
    if (!(sigma >= kLeastSigma && sigma <= kLargestSigma)) {
      fail(ErrorKind::kCorrupt,
           "cannot make a schedule: noise levels must be from {} to {}, got {:g} (from the betas, "
           "sigma_min and sigma_max in the model's scheduler config)",
           kLeastSigma, kLargestSigma, sigma);
    }
  }
  schedule.sigmas.push_back(config.final_sigma_min ? static_cast<double>(trained.sigmas().front())
                                                   : 0);
  return schedule;
}

}  // namespace semblance
