#include <limits>

#include "backend/ref/run.h"

namespace semblance::reference {

void run(const Pool& op, const Run& r) {
  const Shape& shape = r.shape(0);
  const Shape& dst = r.dst_type.shape;
  const std::int64_t h = shape[1];
  const std::int64_t w = shape[2];
  const std::int64_t c = shape[3];
  const Floats x = r.floats(0);

  parallel_for(dst[0] * dst[1], [&](std::int64_t row) {
    const std::int64_t picture = row / dst[1];
    const std::int64_t top = row % dst[1] * op.stride[0] - op.pad[0];
    const std::int64_t padded_bottom = std::min(top + op.kernel[0], h + op.pad[2]);
    for (std::int64_t column = 0; column < dst[2]; ++column) {
      const std::int64_t left = column * op.stride[1] - op.pad[1];
      const std::int64_t padded_right = std::min(left + op.kernel[1], w + op.pad[3]);
      const std::int64_t y0 = std::max<std::int64_t>(top, 0);
      const std::int64_t y1 = std::min(padded_bottom, h);
      const std::int64_t x0 = std::max<std::int64_t>(left, 0);
      const std::int64_t x1 = std::min(padded_right, w);
      const std::int64_t count =
          op.count_pad ? (padded_bottom - top) * (padded_right - left) : (y1 - y0) * (x1 - x0);
      for (std::int64_t channel = 0; channel < c; ++channel) {
        double sum = 0;
        double largest = -std::numeric_limits<double>::infinity();
        for (std::int64_t i = y0; i < y1; ++i) {
          for (std::int64_t j = x0; j < x1; ++j) {
            const auto value = static_cast<double>(x[((picture * h + i) * w + j) * c + channel]);
            sum += value;
            largest = std::max(largest, value);
          }
        }
        r.result().set((row * dst[2] + column) * c + channel,
                       op.fn == PoolFn::kMax ? largest : sum / static_cast<double>(count));
      }
    }
  });
}

}  // namespace semblance::reference
