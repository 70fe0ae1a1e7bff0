// PNDM without Runge-Kutta warm-up, also called PLMS (Liu et al. 2022): PNDMScheduler with
// skip_prk_steps. A linear multistep method of order 4 on the model's outputs, which evaluates the
// second timestep twice. (diffusers' default is the warm-up; a file without the key means PLMS
// here.)
#include <array>
#include <cmath>

#include "core/error.h"
#include "sampling/makers.h"
#include "sampling/timestep_sampler.h"

namespace semblance {
namespace {

std::vector<float> repeated_timesteps(const SamplerSettings& settings) {
  if (!settings.config.skip_prk_steps.value_or(true)) {
    fail(ErrorKind::kArgument,
         "cannot use PNDM: the model's scheduler config sets skip_prk_steps false (Runge-Kutta "
         "warm-up), which Semblance does not support\n  set it to true or use another sampler");
  }
  std::vector<float> result = even_timesteps(settings);
  if (result.size() > 1) result.insert(result.begin() + 1, result[1]);
  return result;
}

class Pndm final : public TimestepSampler {
 public:
  explicit Pndm(const SamplerSettings& settings)
      : TimestepSampler(settings, repeated_timesteps(settings),
                        TrainedNoise(settings.config).alpha_bars()),
        stride_(settings.config.train_timesteps / settings.steps) {}

  /// The last three outputs, without the second evaluation's: number k uses tensor k % 3. Tensor 2
  /// first holds the initial latent, for the second evaluation.
  int kept_latents() const override { return 3; }

  void step(const StepData& data) const override {
    check(data);
    const bool looks_again = data.evaluation == 1;
    const int number = data.evaluation < 2 ? 0 : data.evaluation - 1;
    std::array<std::span<float>, 4> outputs{};  // of k evaluations ago; [0] and [3] are one tensor
    for (int k = 0; k < 4; ++k)
      outputs[static_cast<std::size_t>(k)] = kept(data, (number + 3 - k) % 3);
    const int t = timestep(data.evaluation);
    const Transfer transfer =
        looks_again ? transfer_between(t + stride_, t) : transfer_between(t, t - stride_);
    const std::span<float> first = kept(data, 2);
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      float x = data.latent[i];
      float m = data.output[i];
      if (looks_again) {
        m = (m + outputs[0][i]) / 2;
        x = first[i];
      } else {
        const float own = m;
        if (number == 1) m = (3 * m - outputs[1][i]) / 2;
        if (number == 2) m = (23 * m - 16 * outputs[1][i] + 5 * outputs[2][i]) / 12;
        if (number > 2)
          m = (1.0F / 24) * (55 * m - 59 * outputs[1][i] + 37 * outputs[2][i] - 9 * outputs[3][i]);
        outputs[0][i] = own;
        if (data.evaluation == 0) first[i] = x;
      }
      data.latent[i] = transfer(x, m);
    }
  }

 private:
  /// Formula (9) of the paper.
  struct Transfer {
    SeenNoise seen;
    float x_weight;
    float change;
    float divisor;
    float operator()(float x, float m) const {
      return x_weight * x - change * seen(x, 0, m) / divisor;
    }
  };
  Transfer transfer_between(int from, int to) const {
    const float a = alpha_bar(from);
    const float b = alpha_bar(to);
    return {.seen = SeenNoise(prediction(), a),
            .x_weight = std::sqrt(b / a),
            .change = b - a,
            .divisor = a * std::sqrt(1 - b) + std::sqrt(a * (1 - a) * b)};
  }

  int stride_;
};

}  // namespace

std::unique_ptr<Sampler> make_pndm(const SamplerSettings& settings) {
  return std::make_unique<Pndm>(settings);
}

}  // namespace semblance
