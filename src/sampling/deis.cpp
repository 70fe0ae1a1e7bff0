// DEIS of order 2 in log(rho) (Zhang and Chen 2022): DEISMultistepScheduler. It extrapolates the
// predicted noise, and ends at the lowest trained level instead of 0.
#include <algorithm>
#include <cmath>

#include "sampling/makers.h"
#include "sampling/solver.h"

namespace semblance {
namespace {

Schedule deis_schedule(const SamplerSettings& settings) {
  const TrainedNoise trained(settings.config);
  Schedule result = make_schedule(settings.config, trained, Family::kMultistep, settings.steps);
  const double least = trained.sigmas().front();
  const double last = result.sigmas[result.sigmas.size() - 2];
  result.sigmas.back() = settings.config.curve == Curve::kDefault ? least : std::min(least, last);
  return result;
}

class Deis final : public Solver {
 public:
  explicit Deis(const SamplerSettings& settings) : Solver(settings, deis_schedule(settings)) {}

  int kept_latents() const override { return 1; }  // the noise predicted in the previous step

  void step(const StepData& data) const override {
    check(data);
    const int step = data.evaluation;
    const Denoise& denoise = at(step).denoise;
    const Snr& to = snr(step + 1);
    const Snr& from = snr(step);
    const bool is_second = step > 0 && !(step == steps() - 1 && lowers_order());
    const std::span<float> before = kept(data, 0);
    const float h = to.lambda - from.lambda;
    const float ratio = to.alpha / from.alpha;
    const float growth = to.z * (std::exp(h) - 1);
    const auto [own, other] = is_second ? weights(step) : std::pair(0.0F, 0.0F);
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x = data.latent[i];
      const float noise = (x - from.alpha * denoise(x, data.output[i])) / from.z;
      data.latent[i] = is_second ? to.alpha * (x / from.alpha + own * noise + other * before[i])
                                 : ratio * x - growth * noise;
      before[i] = noise;
    }
  }

 private:
  /// The weights of this step's noise and the previous one: integrals over rho = z / alpha of the
  /// linear interpolants in log(rho).
  std::pair<float, float> weights(int step) const {
    const auto rho = [&](int k) { return snr(k).z / snr(k).alpha; };
    const float to = rho(step + 1);
    const float from = rho(step);
    const float before = rho(step - 1);
    const auto integral = [](float t, float b, float c) {
      return t * (-std::log(c) + std::log(t) - 1) / (std::log(b) - std::log(c));
    };
    return {integral(to, from, before) - integral(from, from, before),
            integral(to, before, from) - integral(from, before, from)};
  }
};

}  // namespace

std::unique_ptr<Sampler> make_deis(const SamplerSettings& settings) {
  return std::make_unique<Deis>(settings);
}

}  // namespace semblance
