// Our code allocates nothing during a run, and oneDNN allocates no more inside a kernel than
// booked.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <map>
#include <memory>
#include <random>
#include <thread>

#include "backend/backends.h"
#include "backend/cpu/onednn.h"
#include "core/error.h"
#include "image/encode.h"
#include "memory/buffer.h"
#include "models/unet.h"
#include "models/vae.h"
#include "pipeline/conditions.h"
#include "pipeline/denoiser.h"
#include "pipeline/opened_models.h"
#include "pipeline/stages.h"
#include "runtime/node_run.h"
#include "service/settings.h"
#include "tests/support/allocation_count.h"
#include "tests/support/golden.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

using testing::AllocationCount;
using testing::Allocations;

/// Keeps the compiler from removing an unused block.
void use(void* block) { asm volatile("" : : "r"(block) : "memory"); }

TEST(AllocationCount, CountsEveryKindOfAllocationOnAllThreads) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer has its own hooks";
  const AllocationCount count;
  void* block = std::malloc(1000);
  use(block);
  const Allocations one = count.read();
  std::free(block);
  const Allocations none = count.read();
  EXPECT_EQ(one.blocks, 1);
  EXPECT_EQ(one.ours, 1);
  EXPECT_GE(one.bytes, 1000);
  EXPECT_EQ(one.kept_bytes, one.bytes);
  EXPECT_EQ(none.kept_bytes, 0);
  EXPECT_EQ(none.peak_bytes, one.bytes);

  const auto grows = [&](const char* way, std::int64_t bytes, auto&& take) {
    const Allocations before = count.read();
    take();
    const Allocations after = count.read();
    EXPECT_GE(after.bytes, before.bytes + bytes) << way;
    EXPECT_GT(after.ours, before.ours) << way;
    EXPECT_EQ(after.kept_bytes, before.kept_bytes) << way;
  };
  const auto freed = [](void* taken) { use(taken), std::free(taken); };
  grows("calloc", 10000, [&] { freed(std::calloc(10, 1000)); });
  grows("realloc", 30000, [&] { freed(std::realloc(std::malloc(10), 30000)); });
  grows("aligned_alloc", 6400, [&] { freed(std::aligned_alloc(64, 6400)); });
  grows("new", 500, [&] {
    void* taken = operator new(500);
    use(taken);
    operator delete(taken);
  });
  grows("new, aligned", 512, [&] {
    struct alignas(128) Wide {
      char bytes[512];
    };
    use(std::make_unique<Wide>().get());
  });
  grows("mmap", 1 << 20, [] {
    void* const mapped =
        mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(mapped, 1 << 20);
  });
  const Allocations before = count.read();
  std::thread([&] { freed(std::malloc(123456)); }).join();
  EXPECT_GE(count.read().bytes, before.bytes + 123456);
}

/// A node of a graph; one per distinct kernel.
struct Distinct {
  const Node* node;
  std::string text;
};

std::vector<Distinct> distinct_nodes(const Graph& graph) {
  std::map<std::string, const Node*> found;
  for (const Node& node : graph.nodes()) {
    if (std::holds_alternative<Reshape>(node.op) || std::holds_alternative<Embedding>(node.op))
      continue;
    std::string text = std::string(name_of(node.op));
    for (ValueId id : node.src) text += " " + to_string(graph.type(id));
    found.emplace(text, &node);
  }
  std::vector<Distinct> nodes;
  for (const auto& [text, node] : found) nodes.push_back({node, text});
  return nodes;
}

/// SDXL's denoiser with the published widths, for a small picture.
Graph sdxl_step(DType dtype) {
  UNetConfig unet_of;
  unet_of.channels = {320, 640, 1280};
  unet_of.layers = {2, 2, 2};
  unet_of.down_attention = {false, true, true};
  unet_of.up_attention = {true, true, false};
  unet_of.transformer_layers = {1, 2, 10};
  unet_of.heads = {5, 10, 20};
  unet_of.cross_channels = {2048, 2048, 2048};
  unet_of.linear_projection = true;
  UNetConfig identity_of = unet_of;
  identity_of.conditioning_embedding = {16, 32, 96, 256};
  Graph graph;
  const Scope root(&graph, "");
  const StepInputs inputs{
      root.input("latent", DType::kF32, {2, 16, 24, 4}), root.input("timestep", DType::kF32, {2}),
      root.input("pooled", DType::kF32, {2, 1280}), root.input("time_ids", DType::kF32, {12})};
  const Scope identity(&graph, "identitynet.");
  const Value keypoints = conditioning_embedding(
      identity, identity_of, root.input("picture", DType::kF32, {1, 128, 192, 3}), dtype);
  const Value face = root.input("face", DType::kF32, {2, 16, 2048});
  graph.add_output(
      "noise",
      unet(Scope(&graph, "unet."), unet_of, inputs, root.input("text", DType::kF32, {2, 77, 2048}),
           face, {ControlInputs{identity, &identity_of, keypoints, face, 0.8F}},
           AdapterInputs{Scope(&graph, "ip_adapter."), {{0, 16, 0.8F}}}, dtype)
          .noise.id);
  return graph;
}

Graph sdxl_decoder(DType dtype) {
  VaeConfig config;
  config.channels = {128, 256, 512, 512};
  Graph graph;
  const Scope root(&graph, "");
  graph.add_output(
      "picture",
      vae_decoder(root, config, root.input("latent", DType::kF32, {1, 16, 24, 4}), dtype).id);
  return graph;
}

/// Allocations of a kernel's second run; what it keeps was allocated in the first.
Allocations taken_by(const Graph& graph, const Node& node, std::string_view& name) {
  const NodeView view(graph, node);
  std::vector<NodeRun::Source> sources;
  for (int i = 0; i < view.src_count(); ++i)
    sources.push_back({view.src(i), view.src_is_weight(i)});
  NodeRun run(cpu_backend(), node.op, sources);
  name = run.entry().name;
  run.run();
  const AllocationCount count;
  run.run();
  return count.read();
}

class KernelAllocations : public ::testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    if (testing::kSanitized) GTEST_SKIP() << "a sanitizer has its own hooks";
    if (GetParam() == DType::kBF16 && !has_native_bf16())
      GTEST_SKIP() << "this processor has no bf16 instructions";
  }
};

TEST_P(KernelAllocations, AreOnlyOneDnnsAndAreBooked) {
  for (const Graph& graph : {sdxl_step(GetParam()), sdxl_decoder(GetParam())}) {
    for (const Distinct& distinct : distinct_nodes(graph)) {
      std::string_view kernel;
      const Allocations taken = taken_by(graph, *distinct.node, kernel);
      EXPECT_EQ(taken.ours, 0) << kernel << " " << distinct.text << " " << taken.first_of_ours;
      EXPECT_EQ(taken.kept_bytes, 0) << kernel << " " << distinct.text;
      EXPECT_LE(taken.peak_bytes, onednn::kHiddenBytes) << kernel << " " << distinct.text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, KernelAllocations, ::testing::Values(DType::kF32, DType::kBF16),
                         [](const auto& info) { return std::string(name_of(info.param)); });

/// Noise, which no codec can compress.
Image noise(Size size) {
  Image image(size);
  std::mt19937 engine(1);
  for (std::uint8_t& value : image.pixels()) value = static_cast<std::uint8_t>(engine());
  return image;
}

TEST(CodecAllocations, EncodingStaysWithinWhatIsBooked) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer has its own hooks";
  for (const Size size : {Size{1, 1}, Size{300, 2000}, Size{1024, 1024}}) {
    const Image image = noise(size);
    for (const ImageFormat format : {ImageFormat::kJpeg, ImageFormat::kPng, ImageFormat::kWebp}) {
      const AllocationCount count;
      encode(image, format);
      const Allocations taken = count.read();
      const auto booked = static_cast<std::int64_t>(encoding_bytes(format, size));
      EXPECT_LE(taken.peak_bytes, booked) << name_of(format) << " " << size.w << "x" << size.h;
      if (size.w == 1024) {
        EXPECT_GE(taken.peak_bytes, booked / 2) << name_of(format);
      }
    }
  }
}

// A request's settings may be 800 KiB; parsed into a JSON tree they would take sixteen times that.
TEST(SettingsAllocations, InvalidSettingsTakeLittleMemory) {
  const auto repeated = [](const std::string& piece) {
    std::string text;
    while (text.size() < 700'000) text += piece;
    return text;
  };
  const std::string texts[] = {R"({"prompt": [)" + repeated("[],") + "0]}",
                               R"({"prompt": {)" + repeated(R"("a":{},)") + R"("b":0}})",
                               R"({"prompt": 0)" + repeated(R"(,"steps":1)") + "}",
                               "[" + repeated("1,") + "1]", repeated(R"({"prompt":)")};
  for (const std::string& text : texts) {
    const AllocationCount count;
    EXPECT_THROW(service::parse_settings(text), service::HttpError) << text.substr(0, 20);
    if (!testing::kSanitized) {
      // The reader may copy the text into a block that grows by doubling.
      EXPECT_LT(count.read().peak_bytes, std::ssize(text) * 3) << text.substr(0, 20);
    }
  }
}

TEST(CodecAllocations, DecodingStaysWithinWhatIsBooked) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer has its own hooks";
  int pictures = 0;
  const auto check = [&](const std::filesystem::path& path) {
    std::uint64_t booked = 0;
    try {
      booked = probe(path).decoding_bytes;
    } catch (const Error&) {
      return;  // the folder also contains damaged files
    }
    const AllocationCount count;
    try {
      decode(path);
    } catch (const Error&) {
    }
    EXPECT_LE(count.read().peak_bytes, static_cast<std::int64_t>(booked)) << path;
    ++pictures;
  };
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(testing::golden_path("image"))) {
    const auto extension = entry.path().extension();
    if (extension == ".jpg" || extension == ".png" || extension == ".webp") check(entry.path());
  }
  EXPECT_GT(pictures, 50);
  const std::filesystem::path folder = ::testing::TempDir();
  for (const char* name : {"booked.jpg", "booked.png", "booked.webp"}) {
    write_image(noise({2000, 1500}), folder / name);
    check(folder / name);
    std::filesystem::remove(folder / name);
  }
}

/// A step of the small checkpoint with streamed or resident weights.
class StepAllocations : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(StepAllocations, AreOnlyOneDnns) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer has its own hooks";
  const std::filesystem::path checkpoint =
      testing::golden_path("pipeline/fp16_published/checkpoint");
  const OpenedModels models =
      open_models({checkpoint / "base", checkpoint / "identitynet", checkpoint / "ip-adapter.bin"});
  Request request;
  request.width = request.height = 128;
  request.identity_strength = 0;
  const ValueTypes types = value_types(models, request);
  Values values;
  for (const NamedType& type : {types.text, types.pooled, types.time_ids, types.face})
    values.make(type);
  Workspace::Options options;
  options.places_bytes = GetParam();
  const std::vector<Stage> stages = stages_of(models, request, DType::kF32, {});
  Denoiser denoiser(*find_stage(stages, StageId::kDenoiserAlone), Workspace(cpu_backend(), options),
                    values, {});
  const auto elements = [](const NamedType& value) {
    return static_cast<std::size_t>(value.type.shape.elements());
  };
  const std::vector<float> latent(elements(types.latent), 0.5F);
  std::vector<float> noise(elements(types.noise));
  denoiser.run(latent, 1.0F, noise, {});  // OpenMP starts its threads
  const AllocationCount count;
  denoiser.run(latent, 1.0F, noise, {});
  const Allocations taken = count.read();
  EXPECT_GT(taken.blocks, 0) << "the count misses oneDNN's allocations";
  EXPECT_EQ(taken.ours, 0) << taken.first_of_ours;
  EXPECT_EQ(taken.kept_bytes, 0);
  EXPECT_LE(taken.peak_bytes, onednn::kHiddenBytes);
}

INSTANTIATE_TEST_SUITE_P(Weights, StepAllocations,
                         ::testing::Values(6'000'000, 30'000'000, ~std::uint64_t{0}));

}  // namespace
}  // namespace semblance
