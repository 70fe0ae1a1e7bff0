// Quantiles of the beta distribution with both parameters 0.6, for the "beta" noise levels.
#pragma once

namespace semblance {

/// scipy.stats.beta.ppf(p, .6, .6) for p in [0, 1], to about 1e-14.
double beta_quantile(double p);

}  // namespace semblance
