// Configs inferred from a single file's tensors give the same models as a folder's config.json.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "memory/file.h"
#include "models/clip.h"
#include "models/unet_config.h"
#include "models/vae.h"
#include "tests/support/golden.h"
#include "weights/single_file.h"

namespace semblance {
namespace {

SingleFile tiny() {
  return SingleFile::open(testing::golden_path("weights/single_file/tiny.safetensors"));
}

Json published(const std::string& part) {
  const auto path = testing::golden_path("weights/single_file/tiny.configs.json");
  return Json::parse(part, nlohmann::json::parse(read_small_file(path, 1 << 20))[part].dump());
}

TEST(InferredConfig, MatchesTheUNets) {
  const UNetConfig got = unet_config(tiny().config("unet"));
  const UNetConfig want = unet_config(published("unet"));
  EXPECT_EQ(got.in_channels, want.in_channels);
  EXPECT_EQ(got.out_channels, want.out_channels);
  EXPECT_EQ(got.channels, want.channels);
  EXPECT_EQ(got.layers, want.layers);
  EXPECT_EQ(got.down_attention, want.down_attention);
  EXPECT_EQ(got.up_attention, want.up_attention);
  EXPECT_EQ(got.transformer_layers, want.transformer_layers);
  EXPECT_EQ(got.heads, want.heads);
  EXPECT_EQ(got.cross_channels, want.cross_channels);
  EXPECT_EQ(got.linear_projection, want.linear_projection);
  EXPECT_EQ(got.groups, want.groups);
  EXPECT_EQ(got.eps, want.eps);
  EXPECT_EQ(got.downsample_padding, want.downsample_padding);
  EXPECT_EQ(got.flip_sin_to_cos, want.flip_sin_to_cos);
  EXPECT_EQ(got.freq_shift, want.freq_shift);
  EXPECT_EQ(got.time_id_channels, want.time_id_channels);
  EXPECT_EQ(got.added_channels, want.added_channels);
  EXPECT_EQ(got.sample_size, 128);  // no tensor determines it
}

TEST(InferredConfig, MatchesTheVaes) {
  const VaeConfig got = vae_config(tiny().config("vae"));
  const VaeConfig want = vae_config(published("vae"));
  EXPECT_EQ(got.latent_channels, want.latent_channels);
  EXPECT_EQ(got.channels, want.channels);
  EXPECT_EQ(got.layers, want.layers);
  EXPECT_EQ(got.groups, want.groups);
  EXPECT_EQ(got.scaling_factor, want.scaling_factor);
  EXPECT_EQ(got.mid_attention, want.mid_attention);
  EXPECT_EQ(got.quant_conv, want.quant_conv);
  EXPECT_EQ(got.post_quant_conv, want.post_quant_conv);
}

TEST(InferredConfig, MatchesBothEncoders) {
  for (const char* part : {"text_encoder", "text_encoder_2"}) {
    SCOPED_TRACE(part);
    const ClipConfig got = clip_config(tiny().config(part));
    const ClipConfig want = clip_config(published(part));
    EXPECT_EQ(got.vocab_size, want.vocab_size);
    EXPECT_EQ(got.width, want.width);
    EXPECT_EQ(got.feed_forward, want.feed_forward);
    EXPECT_EQ(got.layers, want.layers);
    EXPECT_EQ(got.heads, want.heads);
    EXPECT_EQ(got.length, want.length);
    EXPECT_EQ(got.projection, want.projection);
    EXPECT_EQ(got.end_id, want.end_id);
    EXPECT_EQ(got.eps, want.eps);
    EXPECT_EQ(got.activation, want.activation);
  }
}

}  // namespace
}  // namespace semblance
