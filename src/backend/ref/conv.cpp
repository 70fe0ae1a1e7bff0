#include "backend/ref/run.h"

namespace semblance::reference {

void run(const Conv2d& op, const Run& r) {
  const Shape& x_shape = r.shape(0);
  const Shape& weight_shape = r.shape(1);
  const Shape& dst = r.dst_type.shape;
  const std::int64_t h = x_shape[1];
  const std::int64_t w = x_shape[2];
  const std::int64_t outputs = dst[3];
  const std::int64_t group_inputs = weight_shape[1];
  const std::int64_t group_outputs = outputs / op.groups;
  const std::int64_t kernel_h = weight_shape[2];
  const std::int64_t kernel_w = weight_shape[3];
  const Floats x = r.floats(0);
  const Floats weight = r.floats(1);

  parallel_for(dst[0] * dst[1], [&](std::int64_t row) {
    const std::int64_t picture = row / dst[1];
    const std::int64_t top = (row % dst[1]) * op.stride[0] - op.pad[0];
    for (std::int64_t column = 0; column < dst[2]; ++column) {
      const std::int64_t left = column * op.stride[1] - op.pad[1];
      for (std::int64_t o = 0; o < outputs; ++o) {
        const std::int64_t first_input = o / group_outputs * group_inputs;
        double sum = op.has_bias ? static_cast<double>(r.floats(2)[o]) : 0.0;
        for (std::int64_t i = 0; i < kernel_h; ++i) {
          const std::int64_t y = top + i * op.dilation[0];
          if (y < 0 || y >= h) continue;
          for (std::int64_t j = 0; j < kernel_w; ++j) {
            const std::int64_t column_in = left + j * op.dilation[1];
            if (column_in < 0 || column_in >= w) continue;
            const std::int64_t pixel =
                ((picture * h + y) * w + column_in) * x_shape[3] + first_input;
            const std::int64_t tap = (o * group_inputs * kernel_h + i) * kernel_w + j;
            for (std::int64_t c = 0; c < group_inputs; ++c) {
              sum += static_cast<double>(x[pixel + c]) *
                     static_cast<double>(weight[tap + c * kernel_h * kernel_w]);
            }
          }
        }
        const std::int64_t index = (row * dst[2] + column) * outputs + o;
        if (op.has_residual) sum += static_cast<double>(r.floats(r.types.size() - 1)[index]);
        r.result().set(index, sum);
      }
    }
  });
}

}  // namespace semblance::reference
