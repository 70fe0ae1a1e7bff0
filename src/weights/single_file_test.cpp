#include "weights/single_file.h"

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "weights/checkpoint.h"
#include "weights/name_table.h"
#include "weights/original_names.h"
#include "weights/transposed.h"
#include "weights/weights_test.h"

namespace semblance {
namespace {

using testing::golden_path;

std::filesystem::path golden(const std::string& name) {
  return golden_path("weights/single_file/" + name);
}

Shape shape_of(const std::string& text) {
  std::vector<std::int64_t> sizes;
  std::istringstream words(text.substr(1));
  for (std::string word; std::getline(words, word, ',');) sizes.push_back(std::stoll(word));
  return Shape(sizes);
}

/// A tensor that is never read.
StoredTensor unread(const Shape& shape) {
  static const auto file = memory_file("model.safetensors", {});
  return {DType::kF16, shape, file, 0};
}

/// SDXL's tensors: part, original name and shape, diffusers' name and shape.
struct Names {
  std::map<std::string, WeightMap> original, diffusers;

  Names() {
    std::ifstream file(golden("sdxl_names.txt"));
    for (std::string part, from, from_shape, to, to_shape;
         file >> part >> from >> from_shape >> to >> to_shape;) {
      if (original[part].find(from) == nullptr)
        original[part].add(from, unread(shape_of(from_shape)));
      diffusers[part].add(to, unread(shape_of(to_shape)));
    }
  }
};
const Names& sdxl() {
  static const Names names;
  return names;
}

const std::map<std::string, std::string> kPrefixes = {
    {"unet", "model.diffusion_model."},
    {"vae", "first_stage_model."},
    {"text_encoder", "conditioner.embedders.0.transformer."},
    {"text_encoder_2", "conditioner.embedders.1.model."}};

WeightFile whole_sdxl() {
  WeightFile file;
  for (const auto& [part, tensors] : sdxl().original)
    file.weights.merge(kPrefixes.at(part), tensors);
  return file;
}

std::map<std::string, std::string> shapes_of(const WeightMap& weights) {
  std::map<std::string, std::string> shapes;
  for (const auto& [name, tensor] : weights) shapes[name] = to_string(tensor.shape);
  return shapes;
}

TEST(SingleFile, TranslatesAllNamesOfSdxl) {
  const SingleFile file("model.safetensors", whole_sdxl());
  EXPECT_EQ(file.identity().kind, FileKind::kCheckpoint);
  EXPECT_EQ(file.identity().name, "an SDXL checkpoint");
  for (const auto& [part, tensors] : sdxl().diffusers) {
    SCOPED_TRACE(part);
    EXPECT_EQ(shapes_of(file.weights(part)), shapes_of(tensors));
  }
  EXPECT_EQ(sdxl().diffusers.at("unet").size(), 1680U);
}

TEST(SingleFile, ReadsEachPartOnItsOwn) {
  const std::map<std::string, FileKind> kinds = {{"unet", FileKind::kUNet},
                                                 {"vae", FileKind::kVae},
                                                 {"text_encoder", FileKind::kTextEncoders},
                                                 {"text_encoder_2", FileKind::kTextEncoders}};
  for (const auto& [part, kind] : kinds) {
    SCOPED_TRACE(part);
    for (const auto* names : {&sdxl().original, &sdxl().diffusers}) {
      const SingleFile bare("part.safetensors", {names->at(part), {}});
      EXPECT_EQ(bare.identity().kind, kind);
      ASSERT_TRUE(bare.has(part));
      EXPECT_EQ(shapes_of(bare.weights(part)), shapes_of(sdxl().diffusers.at(part)));
    }
    WeightFile prefixed;
    prefixed.weights.merge(kPrefixes.at(part), sdxl().original.at(part));
    const SingleFile file("part.safetensors", std::move(prefixed));
    EXPECT_EQ(shapes_of(file.weights(part)), shapes_of(sdxl().diffusers.at(part)));
  }
}

/// Compares an inferred config with a config.json; `untold`: keys that no tensor determines.
void expect_config(const Json& inferred, const std::string& golden_name, const std::string& part,
                   const std::set<std::string>& untold = {}) {
  const auto text = read_small_file(golden(golden_name), 1 << 20);
  const nlohmann::json want = nlohmann::json::parse(text)[part];
  for (const auto& [key, value] : inferred.value().items()) {
    if (key.starts_with('_') || key == "model_type" || untold.contains(key)) continue;
    EXPECT_EQ(value, want[key]) << part << " " << key;
  }
}

TEST(SingleFile, InfersThePublishedConfigs) {
  const SingleFile file("model.safetensors", whole_sdxl());
  for (const auto& [part, prefix] : kPrefixes)
    expect_config(file.config(part), "sdxl.configs.json", part);
  const SingleFile unet("unet.safetensors", {sdxl().original.at("unet"), {}});
  expect_config(unet.config("unet"), "sdxl.configs.json", "unet");
}

/// Compares the file's tensors with the golden: names, shapes and sums over the values' bits.
void expect_values(const SingleFile& file, const std::string& golden_name) {
  std::ifstream expected(golden(golden_name + ".expected.txt"));
  std::map<std::string, WeightMap> parts;
  std::map<std::string, std::size_t> counts;
  std::uint64_t want = 0;
  for (std::string part, name, shape; expected >> part >> name >> shape >> want;) {
    SCOPED_TRACE(part + " " + name);
    if (!parts.contains(part)) parts[part] = file.weights(part);
    ++counts[part];
    const StoredTensor* tensor = parts[part].find(name);
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(to_string(tensor->shape), shape);
    for (const std::int64_t rows : {std::int64_t{7}, tensor->rows()}) {
      std::uint64_t sum = 0, odd = 1;
      for (const float value : testing::values_of(*tensor, rows)) {
        sum += std::bit_cast<std::uint32_t>(value) * odd;
        odd += 2;
      }
      EXPECT_EQ(sum, want) << rows;
    }
  }
  for (const auto& [part, tensors] : parts) EXPECT_EQ(tensors.size(), counts[part]) << part;
  EXPECT_FALSE(parts.empty());
}

TEST(SingleFile, ReadsAWholeModelLikeDiffusers) {
  const SingleFile file = SingleFile::open(golden("tiny.safetensors"));
  EXPECT_EQ(file.identity().kind, FileKind::kCheckpoint);
  EXPECT_EQ(file.identity().parts.size(), 4U);
  expect_values(file, "tiny.safetensors");
  for (const auto& [part, prefix] : kPrefixes) {
    // In a level without transformers no tensor determines the number of heads.
    expect_config(file.config(part), "tiny.configs.json", part, {"sample_size"});
  }
}

TEST(SingleFile, ReadsFilesFromStableDiffusionCpp) {
  const SingleFile file = SingleFile::open(golden("tiny_sdcpp.gguf"));
  EXPECT_EQ(file.identity().parts.size(), 3U);
  expect_values(file, "tiny_sdcpp.gguf");
  for (const char* part : {"text_encoder", "text_encoder_2"})
    expect_config(file.config(part), "tiny.configs.json", part);
}

TEST(SingleFile, ReadsFilesFromComfyUIGguf) {
  const SingleFile file = SingleFile::open(golden("tiny_city96.gguf"));
  EXPECT_EQ(file.identity().name, "an SDXL UNet");
  expect_values(file, "tiny_city96.gguf");
  expect_config(file.config("unet", 96), "tiny.configs.json", "unet", {"sample_size"});
}

TEST(SingleFile, NamesWhatIsMissing) {
  const SingleFile unet("unet.safetensors", {sdxl().original.at("unet"), {}});
  EXPECT_ERROR([&] { unet.weights("vae"); },
               "missing: cannot read unet.safetensors: it is an SDXL UNet and has no vae");
  EXPECT_ERROR([&] { unet.config("unet", 2800); },
               "shape: cannot use unet.safetensors: add_embedding.linear_1.weight takes 2816 "
               "channels: six time ids of one width and 2800 of the second encoder's projection "
               "are expected\n  give the text encoders");
  WeightFile broken;
  broken.weights.add("out.2.weight", unread({4, 320, 3, 3}));
  const SingleFile part("part.safetensors", broken);
  EXPECT_ERROR([&] { part.config("unet"); }, "shape: cannot use part.safetensors: it has no down");
  broken.weights.add("input_blocks.1.0.in_layers.2.weight", unread({320, 320}));
  EXPECT_ERROR([&] { SingleFile("a", broken).config("unet"); },
               "shape: cannot use a: down_blocks.0.resnets.0.conv1.weight must have 4 axes, got "
               "[320,320]");
  broken.weights.add("first_stage_model.decoder.conv_in.weight", unread({8, 4, 3, 3}));
  EXPECT_ERROR([&] { SingleFile("a", broken).config("vae"); },
               "missing: cannot read a: it has no encoder.conv_in.weight, from which its sizes");
}

TEST(SingleFile, InfersTheScheduler) {
  WeightFile file = whole_sdxl();
  const auto scheduler = [&] { return SingleFile("a", file).config("scheduler"); };
  EXPECT_EQ(scheduler().get_string("prediction_type"), "epsilon");
  EXPECT_EQ(scheduler().get_string("timestep_spacing"), "leading");
  file.metadata["modelspec.prediction_type"] = "v";
  EXPECT_EQ(scheduler().get_string("prediction_type"), "v_prediction");
  file.metadata.clear();
  file.weights.add("v_pred", unread({0}));
  file.weights.add("ztsnr", unread({0}));
  EXPECT_EQ(scheduler().get_string("prediction_type"), "v_prediction");
  EXPECT_EQ(scheduler().get_string("timestep_spacing"), "trailing");
  EXPECT_TRUE(scheduler().get_bool("rescale_betas_zero_snr"));
}

TEST(NameTable, CountsBlocksByLevel) {
  const auto name = [](const std::string& from, const BlockNumbers& numbers) {
    WeightMap weights;
    weights.add(from, unread({2}));
    const bool vae = from.starts_with("decoder.");
    const WeightMap result = (vae ? renamed(weights, kOriginalVaeNames, numbers)
                                  : renamed(weights, kOriginalUNetNames, numbers));
    return result.begin()->first;
  };
  EXPECT_EQ(name("input_blocks.5.1.norm.weight", {.step = 3}),
            "down_blocks.1.attentions.1.norm.weight");
  EXPECT_EQ(name("input_blocks.5.1.norm.weight", {.step = 2}),
            "down_blocks.2.attentions.0.norm.weight");
  EXPECT_EQ(name("output_blocks.5.2.conv.bias", {.step = 3}), "up_blocks.1.upsamplers.0.conv.bias");
  EXPECT_EQ(name("output_blocks.5.1.conv.bias", {.step = 3}), "up_blocks.1.upsamplers.0.conv.bias");
  EXPECT_EQ(name("decoder.up.0.block.2.conv1.bias", {.levels = 4}),
            "decoder.up_blocks.3.resnets.2.conv1.bias");
  // Numbers outside the table's range are left unchanged.
  EXPECT_EQ(name("decoder.up.9.block.2.conv1.bias", {.levels = 4}),
            "decoder.up.9.block.2.conv1.bias");
  EXPECT_EQ(name("input_blocks.0.1.norm.weight", {}), "input_blocks.0.1.norm.weight");
  EXPECT_EQ(name("input_blocks.1234567.0.op.bias", {}), "input_blocks.1234567.0.op.bias");
  EXPECT_EQ(name("input_blocks.x.0.op.bias", {}), "input_blocks.x.0.op.bias");
}

TEST(NameTable, RejectsImpossibleChanges) {
  const auto clip = [](const std::string& name, const Shape& shape) {
    return [=] {
      WeightMap weights;
      weights.add(name, unread(shape));
      renamed(weights, kOriginalClipNames);
    };
  };
  EXPECT_ERROR(clip("transformer.resblocks.0.attn.in_proj_weight", {10, 4}),
               "corrupt: cannot read model.safetensors: "
               "encoder.layers.0.attn.in_proj_weight must be a tensor with a multiple of three "
               "rows, got [10,4]");
  EXPECT_ERROR(clip("encoder.layers.0.attn.in_proj_bias", {}),
               "must be a tensor with a multiple of three rows, got []");
  EXPECT_ERROR(clip("text_projection", {4}), "text_projection must be a matrix, got [4]");
  WeightMap twice;
  twice.add("input_blocks.0.0.weight", unread({1}));
  twice.add("conv_in.weight", unread({1}));
  EXPECT_ERROR([&] { renamed(twice, kOriginalUNetNames); }, "tensor conv_in.weight occurs twice");
}

TEST(Transposed, TransposesTypesInBlocks) {
  const WeightMap rows = open_weights(golden_path("weights/formats/rows.gguf"));
  for (const char* name : {"linear.q4_0", "linear.q6_k"}) {
    const StoredTensor& matrix = *rows.find(name);
    const std::vector<float> values = testing::values_of(matrix);
    const StoredTensor turned = transposed_matrix(matrix);
    EXPECT_EQ(turned.shape, (Shape{640, 6}));
    EXPECT_EQ(turned.dtype, DType::kF32);
    std::vector<float> want(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) want[i % 640 * 6 + i / 640] = values[i];
    EXPECT_EQ(testing::values_of(turned, 1), want);
    EXPECT_EQ(testing::values_of(turned, 100), want);
  }
}

}  // namespace
}  // namespace semblance
