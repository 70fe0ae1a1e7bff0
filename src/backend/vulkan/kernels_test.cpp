// What the vulkan backend's kernels accept, decline and pack. No card is needed for that.
#include <gtest/gtest.h>

#include "backend/backends.h"
#include "backend/vulkan/launch.h"
#include "backend/vulkan/shaders.h"
#include "backend/vulkan/vulkan.h"
#include "core/convert.h"
#include "tests/support/errors.h"
#include "tests/support/op_case.h"

namespace semblance {
namespace {

VulkanFacts usual_facts() {
  VulkanFacts facts;
  facts.name = "a card";
  facts.largest_binding_bytes = std::uint64_t{1} << 30;
  facts.most_groups = {65535, 65535, 65535};
  facts.most_group_size = 1024;
  facts.shared_bytes = 32768;
  facts.has_16_bit_storage = true;
  return facts;
}

constexpr const char* kNone = "no error";

/// The kernel for a case, or the whole refusal.
struct Choice {
  VulkanDevice device;
  std::unique_ptr<const Backend> backend = vulkan_backend(device);
  Graph graph;
  std::unique_ptr<Kernel> kernel = {};
  std::string refusal = {};

  explicit Choice(const std::string& line, const VulkanFacts& facts = usual_facts())
      : device(facts), graph(testing::graph_of_case(line)) {
    refusal = testing::error_of(
        [&] { kernel = choose_kernel(*backend, NodeView(graph, graph.nodes()[0])).kernel; });
  }
};

std::string refusal_of(const std::string& line, const VulkanFacts& facts = usual_facts()) {
  return Choice(line, facts).refusal;
}

TEST(VulkanKernels, NameWhatTheyDecline) {
  EXPECT_EQ(refusal_of("unary bf16[8]"),
            "device: backend vulkan has no kernel for unary(bf16[8])\n"
            "  vulkan_unary: source 0 is bf16, not f32 or f16");
  EXPECT_EQ(refusal_of("pool f32[1,4,4,3] kernel=[2,2]"),
            "device: backend vulkan has no kernel for pool(f32[1,4,4,3])\n"
            "  its table has none");
  const std::pair<const char*, const char*> cases[] = {
      {"conv2d f32[1,4,4,8] w:f32[8,4,1,1] groups=2 has_bias=false", "2 groups; this kernel"},
      {"linear f16[2,4] w:f32[3,4] has_bias=false", "x is f16 and the weight f32"},
      {"linear f32[2,4] w:f32[3,4] w:f16[3]", "the bias is not f32"},
      {"linear f32[0,4] w:f32[3,4] w:f32[3]", "x or the weight is empty"},
      {"layer_norm f32[2,4] w:f16[4] w:f32[4]", "weight and bias are not f32"},
      {"attention f32[1,4,8] f16[1,4,8] f16[1,4,8]", "different types"},
      {"attention f32[1,4,8] f32[1,4,8] f32[1,4,1024]", "heads of 1024 channels; at most 512"},
      {"convert f32[4] dtype=bf16", "the result is bf16"},
      {"transpose u8[2,3] perm=[1,0]", "u8 elements that lie apart cannot be moved"},
      {"unary f32[300000000]", "f32[300000000] has 1200000000 bytes, the card binds at most"},
  };
  for (const auto& [line, reason] : cases)
    EXPECT_NE(refusal_of(line).find(reason), std::string::npos) << line << "\n" << refusal_of(line);
}

TEST(VulkanKernels, DeclineWhatTheCardLacks) {
  VulkanFacts facts = usual_facts();
  facts.has_16_bit_storage = false;
  EXPECT_NE(refusal_of("unary f16[8]", facts).find("the card has no 16-bit storage"),
            std::string::npos);
  EXPECT_NE(refusal_of("convert f32[8] dtype=f16", facts).find("no 16-bit storage"),
            std::string::npos);
  EXPECT_NE(refusal_of("slice f16[4,3] axis=1 end=1", facts).find("no 16-bit storage"),
            std::string::npos);
  EXPECT_EQ(refusal_of("concat f16[3,4] f16[3,4]", facts), kNone);  // in words of 8 bytes
  EXPECT_EQ(refusal_of("unary f32[8]", facts), kNone);
  facts.shared_bytes = 4096;
  EXPECT_NE(refusal_of("linear f32[64,8] w:f32[64,8] w:f32[64]", facts).find("shared memory"),
            std::string::npos);
  EXPECT_NE(refusal_of("attention f32[1,4,8] f32[1,4,8] f32[1,4,8]", facts).find("shared memory"),
            std::string::npos);
  facts.most_group_size = 64;
  EXPECT_NE(refusal_of("attention f32[1,4,8] f32[1,4,8] f32[1,4,8]", facts)
                .find("needs 128 invocations, the card allows 64"),
            std::string::npos);
}

TEST(VulkanKernels, UseNoMoreThan32KiBOfSharedMemory) {
  for (const char* line : {"linear f32[4096,320] w:f32[2560,320] w:f32[2560]",
                           "linear f32[100,64] w:f32[64,64] w:f32[64]",
                           "conv2d f32[1,64,64,320] w:f32[640,320,3,3] w:f32[640] pad=[1,1,1,1]",
                           "attention f32[1,64,640] f32[1,64,640] f32[1,64,640] heads=10",
                           "attention f32[1,64,128] f32[1,64,128] f32[1,64,128]",
                           "attention f32[1,64,512] f32[1,64,512] f32[1,64,512]",
                           "attention f32[1,64,160] f32[1,64,160] f32[1,64,160]"}) {
    EXPECT_EQ(refusal_of(line), kNone);  // usual_facts() has no more
  }
}

TEST(VulkanKernels, ComputeModelsInF16WhereTheCardStoresIt) {
  VulkanFacts facts = usual_facts();
  EXPECT_EQ(Choice("unary f32[1]", facts).backend->half(), DType::kF16);
  facts.has_16_bit_storage = false;
  EXPECT_EQ(Choice("unary f32[1]", facts).backend->half(), std::nullopt);
}

TEST(VulkanKernels, PackConvolutionsWithChannelsLast) {
  for (const char* type : {"f32", "f16"}) {
    const Choice choice(fmt::format("conv2d {}[1,4,4,2] w:{}[3,2,1,2] has_bias=false", type, type));
    ASSERT_EQ(choice.refusal, kNone);
    const DType dtype = *dtype_from_name(type);
    // [output][channel][position]
    const std::vector<float> plain{0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23};
    const std::vector<float> want{0, 2, 1, 3, 10, 12, 11, 13, 20, 22, 21, 23};
    std::vector<std::byte> packed(choice.kernel->packed_bytes(1));
    ASSERT_EQ(packed.size(), plain.size() * size_of(dtype));
    choice.kernel->pack(1, PackRows::of(0, 2, std::span(plain).first(8)), packed);
    choice.kernel->pack(1, PackRows::of(2, 1, std::span(plain).subspan(8)), packed);
    std::vector<float> got(plain.size());
    to_f32(dtype, packed, got);
    EXPECT_EQ(got, want) << type;

    // A file's own f16 rows give the same.
    EXPECT_EQ(choice.kernel->packs_raw(1, DType::kF16), dtype == DType::kF16);
    if (dtype != DType::kF16) continue;
    std::vector<std::byte> raw(plain.size() * sizeof(std::uint16_t));
    from_f32(plain, DType::kF16, raw);
    std::vector<std::byte> packed_raw(packed.size());
    choice.kernel->pack(1, {0, 3, DType::kF16, raw}, packed_raw);
    EXPECT_EQ(packed_raw, packed);
  }
}

TEST(VulkanKernels, PackRowsOfLinearLayersAsTheyLie) {
  const Choice choice("linear f16[2,3] w:f16[4,3] has_bias=false");
  ASSERT_EQ(choice.refusal, kNone);
  EXPECT_TRUE(choice.kernel->packs_raw(1, DType::kF16));
  EXPECT_FALSE(choice.kernel->packs_raw(1, DType::kBF16));
  std::vector<std::byte> raw(2 * 3 * sizeof(std::uint16_t));
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = std::byte(i + 1);
  std::vector<std::byte> packed(choice.kernel->packed_bytes(1));
  choice.kernel->pack(1, {1, 2, DType::kF16, raw}, packed);
  EXPECT_TRUE(std::equal(raw.begin(), raw.end(), packed.begin() + 3 * sizeof(std::uint16_t)));
  EXPECT_EQ(packed[0], std::byte{0});
}

TEST(VulkanKernels, TakeWeightsAsTheyLieWhereTheirLayoutIsTheFiles) {
  const auto is_taken = [](const std::string& line, DType file, int src = 1) {
    const Choice choice(line);
    EXPECT_EQ(choice.refusal, kNone);
    return choice.kernel->packs_as_is(src, file);
  };
  const std::string linear = "linear f16[2,4] w:f16[3,4] w:f32[3]";
  EXPECT_TRUE(is_taken(linear, DType::kF16));
  EXPECT_FALSE(is_taken(linear, DType::kF32));
  EXPECT_FALSE(is_taken(linear, DType::kBF16));
  EXPECT_FALSE(is_taken(linear, DType::kF32, 2)) << "a bias is small";
  EXPECT_TRUE(is_taken("linear f32[2,4] w:f32[3,4] has_bias=false", DType::kF32));
  EXPECT_TRUE(is_taken("conv2d f16[1,4,4,4] w:f16[3,4,1,1] has_bias=false", DType::kF16));
  EXPECT_FALSE(is_taken("conv2d f16[1,4,4,4] w:f16[3,4,2,2] has_bias=false", DType::kF16));
}

TEST(VulkanKernels, HaveEveryShader) {
  for (const Shader& shader : vulkan::shaders()) {
    ASSERT_GT(shader.words.size(), 5U) << shader.name;
    EXPECT_EQ(shader.words[0], 0x07230203U) << shader.name;  // SPIR-V's first word
    EXPECT_EQ(&vulkan::shader(shader.name), &shader);
  }
  testing::expect_error(ErrorKind::kInternal, "no shader is called none",
                        [] { vulkan::shader("none"); });
}

}  // namespace
}  // namespace semblance
