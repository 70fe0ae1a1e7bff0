#include "sampling/schedule.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/error.h"

namespace semblance {
namespace {

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

// The trained noise levels, ascending: sqrt((1 - alpha_bar) / alpha_bar).
std::vector<float> trained_sigmas(const SchedulerConfig& config) {
  const bool scaled = config.beta_schedule == SchedulerConfig::BetaSchedule::kScaledLinear;
  const auto end_of = [&](double beta) {
    return static_cast<float>(scaled ? std::pow(beta, 0.5) : beta);
  };
  std::vector<float> alphas =
      linspace_f32(end_of(config.beta_start), end_of(config.beta_end), config.train_timesteps);
  for (float& value : alphas) value = 1.0F - (scaled ? value * value : value);
  if (config.rescale_betas_zero_snr) rescale_to_zero_snr(alphas);
  std::vector<float> sigmas = cumulative_product(alphas);
  if (config.rescale_betas_zero_snr) sigmas.back() = 0x1p-24F;  // so that the largest is finite
  for (float& value : sigmas) value = std::sqrt((1.0F - value) / value);
  return sigmas;
}

std::vector<float> spaced_timesteps(const SchedulerConfig& config, int steps) {
  std::vector<float> timesteps;
  const int trained = config.train_timesteps;
  switch (config.spacing) {
    case SchedulerConfig::Spacing::kLinspace:
      for (const double t : linspace_f64(0, trained - 1, steps)) {
        timesteps.push_back(static_cast<float>(t));
      }
      std::reverse(timesteps.begin(), timesteps.end());
      break;
    case SchedulerConfig::Spacing::kLeading:
      for (int i = steps - 1; i >= 0; --i) {
        timesteps.push_back(static_cast<float>(i * (trained / steps)) +
                            static_cast<float>(config.steps_offset));
      }
      break;
    case SchedulerConfig::Spacing::kTrailing: {
      // numpy.arange(trained, 0, -ratio), with its count and its rounding.
      const double ratio = static_cast<double>(trained) / steps;
      const auto count = static_cast<int>(std::ceil(trained / ratio));
      const double delta = (trained - ratio) - trained;
      for (int i = 0; i < count; ++i) {
        timesteps.push_back(static_cast<float>(std::nearbyint(trained + i * delta)) - 1.0F);
      }
      break;
    }
  }
  return timesteps;
}

// numpy.interp over the trained sigmas; clamped at the ends.
double sigma_at(std::span<const float> trained, double timestep) {
  const double last = static_cast<double>(trained.size() - 1);
  if (!(timestep > 0)) return trained.front();
  if (timestep >= last) return trained.back();
  const auto low = static_cast<std::size_t>(timestep);
  const double start = trained[low];
  const double slope = trained[low + 1] - start;
  const double inside = timestep - static_cast<double>(low);
  return inside == 0 ? start : slope * inside + start;
}

// The fractional timestep at which training had this sigma.
double timestep_of(double sigma, std::span<const float> log_trained) {
  const double log_sigma = std::log(std::max(sigma, 1e-10));
  if (log_trained.size() < 2) return 0;
  std::size_t low = 0;
  for (std::size_t i = 0; i < log_trained.size(); ++i) {
    if (log_sigma - static_cast<double>(log_trained[i]) >= 0) low = i;
  }
  low = std::min(low, log_trained.size() - 2);
  const double weight = std::clamp((static_cast<double>(log_trained[low]) - log_sigma) /
                                       static_cast<double>(log_trained[low] - log_trained[low + 1]),
                                   0.0, 1.0);
  return (1 - weight) * static_cast<double>(low) + weight * static_cast<double>(low + 1);
}

// Karras' sigmas (rho 7) or exponential ones, between the same ends.
std::vector<double> curved_sigmas(const SchedulerConfig& config, double first, double last,
                                  int steps) {
  constexpr double kRho = 7.0;
  const double most = config.sigma_max.value_or(first);
  const double least = config.sigma_min.value_or(last);
  if (config.sigmas == SchedulerConfig::Sigmas::kExponential) {
    std::vector<double> sigmas = linspace_f64(std::log(most), std::log(least), steps);
    for (double& sigma : sigmas) sigma = std::exp(sigma);
    return sigmas;
  }
  const double root_most = std::pow(most, 1 / kRho);
  const double root_least = std::pow(least, 1 / kRho);
  std::vector<double> sigmas = linspace_f64(0, 1, steps);
  for (double& sigma : sigmas) {
    sigma = std::pow(root_most + sigma * (root_least - root_most), kRho);
  }
  return sigmas;
}

}  // namespace

Schedule make_schedule(const SchedulerConfig& config, int steps) {
  if (steps < 1 || steps > config.train_timesteps) {
    fail(ErrorKind::kArgument,
         "cannot make a schedule: steps must be from 1 to {} (the model's training steps), got {}",
         config.train_timesteps, steps);
  }
  const std::vector<float> trained = trained_sigmas(config);
  Schedule schedule;
  auto& [timesteps, sigmas, init_noise_sigma] = schedule;
  timesteps = spaced_timesteps(config, steps);
  std::vector<double> levels;
  for (const float t : timesteps) levels.push_back(sigma_at(trained, static_cast<double>(t)));
  if (config.sigmas != SchedulerConfig::Sigmas::kInterpolated) {
    std::vector<float> log_trained = trained;
    for (float& value : log_trained) value = std::log(value);
    levels = curved_sigmas(config, levels.front(), levels.back(), steps);
    timesteps.clear();
    for (const double level : levels)
      timesteps.push_back(static_cast<float>(timestep_of(level, log_trained)));
  }
  for (const double level : levels) sigmas.push_back(static_cast<float>(level));
  if (config.continuous_timesteps &&
      config.prediction == SchedulerConfig::Prediction::kVPrediction) {
    for (std::size_t i = 0; i < timesteps.size(); ++i) timesteps[i] = 0.25F * std::log(sigmas[i]);
  }
  if (!std::all_of(sigmas.begin(), sigmas.end(),
                   [](float sigma) { return sigma > 0 && std::isfinite(sigma); })) {
    fail(ErrorKind::kCorrupt,
         "cannot make a schedule: betas from {} to {} over {} training steps must give positive "
         "and finite noise levels",
         config.beta_start, config.beta_end, config.train_timesteps);
  }
  sigmas.push_back(config.final_sigma_min ? trained.front() : 0.0F);

  const float most = *std::max_element(sigmas.begin(), sigmas.end());
  const bool leading = config.spacing == SchedulerConfig::Spacing::kLeading;
  init_noise_sigma = leading ? std::sqrt(most * most + 1.0F) : most;
  return schedule;
}

}  // namespace semblance
