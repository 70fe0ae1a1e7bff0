// A run's memory outside Buffers, compared with the prediction made when its kernels are chosen.
#include "memory/base_memory.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <set>

#include "backend/backends.h"
#include "core/parallel.h"
#include "models/unet.h"
#include "pipeline/opened_models.h"
#include "runtime/kernel_cache.h"
#include "runtime/session.h"
#include "tests/support/golden.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

Graph step_graph(const OpenedModels& models, std::int64_t side) {
  Graph graph;
  const Scope root(&graph, "");
  const std::int64_t cross = models.resampler.output;
  const StepInputs inputs{
      root.input("latent", DType::kF32, {2, side, side, models.unet.in_channels}),
      root.input("timestep", DType::kF32, {2}),
      root.input("pooled", DType::kF32, {2, models.unet.pooled_channels()}),
      root.input("time_ids", DType::kF32, {12})};
  const Value keypoints =
      root.input("keypoints", DType::kF32, {1, side, side, models.identitynet.channels[0]});
  const Value face = root.input("face", DType::kF32, {2, models.resampler.tokens, cross});
  graph.add_output(
      "noise",
      unet(Scope(&graph, "unet."), models.unet, inputs,
           root.input("text", DType::kF32, {2, models.prompt_length(0), cross}), face,
           {ControlInputs{Scope(&graph, "identitynet."), &models.identitynet, keypoints, face,
                          1.0F}},
           AdapterInputs{Scope(&graph, "ip_adapter."), {{0, models.resampler.tokens, 1.0F}}},
           DType::kF32)
          .noise.id);
  return graph;
}

TEST(BaseMemory, OfARunMatchesThePrediction) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's memory would be measured";
  const std::filesystem::path checkpoint =
      testing::golden_path("pipeline/fp16_published/checkpoint");
  const OpenedModels models =
      open_models({checkpoint / "base", checkpoint / "identitynet", checkpoint / "ip-adapter.bin"});
  Graph graph = step_graph(models, 16);
  KernelCache kernels;              // chooses as the session will
  std::set<std::string> generated;  // equal kernels share their code
  for (const Node& node : graph.nodes()) {
    if (std::holds_alternative<Reshape>(node.op)) continue;
    if (!kernels.choose(cpu_backend(), NodeView(graph, node)).entry->generates_code) continue;
    std::string key{name_of(node.op)};
    for (ValueId id : node.src) key += to_string(graph.type(id));
    generated.insert(std::move(key));
  }
  ASSERT_GT(generated.size(), 10U);
  malloc_trim(0);
  const BaseMemory predicted =
      predict_base(measure_base(), {.generated_kernels = static_cast<int>(generated.size()),
                                    .nodes = static_cast<int>(graph.nodes().size()),
                                    .threads = threads()});
  kernels = KernelCache();

  Session session(std::move(graph), cpu_backend(), models.denoiser_weights, {});
  session.run();
  const BaseMemory measured = measure_base();
  constexpr double kMiB = 1 << 20;
  const auto mib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / kMiB; };
  EXPECT_NEAR(mib(predicted.total()), mib(measured.total()),
              std::max(4.0, 0.05 * mib(measured.total())))
      << "code " << mib(predicted.code_bytes) << " " << mib(measured.code_bytes) << ", copied "
      << mib(predicted.copied_bytes) << " " << mib(measured.copied_bytes) << ", heap "
      << mib(predicted.heap_bytes) << " " << mib(measured.heap_bytes) << ", generated "
      << mib(predicted.generated_bytes) << " " << mib(measured.generated_bytes);
  RecordProperty("predicted_mib", std::to_string(mib(predicted.total())));
  RecordProperty("measured_mib", std::to_string(mib(measured.total())));
}

}  // namespace
}  // namespace semblance
