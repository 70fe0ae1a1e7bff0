#include <gtest/gtest.h>

#include <cstring>

#include "backend/backends.h"
#include "runtime/node_run.h"
#include "tests/support/golden.h"
#include "tests/support/random_values.h"

namespace semblance {
namespace {

using testing::expect_close;
using testing::random_values;

struct AttentionCase {
  std::int64_t n, queries, keys, heads, d, e;
  bool causal;
  float scale;
};

class AttentionCases : public ::testing::TestWithParam<std::tuple<AttentionCase, DType>> {
 protected:
  static NodeRun run_of(const Backend& backend, const Attention& op, DType dtype,
                        const AttentionCase& s) {
    return {backend,
            op,
            {{{dtype, Shape{s.n, s.queries, s.heads * s.d}}},
             {{dtype, Shape{s.n, s.keys, s.heads * s.d}}},
             {{dtype, Shape{s.n, s.keys, s.heads * s.e}}}}};
  }
};

TEST_P(AttentionCases, AgreeWithTheReferenceAndKeepBitsInSlices) {
  const auto& [s, dtype] = GetParam();
  const Attention op{.heads = s.heads, .causal = s.causal, .scale = s.scale};
  NodeRun ours = run_of(cpu_backend(), op, dtype, s);
  NodeRun reference = run_of(reference_backend(), op, dtype, s);
  EXPECT_EQ(ours.entry().name, "cpu_attention");
  const std::vector<float> q = random_values(s.n * s.queries * s.heads * s.d, 1, 2.0F);
  const std::vector<float> k = random_values(s.n * s.keys * s.heads * s.d, 2);
  const std::vector<float> v = random_values(s.n * s.keys * s.heads * s.e, 3);
  for (NodeRun* run : {&ours, &reference}) {
    run->set(0, q);
    run->set(1, k);
    run->set(2, v);
    run->run();
  }
  expect_close(ours.result(), reference.result(),
               dtype == DType::kF32 ? Tolerance{1e-6, 5e-6} : testing::kBF16);
  if (s.causal) return;

  // Some rows of the last picture.
  const std::vector<float> want = ours.result();
  const std::int64_t first = s.queries / 3;
  AttentionCase part = s;
  part.n = 1;
  part.queries = std::min<std::int64_t>(s.queries - first, 5);
  NodeRun slice = run_of(cpu_backend(), op, dtype, part);
  const std::int64_t width = s.heads * s.d;
  const auto q_at = q.begin() + ((s.n - 1) * s.queries + first) * width;
  slice.set(0, std::vector<float>(q_at, q_at + part.queries * width));
  slice.set(1, std::vector<float>(k.begin() + (s.n - 1) * s.keys * width, k.end()));
  slice.set(2, std::vector<float>(v.begin() + (s.n - 1) * s.keys * s.heads * s.e, v.end()));
  slice.run();
  const std::vector<float> got = slice.result();
  EXPECT_EQ(std::memcmp(got.data(), want.data() + ((s.n - 1) * s.queries + first) * s.heads * s.e,
                        got.size() * 4),
            0);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, AttentionCases,
    ::testing::Combine(::testing::Values(AttentionCase{2, 200, 200, 2, 64, 64, false, 0},
                                         AttentionCase{2, 70, 77, 3, 40, 40, false, 0},
                                         AttentionCase{1, 300, 16, 5, 64, 64, false, 0},
                                         AttentionCase{1, 130, 131, 1, 512, 512, false, 0},
                                         AttentionCase{2, 77, 77, 2, 64, 64, true, 0},
                                         AttentionCase{1, 205, 205, 1, 80, 80, true, 0},
                                         AttentionCase{1, 16, 273, 2, 64, 64, false, 0.125F},
                                         AttentionCase{1, 1, 1, 1, 3, 5, false, 0},
                                         AttentionCase{2, 33, 65, 2, 7, 20, false, 4.0F}),
                       ::testing::Values(DType::kF32, DType::kBF16)));

}  // namespace
}  // namespace semblance
