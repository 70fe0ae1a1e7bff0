#include "backend/ref/run.h"

namespace semblance::reference {

void run(const Linear& op, const Run& r) {
  const std::int64_t outputs = r.shape(1)[0];
  const std::int64_t inputs = r.shape(1)[1];
  const Floats x = r.floats(0);
  const Floats weight = r.floats(1);

  parallel_for(r.shape(0).elements_before(-1), [&](std::int64_t row) {
    for (std::int64_t o = 0; o < outputs; ++o) {
      double sum = op.has_bias ? static_cast<double>(r.floats(2)[o]) : 0.0;
      for (std::int64_t k = 0; k < inputs; ++k) {
        sum +=
            static_cast<double>(x[row * inputs + k]) * static_cast<double>(weight[o * inputs + k]);
      }
      const std::int64_t index = row * outputs + o;
      if (op.has_residual) sum += static_cast<double>(r.floats(r.types.size() - 1)[index]);
      r.result().set(index, sum);
    }
  });
}

}  // namespace semblance::reference
