// Linear multistep (Adams-Bashforth with uneven steps) of order 4: LMSDiscreteScheduler.
//
// The weights are integrals of Lagrange polynomials over sigma. They are exact and in double here;
// diffusers integrates them numerically in float32, which agrees to about 1e-7. When steps are
// skipped, diffusers gives the first ones the weights of an order that they do not have slopes for;
// here they have a lower order, as the first steps always have.
#include <algorithm>
#include <array>

#include "core/error.h"
#include "sampling/makers.h"
#include "sampling/sigma_sampler.h"

namespace semblance {
namespace {

constexpr int kOrder = 4;
using Weights = std::array<float, kOrder>;

/// The integral over [from, to] of the polynomial that is 1 at nodes[which] and 0 at the others.
double lagrange_integral(const std::vector<double>& nodes, std::size_t which, double from,
                         double to) {
  std::array<double, kOrder> polynomial{1};  // coefficients of powers of (x - from)
  std::size_t degree = 0;
  for (std::size_t k = 0; k < nodes.size(); ++k) {
    if (k == which) continue;
    const double scale = 1 / (nodes[which] - nodes[k]);
    const double shift = from - nodes[k];
    ++degree;
    for (std::size_t power = degree; power > 0; --power)
      polynomial[power] = (polynomial[power - 1] + shift * polynomial[power]) * scale;
    polynomial[0] *= shift * scale;
  }
  double integral = 0;
  for (std::size_t power = kOrder; power > 0; --power)
    integral = (integral + polynomial[power - 1] / static_cast<double>(power)) * (to - from);
  return integral;
}

class Lms final : public SigmaSampler {
 public:
  explicit Lms(const SamplerSettings& settings) : SigmaSampler(settings, evaluate_once(settings)) {
    for (int step = 0; step < steps(); ++step) {
      if (!(step_sigma(step + 1) < step_sigma(step))) {
        fail(ErrorKind::kArgument,
             "cannot make the sampler: two of {} steps have the same noise level\n  use fewer "
             "steps or another sampler",
             steps());
      }
      std::vector<double> nodes;
      for (int k = step; k >= std::max(0, step - kOrder + 1); --k) nodes.push_back(step_sigma(k));
      Weights weights{};
      for (std::size_t k = 0; k < nodes.size(); ++k) {
        weights[k] =
            static_cast<float>(lagrange_integral(nodes, k, step_sigma(step), step_sigma(step + 1)));
      }
      weights_.push_back(weights);
    }
  }

  /// The slopes of the previous steps; step k uses tensor k % 3.
  int kept_latents() const override { return kOrder - 1; }

  void step(const StepData& data) const override {
    check(data);
    const auto& [sigma, denoise, divisor] = at(data.evaluation);
    const Weights& weights = weights_[static_cast<std::size_t>(data.evaluation)];
    const int order = std::min(data.evaluation + 1, kOrder);
    std::array<std::span<float>, kOrder> slopes{};  // of k steps ago; [0]: of this step
    for (int k = 1; k < kOrder; ++k)
      slopes[static_cast<std::size_t>(k)] = kept(data, (data.evaluation + kOrder - 1 - k) % 3);
    slopes[0] = slopes[kOrder - 1];
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x = data.latent[i];
      const float slope = (x - denoise(x, data.output[i])) / sigma;
      float sum = weights[0] * slope;
      for (int k = 1; k < order; ++k)
        sum += weights[static_cast<std::size_t>(k)] * slopes[static_cast<std::size_t>(k)][i];
      slopes[0][i] = slope;
      data.latent[i] = x + sum;
    }
  }

 private:
  std::vector<Weights> weights_;
};

}  // namespace

std::unique_ptr<Sampler> make_lms(const SamplerSettings& settings) {
  return std::make_unique<Lms>(settings);
}

}  // namespace semblance
