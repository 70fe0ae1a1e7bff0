#include "runtime/kernel_cache.h"

#include <gtest/gtest.h>

#include "backend/backends.h"
#include "core/parallel.h"
#include "runtime/host_device.h"
#include "tests/support/errors.h"
#include "tests/support/op_case.h"

namespace semblance {
namespace {

using testing::graph_of_case;

const Kernel* chosen(KernelCache& cache, const Backend& backend, const std::string& line) {
  const Graph graph = graph_of_case(line);
  return cache.choose(backend, NodeView(graph, graph.nodes()[0])).kernel.get();
}

TEST(KernelCache, SharesOnlyAmongEqualNodes) {
  KernelCache cache;
  const char* const kinds[] = {
      "linear f32[2,8] w:f32[5,8] has_bias=false",
      "linear f32[3,8] w:f32[5,8] has_bias=false",
      "linear bf16[2,8] w:bf16[5,8] has_bias=false",
      "linear f32[2,8] f32[5,8] has_bias=false",
      "linear f32[2,8] w:f32[5,8] f32[2,5] has_bias=false has_residual=true",
      "affine f32[2,8] scale=2",
      "affine f32[2,8] scale=2.0000002",
      "group_norm f32[1,8,64] w:f32[64] w:f32[64]",
      "group_norm f32[1,8,64] w:f32[64] w:f32[64] silu=true",
  };
  std::vector<const Kernel*> first;
  for (const char* kind : kinds) first.push_back(chosen(cache, cpu_backend(), kind));
  EXPECT_EQ(cache.size(), std::size(kinds));
  for (std::size_t i = 0; i < std::size(kinds); ++i) {
    EXPECT_EQ(chosen(cache, cpu_backend(), kinds[i]), first[i]) << kinds[i];
    EXPECT_NE(chosen(cache, reference_backend(), kinds[i]), first[i]) << kinds[i];
  }
  EXPECT_EQ(cache.size(), 2 * std::size(kinds));
  const int before = threads();
  set_threads(before + 1);
  EXPECT_NE(chosen(cache, cpu_backend(), kinds[0]), first[0]);
  set_threads(before);
}

TEST(KernelCache, SharedKernelsKeepNoState) {
  KernelCache cache;
  Graph graph = graph_of_case("conv2d f32[1,6,6,16] w:f32[16,16,3,3] w:f32[16] pad=[1,1,1,1]");
  const NodeView node(graph, graph.nodes()[0]);
  const SharedKernel shared = cache.choose(cpu_backend(), node);
  shared.kernel->compile();
  // Two nodes with different values, in turn: each gets its own result every time.
  std::vector<std::vector<float>> results;
  alignas(64) static float scratch[1 << 16];
  ASSERT_LE(shared.kernel->scratch_bytes(), sizeof scratch);
  for (int run = 0; run < 6; ++run) {
    const float value = run % 2 == 0 ? 1.0F : -3.0F;
    const std::vector<float> x(6 * 6 * 16, value);
    std::vector<std::vector<std::byte>> weights;
    for (int i : {1, 2}) {
      const std::vector<float> plain(static_cast<std::size_t>(node.src(i).shape.elements()),
                                     value + static_cast<float>(i));
      weights.emplace_back(shared.kernel->packed_bytes(i));
      shared.kernel->pack(i, PackRows::of(0, 16, plain), weights.back());
    }
    std::vector<float> dst(6 * 6 * 16);
    const std::byte* src[] = {reinterpret_cast<const std::byte*>(x.data()), weights[0].data(),
                              weights[1].data()};
    dynamic_cast<const HostKernel&>(*shared.kernel)
        .run(
            {src, reinterpret_cast<std::byte*>(dst.data()), reinterpret_cast<std::byte*>(scratch)});
    results.push_back(dst);
    EXPECT_EQ(results.back(), results[static_cast<std::size_t>(run % 2)]);
  }
  EXPECT_NE(results[0], results[1]);
  EXPECT_EQ(results[0][0], 2.0F * 4 * 16 + 3.0F);
}

TEST(KernelCache, SaysWhyNoKernelFits) {
  KernelCache cache;
  EXPECT_TRUE(testing::error_of([&] {
                chosen(cache, reference_backend(), "unary i64[4]");
              }).starts_with("device: backend ref has no kernel for unary(i64[4])"));
  EXPECT_EQ(cache.size(), 0U);
}

}  // namespace
}  // namespace semblance
