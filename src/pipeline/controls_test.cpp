// ControlNets beside IdentityNet: what is refused, and what shapes the picture. golden_test.cpp
// compares their pictures with diffusers'.
#include "pipeline/controls.h"

#include <unistd.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "pipeline/golden_case_test.h"
#include "pipeline/resume.h"
#include "pipeline/stage_graphs.h"
#include "tests/support/errors.h"
#include "weights/safetensors.h"
#include "weights/writer.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::golden_path;

fs::path golden_nets() { return golden_path("pipeline/fp16_published/control_nets"); }
fs::path golden_net(const std::string& name) { return golden_nets() / name; }

class Controls : public ::testing::Test {
 protected:
  Controls() { fs::create_directories(folder_); }
  ~Controls() override { fs::remove_all(folder_); }

  AppliedControls open(const std::string& text,
                       MissingControl missing = MissingControl::kRefuse) const {
    return open_controls(models_, std::vector{text}, {}, missing);
  }
  void refuses(const std::string& text, const std::string& why,
               ErrorKind kind = ErrorKind::kArgument) const {
    expect_error(kind, why, [&] { open(text); });
  }
  fs::path copied(const std::string& net) const {
    fs::copy(golden_net(net), folder_ / net, fs::copy_options::recursive);
    return folder_ / net;
  }
  /// Changes values of a net's config.
  static void change(const fs::path& net, const nlohmann::json& values) {
    nlohmann::json config = nlohmann::json::parse(std::ifstream(net / "config.json"));
    config.update(values);
    std::ofstream(net / "config.json") << config.dump();
  }
  fs::path file_with(const std::string& tensor, const Shape& shape) const {
    const std::vector<float> zeros(static_cast<std::size_t>(shape.elements()));
    write_safetensors(folder_ / "file.safetensors",
                      {{{tensor, DType::kF32, shape}, std::as_bytes(std::span(zeros))}});
    return folder_ / "file.safetensors";
  }

  fs::path folder_ =
      fs::temp_directory_path() / ("semblance_control_nets_" + std::to_string(getpid()));
  OpenedModels models_ =
      open_models(testing::models_in(golden_path("pipeline/fp16_published/checkpoint")));
};

TEST_F(Controls, OpenFoldersAndFilesWithTheOriginalNames) {
  const std::string edges = golden_net("edges").string();
  const std::string depth = golden_net("depth.safetensors").string();
  const AppliedControls made = open_controls(
      models_,
      std::vector{"model=" + edges + ",image=x.png", "model=" + depth, "model=" + edges + "/"}, {});
  ASSERT_EQ(made.controls.size(), 3U);
  EXPECT_EQ(made.controls[0].prefix, "control.0.");
  EXPECT_EQ(made.controls[1].prefix, "control.1.");
  EXPECT_EQ(made.controls[2].value, "control_3");
  EXPECT_EQ(made.fingerprints.size(), 2U);
  EXPECT_NE(made.weights.find("control.1.controlnet_down_blocks.8.bias"), nullptr);
  EXPECT_EQ(made.paths[0], "model=" + edges + ",image=x.png");
  EXPECT_TRUE(made.assumed.empty());
}

TEST_F(Controls, AreAssumedInPlans) {
  refuses("model=./none", "cannot open the ControlNet ./none: it does not exist",
          ErrorKind::kMissing);
  const AppliedControls made = open_controls(
      models_, std::vector<std::string>{"model=none", "model=" + golden_net("edges").string()}, {},
      MissingControl::kAssume);
  EXPECT_EQ(made.assumed, std::vector<std::string>{"none"});
  EXPECT_EQ(made.controls[1].prefix, "control.1.");
}

TEST_F(Controls, RefuseOtherModels) {
  const fs::path edges = copied("edges");
  const std::string model = "model=" + edges.string();
  change(edges, {{"cross_attention_dim", 768}, {"addition_embed_type", nullptr}});
  refuses(model,
          "it is a ControlNet of Stable Diffusion 1, whose text has 768 channels\n  "
          "InstantID needs ControlNets for SDXL");
  change(edges, {{"cross_attention_dim", 1024}});
  refuses(model, "it is a ControlNet of Stable Diffusion 2, whose text has 1024 channels");
  change(edges, {{"cross_attention_dim", 48}, {"addition_embed_type", "text_time"}});
  refuses(model, "its text has channels 48, the UNet's 64", ErrorKind::kShape);
  change(edges, {{"cross_attention_dim", 64}, {"layers_per_block", 1}});
  refuses(model, "its levels have layers 1,1,1, the UNet's 2,2,2", ErrorKind::kShape);
  change(edges, {{"layers_per_block", 2}, {"transformer_layers_per_block", {1, 2, 2}}});
  refuses(model, "down_blocks.1.attentions.0.transformer_blocks.1.", ErrorKind::kMissing);
  change(edges, {{"transformer_layers_per_block", {1, 1, 2}}});
  EXPECT_EQ(open(model).controls.size(), 1U);
  fs::remove(edges / "config.json");
  refuses(model,
          "it has no config.json\n  expected a diffusers folder of a ControlNet, or one file",
          ErrorKind::kMissing);
  refuses("model=" + golden_path("pipeline/fp16_published/checkpoint/base/unet").string(),
          "it has no tensor controlnet_cond_embedding.conv_in.weight");
}

TEST_F(Controls, RefuseOtherFiles) {
  const std::string reads = "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight";
  refuses("model=" + file_with(reads, {320, 768}).string(),
          "it is a ControlNet of Stable Diffusion 1\n  InstantID needs ControlNets for SDXL");
  refuses("model=" + file_with("adapter.body.0.in_conv.weight", {4}).string(),
          "it is a T2I-Adapter");
  refuses("model=" + file_with("lora_controlnet", {1}).string(), "it is a Control-LoRA of SDXL");
  refuses("model=" + file_with("controlnet_cond_embedding.conv_in.weight", {8, 3, 3, 3}).string(),
          "it has no down_blocks", ErrorKind::kShape);
  std::ofstream(folder_ / "text.safetensors") << "not weights";
  refuses("model=" + (folder_ / "text.safetensors").string(), "text.safetensors",
          ErrorKind::kCorrupt);
}

TEST_F(Controls, NeedTheTypeOfAUnionNet) {
  const std::string net = "model=" + golden_net("union").string();
  EXPECT_EQ(open(net + ",type=tile").controls.front().config.control_types, 8);
  EXPECT_EQ(open(net + ",type=tile").controls.front().config.union_layers, 2);
  refuses(net,
          "without a type: it is a Union net\n  add type=, one of pose, depth, scribble, canny, "
          "normal, segment, tile, repaint");
  refuses("model=" + golden_net("edges").string() + ",type=depth",
          "with type=depth: it is no Union net\n  leave out type");
}

/// A net that reads nothing of its picture would agree with anything.
TEST_F(Controls, FollowTheirPictures) {
  for (const char* name : {"control_two", "control_alone", "control_union"}) {
    const testing::GoldenCase wanted =
        testing::load_golden_case(golden_path(std::string("pipeline/fp16_published/") + name));
    Pipeline pipeline(wanted.paths, {.precision = Precision::kF32});
    const auto latent_with = [&](int shift) {
      const ControlPictures read = testing::control_pictures_of(wanted.request);
      auto pictures = std::make_shared<std::vector<Image>>();
      for (const Image& picture : *read) {
        Image& moved = pictures->emplace_back(picture.size());
        for (int y = 0; y < picture.height(); ++y) {
          for (int x = 0; x < picture.width(); ++x) {
            const int to = (x + shift) % picture.width();
            std::copy_n(picture.row(y) + 3 * x, 3, moved.row(y) + 3 * to);
          }
        }
      }
      Generation generation = pipeline.start(wanted.request, wanted.people, {}, nullptr, pictures);
      while (generation.next()) {
      }
      return generation.latent();
    };
    const std::vector<float> still = latent_with(0), moved = latent_with(10);
    double change = 0, size = 0;
    for (std::size_t i = 0; i < still.size(); ++i) {
      change += std::pow(static_cast<double>(moved[i] - still[i]), 2);
      size += std::pow(static_cast<double>(still[i]), 2);
    }
    EXPECT_GT(std::sqrt(change / size), 0.1) << name;
  }
}

TEST_F(Controls, AreOffOutsideTheirSteps) {
  Request request;
  request.identity_strength = 0;
  request.controls = {"model=a,start=0.25", "model=b,end=0.5", "model=c,strength=0"};
  std::vector<std::uint32_t> on;
  for (int step = 0; step < 4; ++step)
    on.push_back(kind_of_step(models_, request, step, 4).controls);
  EXPECT_EQ(on, (std::vector<std::uint32_t>{2, 3, 1, 1}));
}

TEST_F(Controls, NeedAPictureEachOfTheNewOnesSize) {
  testing::GoldenCase wanted =
      testing::load_golden_case(golden_path("pipeline/fp16_published/control_alone"));
  Pipeline pipeline(wanted.paths, {.precision = Precision::kF32});
  const auto start = [&](const ControlPictures& pictures) {
    pipeline.start(wanted.request, wanted.people, {}, nullptr, pictures);
  };
  expect_error(ErrorKind::kArgument,
               "cannot take controls: expected 1 pictures, one for each, got 0",
               [&] { start({}); });
  auto small = std::make_shared<std::vector<Image>>();
  small->emplace_back(Size{8, 8});
  expect_error(ErrorKind::kArgument,
               "cannot take controls: expected pictures of 88x64, as the new picture, got 8x8",
               [&] { start(small); });
  wanted.request.controls.assign(9, wanted.request.controls.front());
  expect_error(ErrorKind::kArgument,
               "cannot take controls: expected a list of at most 8 texts, got 9",
               [&] { start(small); });
}

TEST_F(Controls, ResumeWithTheirPictures) {
  const testing::GoldenCase wanted =
      testing::load_golden_case(golden_path("pipeline/fp16_published/control_two"));
  const fs::path file = folder_ / "run.resume";
  std::vector<float> whole;
  {
    Pipeline pipeline(wanted.paths, {.precision = Precision::kF32});
    Generation generation = pipeline.start(wanted.request, wanted.people, {}, nullptr,
                                           testing::control_pictures_of(wanted.request));
    generation.next();
    generation.next();
    SavedRun run = generation.saved();
    run.outputs = {"/tmp/out.png"};
    save(run, file);
    while (generation.next()) {
    }
    whole = generation.latent();
  }
  Pipeline pipeline(wanted.paths, {.precision = Precision::kF32});
  SavedRun run = load_saved_run(file);
  Generation generation = pipeline.resume(run);
  EXPECT_EQ(generation.step(), 2);
  while (generation.next()) {
  }
  EXPECT_EQ(generation.latent(), whole);

  SavedRun other = run;
  other.fingerprints["the ControlNet edges"] = "0";
  expect_error(ErrorKind::kArgument,
               "the ControlNet edges is not the one it was started with\n  put that file back",
               [&] { pipeline.resume(other); });
  run.controls.reset();
  save(run, file);
  expect_error(ErrorKind::kCorrupt, "expected the tensor control_1 u8[104,72,3]",
               [&] { load_saved_run(file); });
}

}  // namespace
}  // namespace semblance
