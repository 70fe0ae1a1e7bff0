#include "weights/weight_map.h"

#include "weights/name_table.h"
#include "weights/weights_test.h"

namespace semblance {
namespace {

StoredTensor tensor(Shape shape = {2}) {
  return {.dtype = DType::kF32, .shape = shape, .file = testing::file_of("12345678"), .offset = 0};
}

std::string names_of(const WeightMap& weights) {
  std::string names;
  for (const auto& [name, stored] : weights) names += name + " ";
  return names;
}

TEST(WeightMap, MergesUnderAPrefixAndStaysSorted) {
  WeightMap unet;
  unet.add("conv_in.weight", tensor());
  unet.add("conv_in.bias", tensor());
  WeightMap all;
  all.add("vae.x", tensor());
  all.merge("unet.", std::move(unet));
  EXPECT_EQ(names_of(all), "unet.conv_in.bias unet.conv_in.weight vae.x ");
}

TEST(WeightMap, RejectsADuplicateName) {
  WeightMap weights;
  weights.add("a", tensor());
  EXPECT_ERROR([&] { weights.add("a", tensor()); },
               "corrupt: cannot read made.file: tensor a occurs twice");
  WeightMap more;
  more.add("", tensor());
  EXPECT_ERROR([&] { weights.merge("a", std::move(more)); }, "a occurs twice");
}

TEST(WeightMap, RestoresTheTextEncodersPrefix) {
  WeightMap bare;
  bare.add("encoder.layers.0.mlp.fc1.weight", tensor());
  bare.add("embeddings.token_embedding.weight", tensor());
  bare.add("final_layer_norm.bias", tensor());
  bare.add("text_projection.weight", tensor());
  WeightMap published;
  published.merge("text_model.", bare);
  const std::string want =
      "text_model.embeddings.token_embedding.weight text_model.encoder.layers.0.mlp.fc1.weight "
      "text_model.final_layer_norm.bias text_projection.weight ";
  const WeightMap once = renamed(bare, kTextEncoderNames);
  EXPECT_EQ(names_of(once), want);
  EXPECT_EQ(names_of(renamed(once, kTextEncoderNames)), want);
}

StoredTensor stored(Shape shape) {
  const auto bytes = static_cast<std::size_t>(shape.elements()) * 4;
  return {DType::kF32, shape, memory_file("vae.safetensors", std::vector<std::byte>(bytes)), 0};
}

TEST(NameTable, RenamesOlderAttentionTensors) {
  WeightMap old;
  old.add("decoder.mid_block.attentions.0.query.weight", stored({4, 4, 1, 1}));
  old.add("decoder.mid_block.attentions.0.proj_attn.bias", stored({4}));
  old.add("decoder.conv_in.weight", stored({4, 4, 1, 1}));
  const WeightMap newer = renamed(old, kVaeNames);
  ASSERT_NE(newer.find("decoder.mid_block.attentions.0.to_q.weight"), nullptr);
  EXPECT_EQ(newer.find("decoder.mid_block.attentions.0.to_q.weight")->shape, (Shape{4, 4}));
  EXPECT_NE(newer.find("decoder.mid_block.attentions.0.to_out.0.bias"), nullptr);
  EXPECT_EQ(newer.find("decoder.conv_in.weight")->shape.rank(), 4);
}

}  // namespace
}  // namespace semblance
