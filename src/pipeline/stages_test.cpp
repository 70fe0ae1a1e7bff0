// Every stage of a picture, compared with the published packages (tools/oracle/pipeline.py writes
// stages.safetensors), to locate disagreements.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "backend/backends.h"
#include "image/draw.h"
#include "models/unet.h"
#include "pipeline/layout.h"
#include "pipeline/models_test.h"
#include "pipeline/opened_models.h"
#include "pipeline/stage_graphs.h"
#include "runtime/session.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"
#include "weights/safetensors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

class Stages : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const fs::path folder = testing::golden_path("pipeline") / GetParam();
    models_ = open_models(testing::models_in(folder / "checkpoint"));
    goldens_ = read_safetensors(open_file(folder / "stages.safetensors"));
  }

  const Shape& shape(std::string_view name) const {
    const StoredTensor* tensor = goldens_.find(name);
    SEMBLANCE_ASSERT(tensor != nullptr);
    return tensor->shape;
  }
  /// A golden as stored; pictures are [n,c,h,w].
  std::vector<float> stored(std::string_view name) const {
    const StoredTensor& tensor = *goldens_.find(name);
    std::vector<std::byte> raw(tensor.bytes());
    std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
    read_rows(tensor, 0, tensor.rows(), raw, values);
    return values;
  }
  /// A golden with pictures converted to channels last.
  std::vector<float> golden(std::string_view name) const {
    std::vector<float> values = stored(name);
    const Shape& shape = this->shape(name);
    if (shape.rank() != 4) return values;
    std::vector<float> turned(values.size());
    const auto one = static_cast<std::size_t>(shape.elements_from(1));
    for (std::size_t i = 0; i < static_cast<std::size_t>(shape[0]); ++i) {
      channels_last(std::span(values).subspan(i * one, one), static_cast<std::size_t>(shape[1]),
                    std::span(turned).subspan(i * one, one));
    }
    return turned;
  }
  std::vector<std::int32_t> ids(std::string_view name) const {
    const std::vector<float> values = stored(name);
    return {values.begin(), values.end()};
  }
  void expect_output(const Session& session, std::string_view output, std::string_view name) const {
    SCOPED_TRACE(name);
    testing::expect_close(session.output_f32(output), golden(name));
  }

  OpenedModels models_;
  WeightMap goldens_;
};

TEST_P(Stages, TextEncoders) {
  std::vector<std::vector<float>> hidden;
  for (std::size_t encoder = 0; encoder < 2; ++encoder) {
    const auto tokens = ids(encoder == 0 ? "tokens.1" : "tokens.2");
    const auto length = static_cast<std::size_t>(models_.prompt_length(static_cast<int>(encoder)));
    ASSERT_EQ(shape(encoder == 0 ? "tokens.1" : "tokens.2"),
              (Shape{2, static_cast<std::int64_t>(length)}));
    Graph graph;
    const Scope root(&graph, "");
    const Value input = root.input("ids", DType::kI32, {2, static_cast<std::int64_t>(length)});
    const ClipOutputs out =
        clip_text(root, models_.clip[encoder], input, root.input("ends", DType::kI32, {2}));
    graph.add_output("hidden", out.hidden.id);
    graph.add_output("pooled", out.pooled->id);
    if (encoder == 0) {  // has no projection
      Graph without;
      const Scope scope(&without, "");
      without.add_output(
          "hidden",
          clip_text(scope, models_.clip[0],
                    scope.input("ids", DType::kI32, {2, static_cast<std::int64_t>(length)}), {})
              .hidden.id);
      Session session(std::move(without), cpu_backend(), models_.clip_weights[0]);
      session.set_input("ids", tokens);
      session.run();
      hidden.push_back(session.output_f32("hidden"));
      continue;
    }
    Session session(std::move(graph), cpu_backend(), models_.clip_weights[encoder]);
    session.set_input("ids", tokens);
    const std::span<const std::int32_t> all(tokens);
    session.set_input(
        "ends", std::vector<std::int32_t>{end_position(models_.clip[1], all.first(length)),
                                          end_position(models_.clip[1], all.subspan(length))});
    session.run();
    hidden.push_back(session.output_f32("hidden"));
    expect_output(session, "pooled", "text.pooled");
  }
  const std::vector<float> want = stored("text.conditioning");
  const auto first = static_cast<std::size_t>(models_.clip[0].width);
  const auto second = static_cast<std::size_t>(models_.clip[1].width);
  std::vector<float> joined;
  for (std::size_t row = 0; row < hidden[0].size() / first; ++row) {
    joined.insert(joined.end(), hidden[0].begin() + static_cast<std::ptrdiff_t>(row * first),
                  hidden[0].begin() + static_cast<std::ptrdiff_t>((row + 1) * first));
    joined.insert(joined.end(), hidden[1].begin() + static_cast<std::ptrdiff_t>(row * second),
                  hidden[1].begin() + static_cast<std::ptrdiff_t>((row + 1) * second));
  }
  testing::expect_close(joined, want);
}

/// Golden of tools/oracle/clip_skip.py: a negative prompt, which uses the usual layer, and a
/// prompt.
TEST_P(Stages, TextEncodersSkipLayers) {
  goldens_ = read_safetensors(
      open_file(testing::golden_path("pipeline") / GetParam() / "clip_skip.safetensors"));
  const std::vector<float> want = stored("conditioning");
  const auto channels = static_cast<std::size_t>(shape("conditioning")[2]);
  std::size_t first_channel = 0;
  for (std::size_t encoder = 0; encoder < 2; ++encoder) {
    const ClipConfig& config = models_.clip[encoder];
    const auto tokens = ids(encoder == 0 ? "tokens.1" : "tokens.2");
    const std::span<const std::int32_t> all(tokens);
    const std::size_t length = tokens.size() / 2;
    Session session(text_encoder_graph(models_, encoder, 2, 1), cpu_backend(),
                    models_.clip_weights[encoder]);
    session.set_input("ids", tokens);
    if (encoder == 1) {
      session.set_input("ends",
                        std::vector<std::int32_t>{end_position(config, all.first(length)),
                                                  end_position(config, all.subspan(length))});
    }
    session.run();
    const std::vector<float> hidden = session.output_f32("hidden");
    const auto width = static_cast<std::size_t>(config.width);
    std::vector<float> its_part;
    for (std::size_t row = 0; row < 2 * length; ++row) {
      const auto begin = want.begin() + static_cast<std::ptrdiff_t>(row * channels + first_channel);
      its_part.insert(its_part.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
    }
    testing::expect_close(hidden, its_part);
    if (encoder == 1) testing::expect_close(session.output_f32("pooled"), stored("pooled"));
    // Only the prompt; the negative one is zeros.
    Session alone(text_encoder_graph(models_, encoder, 1, 1), cpu_backend(),
                  models_.clip_weights[encoder]);
    alone.set_input("ids", std::vector<std::int32_t>(
                               tokens.begin() + static_cast<std::ptrdiff_t>(length), tokens.end()));
    if (encoder == 1) {
      alone.set_input("ends", std::vector<std::int32_t>{end_position(config, all.subspan(length))});
    }
    alone.run();
    its_part.erase(its_part.begin(),
                   its_part.begin() + static_cast<std::ptrdiff_t>(length * width));
    testing::expect_close(alone.output_f32("hidden"), its_part);
    first_channel += width;
  }
  const std::int64_t layers = models_.clip[0].layers;
  testing::expect_error(
      ErrorKind::kArgument,
      fmt::format(
          "cannot take clip_skip: expected at most {}, since the model's first text encoder "
          "has {} layers, got 11",
          layers - 1, layers),
      [&] { text_encoder_graph(models_, 0, 1, 11); });
}

TEST_P(Stages, FaceTokens) {
  Session session(resampler_graph(models_, 1), cpu_backend(), models_.resampler_weights);
  const std::vector<float> want = stored("face.tokens");
  for (int half = 0; half < 2; ++half) {
    const std::vector<float> embedding =
        half == 0 ? std::vector<float>(512) : stored("face.embedding");
    session.set_input("embeddings", embedding);
    session.run();
    const std::vector<float> tokens = session.output_f32("tokens");
    testing::expect_close(
        tokens,
        std::span(want).subspan(static_cast<std::size_t>(half) * tokens.size(), tokens.size()));
  }
}

/// IdentityNet's residuals, then one UNet step with them and the face tokens.
TEST_P(Stages, OneStep) {
  const Shape latent = shape("step.latent");
  const Shape picture = shape("keypoints.picture");
  Graph graph;
  const Scope root(&graph, "");
  const StepInputs inputs{root.input("latent", DType::kF32, {2, latent[2], latent[3], latent[1]}),
                          root.input("timestep", DType::kF32, {2}),
                          root.input("pooled", DType::kF32, shape("text.pooled")),
                          root.input("time_ids", DType::kF32, {12})};
  const Value text = root.input("text", DType::kF32, shape("text.conditioning"));
  const Value face = root.input("face", DType::kF32, shape("face.tokens"));
  const Value drawn = root.input("picture", DType::kF32, {1, picture[2], picture[3], 3});
  const Scope identity(&graph, "identitynet.");
  const Value conditioning =
      conditioning_embedding(identity, models_.identitynet, drawn, DType::kF32);
  graph.add_output("condition", conditioning.id);
  const ControlInputs control{identity, &models_.identitynet, conditioning, face, 0.8F};
  const std::vector<Value> residuals = control_residuals(control, inputs, DType::kF32);
  for (std::size_t i = 0; i < residuals.size(); ++i)
    graph.add_output(std::to_string(i), residuals[i].id);
  graph.add_output(
      "noise",
      unet(Scope(&graph, "unet."), models_.unet, inputs, text, face, {control},
           AdapterInputs{Scope(&graph, "ip_adapter."), {{0, models_.resampler.tokens, 0.8F}}},
           DType::kF32)
          .noise.id);

  Session session(std::move(graph), cpu_backend(), models_.denoiser_weights);
  std::vector<float> both = golden("step.latent");
  both.insert(both.end(), both.begin(), both.begin() + latent.elements());
  session.set_input("latent", both);
  const float timestep = stored("step.timestep")[0];
  session.set_input("timestep", std::vector<float>{timestep, timestep});
  session.set_input("pooled", stored("text.pooled"));
  session.set_input("time_ids", stored("time_ids"));
  session.set_input("text", stored("text.conditioning"));
  session.set_input("face", stored("face.tokens"));
  session.set_input("picture", golden("keypoints.picture"));
  session.run();
  expect_output(session, "condition", "identitynet.condition");
  for (std::size_t i = 0; i + 1 < residuals.size(); ++i)
    expect_output(session, std::to_string(i), "identitynet.residual." + std::to_string(i));
  expect_output(session, std::to_string(residuals.size() - 1), "identitynet.residual.mid");
  expect_output(session, "noise", "unet.noise");
}

TEST_P(Stages, VaeDecodesAndEncodes) {
  const Shape latent = shape("vae.decode.latent");
  const Shape picture = shape("vae.encode.picture");
  Graph graph;
  const Scope root(&graph, "");
  graph.add_output("picture", vae_decoder(root, models_.vae,
                                          root.input("latent", DType::kF32,
                                                     {1, latent[2], latent[3], latent[1]}),
                                          DType::kF32)
                                  .id);
  graph.add_output(
      "moments",
      vae_encoder(root, models_.vae,
                  root.input("photo", DType::kF32, {1, picture[2], picture[3], 3}), DType::kF32)
          .id);
  Session session(std::move(graph), cpu_backend(), models_.vae_weights);
  std::vector<float> unscaled = golden("vae.decode.latent");  // as the sampler leaves it
  for (float& value : unscaled) value /= models_.vae.scaling_factor;
  session.set_input("latent", unscaled);
  session.set_input("photo", golden("vae.encode.picture"));
  session.run();
  expect_output(session, "picture", "vae.decode.picture");
  expect_output(session, "moments", "vae.encode.moments");
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Stages,
                         ::testing::Values("fp16_published", "bf16_shards", "fp32_convolutions"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace semblance
