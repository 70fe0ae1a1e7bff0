#include "sampling/beta_distribution.h"

#include <algorithm>
#include <cmath>

namespace semblance {
namespace {

constexpr double kShape = 0.6;

double beta_function() {
  static const double value = std::tgamma(kShape) * std::tgamma(kShape) / std::tgamma(2 * kShape);
  return value;
}

/// The cumulative distribution at x <= 1/2, from the power series of (1 - t)^(a - 1). Each term
/// adds more than one correct bit.
double share_below(double x) {
  double term = 1;
  double sum = 1 / kShape;
  for (int n = 1; n < 70; ++n) {
    term *= (n - kShape) / n * x;
    sum += term / (kShape + n);
  }
  return std::pow(x, kShape) / beta_function() * sum;
}

}  // namespace

double beta_quantile(double p) {
  if (p > 0.5) return 1 - beta_quantile(1 - p);  // symmetric
  if (!(p > 0)) return 0;
  // Newton's method. The first term of the series gives the starting point, slightly too high.
  double x = std::min(0.5, std::pow(p * kShape * beta_function(), 1 / kShape));
  for (int i = 0; i < 50; ++i) {
    const double density = std::pow(x * (1 - x), kShape - 1) / beta_function();
    const double next = std::clamp(x - (share_below(x) - p) / density, x / 2, 0.5);
    if (std::fabs(next - x) <= 1e-16 * x) return next;
    x = next;
  }
  return x;
}

}  // namespace semblance
