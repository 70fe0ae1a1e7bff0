#include "core/closeness.h"

#include <cmath>

#include "core/error.h"

namespace semblance {

Closeness compare(std::span<const float> got, std::span<const float> want, Tolerance tolerance) {
  SEMBLANCE_ASSERT(got.size() == want.size());
  double largest = 0;
  for (float value : want) largest = std::fmax(largest, std::fabs(static_cast<double>(value)));
  Closeness result;
  result.bound = tolerance.absolute + tolerance.relative * largest;
  result.worst = -1;
  for (std::size_t i = 0; i < got.size(); ++i) {
    double distance = std::fabs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    if (std::isnan(distance)) distance = INFINITY;
    if (distance > result.bound) ++result.out;
    if (distance > result.worst) {
      result.worst = distance;
      result.worst_index = i;
    }
  }
  result.worst = std::fmax(result.worst, 0);
  return result;
}

}  // namespace semblance
