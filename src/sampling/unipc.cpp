// UniPC of order 2 with B(h) = e^h - 1 (Zhao et al. 2023): a predictor, and a corrector that
// repeats each step once the next output is known. UniPCMultistepScheduler, solver_type bh2.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "sampling/makers.h"
#include "sampling/solver.h"

namespace semblance {
namespace {

/// As in diffusers, a curve that ends at the lowest level repeats its own last one.
Schedule unipc_schedule(const SamplerSettings& settings) {
  Schedule result = solver_schedule(settings, Family::kMultistep);
  if (settings.config.final_sigma_min && settings.config.curve != Curve::kDefault)
    result.sigmas.back() = result.sigmas[result.sigmas.size() - 2];
  return result;
}

class UniPc final : public Solver {
 public:
  explicit UniPc(const SamplerSettings& settings)
      : Solver(settings, unipc_schedule(settings)), lowers_(*settings.config.lower_order_final) {
    if (!lowers_ && !settings.config.final_sigma_min) {
      fail(
          ErrorKind::kArgument,
          "cannot use UniPC: the model's scheduler config sets lower_order_final false, but a last "
          "step to 0 must have order 1\n  use another sampler");
    }
  }

  /// The corrected latent at the start of the previous step, and x0 of the last two steps; step k
  /// uses tensor 1 + k % 2.
  int kept_latents() const override { return 3; }

  void step(const StepData& data) const override {
    check(data);
    const int step = data.evaluation;
    const Denoise& denoise = at(step).denoise;
    const std::span<float> begin = kept(data, 0);
    const std::span<float> one = kept(data, 2 - step % 2);
    const std::span<float> two = kept(data, 1 + step % 2);  // overwritten with this step's x0
    const bool corrects = step > 0;
    const Step back(*this, std::max(step - 1, 0), order_of(step - 1));
    const Step on(*this, step, order_of(step));
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      float x = data.latent[i];
      const float x0 = denoise(x, data.output[i]);
      if (corrects) {
        const float bend =
            back.order == 2 ? back.corrector_far * ((two[i] - one[i]) / back.ratio) : 0;
        x = back.x * begin[i] - back.growth * one[i] -
            back.growth * (bend + back.corrector_near * (x0 - one[i]));
      }
      float next = on.x * x - on.growth * x0;
      if (on.order == 2) next -= on.growth * (0.5F * ((one[i] - x0) / on.ratio));
      begin[i] = x;
      two[i] = x0;
      data.latent[i] = next;
    }
  }

 private:
  struct Step {
    Step(const UniPc& sampler, int step, int order);
    int order;
    float x = 0, growth = 0;
    float ratio = 1;  // the previous step in lambda over this one, negative
    float corrector_far = 0, corrector_near = 0.5F;
  };

  int order_of(int step) const {
    const int most = lowers_ ? std::min(2, steps() - step) : 2;
    return std::min(most, step + 1);
  }

  bool lowers_;
};

UniPc::Step::Step(const UniPc& sampler, int step, int order_of_step) : order(order_of_step) {
  const Snr& to = sampler.snr(step + 1);
  const Snr& from = sampler.snr(step);
  const float h = to.lambda - from.lambda;
  const float phi = std::expm1(-h);
  x = to.z / from.z;
  growth = to.alpha * phi;
  if (order < 2) return;
  ratio = (sampler.snr(step - 1).lambda - from.lambda) / h;
  // far + near = first, ratio * far + near = second.
  const float phi_one = phi / -h - 1;
  const float first = phi_one / phi;
  const float second = (phi_one / -h - 0.5F) * 2 / phi;
  corrector_far = (second - first) / (ratio - 1);
  corrector_near = first - corrector_far;
}

}  // namespace

std::unique_ptr<Sampler> make_unipc(const SamplerSettings& settings) {
  return std::make_unique<UniPc>(settings);
}

}  // namespace semblance
