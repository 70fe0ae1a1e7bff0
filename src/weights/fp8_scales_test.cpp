#include "weights/fp8_scales.h"

#include "weights/checkpoint.h"
#include "weights/weights_test.h"
#include "weights/writer.h"

namespace semblance {
namespace {

TEST(Fp8Scales, MatchComfyUI) {
  for (const char* name : {"fp8_scaled", "fp8_metadata", "fp8_layers"}) {
    SCOPED_TRACE(name);
    const std::string file = fmt::format("formats/{}.safetensors", name);
    testing::expect_f32(open_weights(testing::golden_path("weights/" + file)), file);
  }
  const auto path = testing::golden_path("weights/formats/fp8_scaled.safetensors");
  const WeightMap weights = open_weights(path);
  EXPECT_EQ(weights.find("model.diffusion_model.b.weight")->scale, 1.75F);
  EXPECT_EQ(weights.find("model.diffusion_model.conv.weight")->scale, 1.0F);
}

/// A tensor of zeros or of `values`.
struct Made {
  std::string name;
  DType dtype;
  Shape shape;
  std::vector<float> values = {};
};

WeightFile file_of(const std::vector<Made>& tensors, Metadata metadata = {}) {
  WeightFile file;
  for (const Made& made : tensors) {
    StoredTensor tensor{.dtype = made.dtype, .shape = made.shape, .file = nullptr};
    std::vector<std::byte> bytes(tensor.bytes());
    if (!made.values.empty()) std::memcpy(bytes.data(), made.values.data(), bytes.size());
    tensor.file = memory_file("made.safetensors", std::move(bytes));
    file.weights.add(made.name, std::move(tensor));
  }
  file.metadata = std::move(metadata);
  return file;
}
auto scaling(const std::vector<Made>& tensors, Metadata metadata = {}) {
  return [=] { scaled(file_of(tensors, metadata)); };
}
/// A layer's format as a tensor of JSON text.
WeightFile with_format(WeightFile file, const std::string& layer, const std::string& text) {
  const auto bytes = static_cast<std::int64_t>(text.size());
  file.weights.add(layer + ".comfy_quant", {DType::kU8, {bytes}, testing::file_of(text), 0});
  return file;
}

const Made kWeight{"p.a.weight", DType::kF8E4M3, {2, 3}};
const Made kMarker{"p.scaled_fp8", DType::kF8E4M3, {0}};
Metadata layers(const std::string& text) {
  return {{"_quantization_metadata", R"({"layers": {"p.a": )" + text + "}}"}};
}

TEST(Fp8Scales, LeaveOtherFilesUnchanged) {
  const WeightMap weights = scaled(file_of({kWeight, {"p.scale", DType::kF32, {1}}}));
  EXPECT_EQ(weights.size(), 2U);
  EXPECT_EQ(weights.find("p.a.weight")->scale, 1.0F);
}

TEST(Fp8Scales, ReportTheLayerThatLacksOne) {
  EXPECT_ERROR(scaling({kWeight, kMarker}),
               "corrupt: cannot read made.safetensors: its layers should have scales, but "
               "p.a.weight has none (p.a.scale_weight or .weight_scale)\n  use a copy");
  EXPECT_ERROR(scaling({kWeight, {"scaled_fp8", DType::kF32, {2}}}), "p.a.weight has none");
  EXPECT_ERROR(scaling({kWeight}, layers(R"({"format": "float8_e4m3fn"})")), "p.a.weight has none");
  EXPECT_ERROR(scaling({{"p.a.weight", DType::kF16, {2, 3}}, kMarker}), "no error");
  EXPECT_ERROR(scaling({kWeight, {"q.scaled_fp8", DType::kF32, {0}}}), "no error");
  EXPECT_ERROR(scaling({{"p.a.weight", DType::kF8E4M3, {2, 3, 3, 3}}, kMarker}), "no error");
}

TEST(Fp8Scales, MustBeOneFiniteFloat) {
  const auto with = [](const Made& factor) { return scaling({kWeight, kMarker, factor}); };
  EXPECT_ERROR(with({"p.a.scale_weight", DType::kF32, {1}, {2}}), "no error");
  EXPECT_ERROR(with({"p.a.weight_scale", DType::kF32, {2}}),
               "the scale p.a.weight_scale must be one float, got f32 [2]");
  EXPECT_ERROR(with({"p.a.weight_scale", DType::kI32, {1}}), "must be one float, got i32 [1]");
  EXPECT_ERROR(with({"p.a.scale_weight", DType::kF32, {}, {INFINITY}}),
               "the scale p.a.scale_weight is inf, expected a finite number");
  EXPECT_ERROR(scaling({kWeight,
                        {"p.a.scale_weight", DType::kF32, {1}, {2}},
                        {"p.a.weight_scale", DType::kF32, {1}, {2}}}),
               "p.a.weight has two scales");
  EXPECT_ERROR(
      scaling({{"p.a.weight", DType::kI8, {2, 3}}, {"p.a.weight_scale", DType::kF32, {1}, {2}}}),
      "p.a.weight is i8 with a scale, expected floats");
}

TEST(Fp8Scales, RejectOtherFormats) {
  EXPECT_ERROR(scaling({kWeight}, layers(R"({"format": "int8_tensorwise", "convrot": true})")),
               "its layer p.a was rotated before rounding (convrot, int8_tensorwise)");
  EXPECT_ERROR(scaling({kWeight}, layers(R"({"format": "nvfp4"})")),
               "its layer p.a is stored as nvfp4, expected float8_e4m3fn or float8_e5m2");
  EXPECT_ERROR(scaling({kWeight}, layers("7")), "_quantization_metadata of made.safetensors");
  EXPECT_ERROR(scaling({kWeight}, {{"_quantization_metadata", "{"}}), "corrupt: cannot read");
  const auto format = [](const std::string& text) {
    return [text] { scaled(with_format(file_of({kWeight}), "p.a", text)); };
  };
  EXPECT_ERROR(format(R"({"format": "mxfp8"})"), "its layer p.a is stored as mxfp8");
  EXPECT_ERROR(format(R"({"convrot": true})"), "(convrot, )");
  EXPECT_ERROR(format("[]"), "p.a.comfy_quant of");
  EXPECT_ERROR(scaling({{"p.a.comfy_quant", DType::kF32, {1}}}),
               "p.a.comfy_quant must be a JSON object of at most 65536 bytes, got f32 [1]");
}

class Fp8Shards : public testing::TemporaryFolder {};

TEST_F(Fp8Shards, CanHaveTheirScalesInOtherShards) {
  const std::vector<std::byte> weight(6, std::byte{0x38});  // 1
  const float factor = 3;
  write_safetensors(path_ / "one.safetensors", {{{"a.weight", DType::kF8E4M3, {2, 3}}, weight}});
  write_safetensors(path_ / "two.safetensors",
                    {{{"a.scale_weight", DType::kF32, {}}, std::as_bytes(std::span(&factor, 1))}});
  put("model.safetensors.index.json",
      R"({"weight_map":{"a.weight":"one.safetensors","a.scale_weight":"two.safetensors"}})");
  const WeightMap weights = open_component(path_);
  EXPECT_EQ(weights.size(), 1U);
  EXPECT_EQ(testing::values_of(*weights.find("a.weight")), std::vector<float>(6, 3.0F));
}

}  // namespace
}  // namespace semblance
