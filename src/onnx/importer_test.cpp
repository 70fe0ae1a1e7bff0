// Whole networks against onnxruntime.
#include "onnx/importer.h"

#include <gtest/gtest.h>

#include "onnx/onnx_test.h"
#include "tests/support/golden.h"
#include "weights/safetensors.h"

namespace semblance::testing {
namespace {

/// The input that tools/oracle/onnx_models.py uses.
Array pattern(const Shape& shape) {
  Array array{shape, std::vector<float>(static_cast<std::size_t>(shape.elements()))};
  for (std::size_t i = 0; i < array.values.size(); ++i) {
    const auto bits = static_cast<std::uint32_t>(i * 2654435761U + 12345U);
    array.values[i] = static_cast<float>(bits >> 16) / 32768.0F - 1.0F;
  }
  return array;
}

void agrees_with_onnxruntime(const std::filesystem::path& folder, const std::string& name,
                             const std::vector<Shape>& shapes,
                             const Backend& backend = reference_backend()) {
  const OnnxModel model = open_onnx(open_file(folder / (name + ".onnx")));
  const WeightMap goldens = read_safetensors(open_file(folder / (name + ".safetensors")));
  std::size_t compared = 0;
  for (const Shape& shape : shapes) {
    const auto outputs = run_model(model, {{"input.1", pattern(shape)}}, {}, backend);
    for (const auto& [output, got] : outputs) {
      SCOPED_TRACE(to_string(shape) + " " + output);
      const StoredTensor* stored = goldens.find(
          fmt::format("{}x{}x{}x{}/{}", shape[0], shape[1], shape[2], shape[3], output));
      ASSERT_NE(stored, nullptr);
      const Array want = array_of(*stored);
      EXPECT_EQ(to_string(got.shape), to_string(want.shape));
      expect_close(got.values, want.values);
      ++compared;
    }
  }
  EXPECT_EQ(compared, goldens.size());
}

TEST(OnnxNetwork, IResNetOf100Layers) {
  agrees_with_onnxruntime(golden_path("onnx"), "iresnet100_small", {Shape{2, 3, 112, 112}});
}
TEST(OnnxNetwork, IResNetWithSeparateNormsInOperatorSet17) {
  agrees_with_onnxruntime(golden_path("onnx"), "iresnet18_small", {Shape{1, 3, 112, 112}});
}
TEST(OnnxNetwork, ScrfdAtTwoSizes) {
  agrees_with_onnxruntime(golden_path("onnx"), "scrfd_small",
                          {Shape{1, 3, 64, 96}, Shape{1, 3, 96, 64}});
}
TEST(OnnxNetwork, ScrfdWithABatchAxis) {
  agrees_with_onnxruntime(golden_path("onnx"), "scrfd_small_batched", {Shape{2, 3, 64, 64}});
}

TEST(OnnxNetwork, EveryCombinationOfLayouts) {
  agrees_with_onnxruntime(golden_path("onnx"), "layouts", {Shape{2, 3, 9, 11}});
}
TEST(OnnxNetwork, TheFastBackendAgreesToo) {
  agrees_with_onnxruntime(golden_path("onnx"), "layouts", {Shape{2, 3, 9, 11}}, cpu_backend());
  agrees_with_onnxruntime(golden_path("onnx"), "iresnet100_small", {Shape{2, 3, 112, 112}},
                          cpu_backend());
  agrees_with_onnxruntime(golden_path("onnx"), "scrfd_small_batched", {Shape{2, 3, 64, 64}},
                          cpu_backend());
}

// Models of the published sizes are made on demand: 265 MB are too large to commit.
void agrees_at_full_size(const std::string& name, const Shape& shape) {
  const std::filesystem::path folder =
      std::filesystem::path(SEMBLANCE_SOURCE_DIR) / "build" / "test-models" / "full";
  if (!std::filesystem::exists(folder / (name + ".safetensors"))) {
    GTEST_SKIP() << "no " << name << ": run tools/oracle/onnx_models.py full " << folder.string();
  }
  agrees_with_onnxruntime(folder, name, {shape}, cpu_backend());
}
TEST(OnnxNetwork, FullSizeIResNet100) { agrees_at_full_size("iresnet100", Shape{1, 3, 112, 112}); }
TEST(OnnxNetwork, FullSizeScrfd10G) { agrees_at_full_size("scrfd_10g", Shape{1, 3, 320, 320}); }

}  // namespace
}  // namespace semblance::testing
