// Singlestep DPM-Solver++ of order 2 (Lu et al. 2022): DPMSolverSinglestepScheduler. Every second
// step repeats the previous step and its own together, with order 2.
#include <cmath>

#include "sampling/makers.h"
#include "sampling/solver.h"

namespace semblance {
namespace {

class DpmppSinglestep final : public Solver {
 public:
  explicit DpmppSinglestep(const SamplerSettings& settings)
      : Solver(settings, solver_schedule(settings, Family::kSinglestep)),
        last_is_first_order_(*settings.config.lower_order_final ||
                             !settings.config.final_sigma_min),
        skipped_(settings.skipped_steps) {}

  int kept_latents() const override {
    return 2;
  }  // x0 of the previous step and the latent it started from

  void step(const StepData& data) const override {
    check(data);
    const int step = data.evaluation;
    const Denoise& denoise = at(step).denoise;
    const std::span<float> first = kept(data, 0);
    const std::span<float> begin = kept(data, 1);
    const bool is_second = order_of(step) == 2;
    const Snr& to = snr(step + 1);
    const Snr& from = snr(is_second ? step - 1 : step);
    const float h = to.lambda - from.lambda;
    const float x_weight = to.z / from.z;
    const float x0_weight = to.alpha * (std::exp(-h) - 1);
    if (!is_second) {
      for (std::size_t i = 0; i < data.latent.size(); ++i) {
        begin[i] = data.latent[i];
        first[i] = denoise(begin[i], data.output[i]);
        data.latent[i] = x_weight * begin[i] - x0_weight * first[i];
      }
      return;
    }
    const float inverse = 1 / ((snr(step).lambda - from.lambda) / h);
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x0 = denoise(data.latent[i], data.output[i]);
      data.latent[i] = x_weight * begin[i] - x0_weight * first[i] -
                       0.5F * x0_weight * (inverse * (x0 - first[i]));
    }
  }

 private:
  int order_of(int step) const {
    const bool stays_first = step == steps() - 1 && last_is_first_order_;
    return (step + skipped_) % 2 == 1 && step > 0 && !stays_first ? 2 : 1;
  }

  bool last_is_first_order_;
  int skipped_;
};

}  // namespace

std::unique_ptr<Sampler> make_dpmpp_2s(const SamplerSettings& settings) {
  return std::make_unique<DpmppSinglestep>(settings);
}

}  // namespace semblance
