// Multistep DPM-Solver++ (Lu et al. 2022) of order 2 and 3, for the ODE and for the SDE, which
// draws noise in each step: DPMSolverMultistepScheduler.
#include <algorithm>
#include <cmath>

#include "sampling/makers.h"
#include "sampling/solver.h"

namespace semblance {
namespace {

struct Kind {
  int order;
  bool is_sde;
};

class DpmppMultistep final : public Solver {
 public:
  DpmppMultistep(const SamplerSettings& settings, Kind kind)
      : Solver(settings, solver_schedule(settings, Family::kMultistep)),
        kind_(kind),
        last_is_euler_(settings.config.euler_at_final || !settings.config.final_sigma_min ||
                       lowers_order()) {}

  /// The noise-free latents x0 of the previous steps; step k uses tensor k % (order - 1).
  int kept_latents() const override { return kind_.order - 1; }

  std::optional<NoiseSpan> noise(int evaluation) const override {
    if (!kind_.is_sde) return std::nullopt;
    return NoiseSpan{step_sigma(evaluation), step_sigma(evaluation + 1)};
  }

  void step(const StepData& data) const override {
    check(data);
    const int step = data.evaluation;
    const Denoise& denoise = at(step).denoise;
    const Weights w(*this, step, order_of(step));
    const std::span<float> own = kept(data, step % kept_latents());
    const std::span<float> one = kept(data, (step + kept_latents() - 1) % kept_latents());
    const auto noise = [&](std::size_t i) { return kind_.is_sde ? data.noise[i] * w.noise : 0; };
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x = data.latent[i];
      const float x0 = denoise(x, data.output[i]);
      float next = w.x * x + w.x0 * x0;
      if (w.order == 2) {
        next += w.slope * (w.near * (x0 - one[i]));
      } else if (w.order == 3) {  // own[i] still holds x0 of two steps ago
        const float near = w.near * (x0 - one[i]);
        const float bend = near - w.far * (one[i] - own[i]);
        next += w.slope * (near + w.share * bend) + w.curvature * (w.scale * bend);
      }
      own[i] = x0;
      data.latent[i] = next + noise(i);
    }
  }

 private:
  /// The next latent is the sum of these weights times x, x0, D1, D2 and the noise. D1 and D2 are
  /// divided differences of x0 over lambda.
  struct Weights {
    Weights(const DpmppMultistep& sampler, int step, int order);
    int order;
    float x = 0, x0 = 0, slope = 0, curvature = 0, noise = 0;
    float near = 0, far = 0;     // 1 / r0, 1 / r1; r: a previous step in lambda over this one
    float share = 0, scale = 0;  // r0 / (r0 + r1), 1 / (r0 + r1)
  };

  int order_of(int step) const {
    const bool is_last = step == steps() - 1;
    const bool is_second_last = step == steps() - 2;
    if (step == 0 || (is_last && last_is_euler_)) return 1;
    return step == 1 || (is_second_last && lowers_order()) ? 2 : kind_.order;
  }

  Kind kind_;
  bool last_is_euler_;
};

DpmppMultistep::Weights::Weights(const DpmppMultistep& sampler, int step, int order_of_step)
    : order(order_of_step) {
  const Snr& to = sampler.snr(step + 1);
  const Snr& from = sampler.snr(step);
  const float h = to.lambda - from.lambda;
  // The SDE uses 2 h in place of h.
  const float way = sampler.kind_.is_sde ? 2 * h : h;
  const float decay = std::exp(-way) - 1;
  x = sampler.kind_.is_sde ? to.z / from.z * std::exp(-h) : to.z / from.z;
  x0 = -(to.alpha * decay);
  // A config's last level may be above the one before: such a step adds no noise.
  noise = to.z * std::sqrt(std::max(0.0F, 1 - std::exp(-2 * h)));
  if (h == 0) order = 1;
  if (order == 1) return;
  const float r0 = (from.lambda - sampler.snr(step - 1).lambda) / h;
  near = 1 / r0;
  slope = order == 2 ? 0.5F * x0 : to.alpha * (decay / way + 1);
  if (order == 2) return;
  const float r1 = (sampler.snr(step - 1).lambda - sampler.snr(step - 2).lambda) / h;
  far = 1 / r1;
  share = r0 / (r0 + r1);
  scale = 1 / (r0 + r1);
  // The expansion gives + 1/2 for the SDE; diffusers has - 1/2 in both.
  const float bend = (decay + way) / (way * way);
  curvature = sampler.kind_.is_sde ? to.alpha * (-bend - 0.5F) : -(to.alpha * (bend - 0.5F));
}

std::unique_ptr<Sampler> make(const SamplerSettings& settings, Kind kind) {
  return std::make_unique<DpmppMultistep>(settings, kind);
}

}  // namespace

std::unique_ptr<Sampler> make_dpmpp_2m(const SamplerSettings& settings) {
  return make(settings, {.order = 2, .is_sde = false});
}
std::unique_ptr<Sampler> make_dpmpp_3m(const SamplerSettings& settings) {
  return make(settings, {.order = 3, .is_sde = false});
}
std::unique_ptr<Sampler> make_dpmpp_2m_sde(const SamplerSettings& settings) {
  return make(settings, {.order = 2, .is_sde = true});
}
std::unique_ptr<Sampler> make_dpmpp_3m_sde(const SamplerSettings& settings) {
  return make(settings, {.order = 3, .is_sde = true});
}

}  // namespace semblance
