#include <cmath>
#include <limits>

#include "backend/ref/run.h"

namespace semblance::reference {

namespace {

std::size_t worker_doubles(const Shape& k, const Shape& v, std::int64_t heads) {
  return static_cast<std::size_t>(k[1] + v[2] / heads);
}

}  // namespace

std::size_t attention_scratch_bytes(const Shape& k, const Shape& v, std::int64_t heads) {
  return static_cast<std::size_t>(threads()) * worker_doubles(k, v, heads) * sizeof(double);
}

void run(const Attention& op, const Run& r) {
  const Shape& q_shape = r.shape(0);
  const Shape& v_shape = r.shape(2);
  const std::int64_t queries = q_shape[1];
  const std::int64_t keys = v_shape[1];
  const std::int64_t d = q_shape[2] / op.heads;
  const std::int64_t e = v_shape[2] / op.heads;
  const double scale =
      op.scale != 0.0F ? static_cast<double>(op.scale) : 1.0 / std::sqrt(static_cast<double>(d));
  const Floats q = r.floats(0);
  const Floats k = r.floats(1);
  const Floats v = r.floats(2);

  parallel_ranges(
      q_shape[0] * op.heads * queries, 1, [&](std::int64_t begin, std::int64_t end, int worker) {
        double* scores =
            reinterpret_cast<double*>(r.call.scratch) +
            static_cast<std::size_t>(worker) * worker_doubles(r.shape(1), v_shape, op.heads);
        double* sums = scores + keys;
        for (std::int64_t item = begin; item < end; ++item) {
          const std::int64_t row = item % queries;
          const std::int64_t head = item / queries % op.heads;
          const std::int64_t picture = item / queries / op.heads;
          const std::int64_t seen = op.causal ? row + 1 : keys;
          const std::int64_t q_row = (picture * queries + row) * q_shape[2] + head * d;

          double largest = -std::numeric_limits<double>::infinity();
          for (std::int64_t j = 0; j < seen; ++j) {
            const std::int64_t k_row = (picture * keys + j) * q_shape[2] + head * d;
            double dot = 0;
            for (std::int64_t i = 0; i < d; ++i)
              dot += static_cast<double>(q[q_row + i]) * static_cast<double>(k[k_row + i]);
            scores[j] = dot * scale;
            largest = std::max(largest, scores[j]);
          }

          double total = 0;
          std::fill(sums, sums + e, 0.0);
          for (std::int64_t j = 0; j < seen; ++j) {
            const std::int64_t v_row = (picture * keys + j) * v_shape[2] + head * e;
            const double probability = std::exp(scores[j] - largest);
            total += probability;
            for (std::int64_t i = 0; i < e; ++i)
              sums[i] += probability * static_cast<double>(v[v_row + i]);
          }
          const std::int64_t index = (picture * queries + row) * v_shape[2] + head * e;
          for (std::int64_t i = 0; i < e; ++i) r.result().set(index + i, sums[i] / total);
        }
      });
}

}  // namespace semblance::reference
