// Compares noise with torch, numpy, torchsde and randomgen, and guidance with diffusers.
#include <algorithm>
#include <array>
#include <cmath>

#include "core/hash.h"
#include "sampling/brownian_tree.h"
#include "sampling/cuda_noise.h"
#include "sampling/guidance.h"
#include "sampling/noise_source.h"
#include "sampling/sampling_test.h"

namespace semblance {
namespace {

using testing::error_of;
using testing::expect_close;
using testing::floats;
using testing::golden_path;
using testing::sdxl;

std::string hash_of(std::span<const float> values) {
  Fnv1a hash;
  hash.add(std::as_bytes(values));
  return fmt::format("{:016x}", hash.value());
}

TEST(NoiseGolden, EqualsTorchToTheBit) {
  const auto rows = Json::load(golden_path("sampling/noise.json")).items();
  ASSERT_GT(rows.size(), 300U);
  for (const Json& row : rows) {
    NoiseGenerator generator(std::stoull(row.get_string("seed")));
    const auto calls = row.get_int_list("calls");
    const auto hashes = row.get_string_list("hash");
    for (std::size_t i = 0; i < calls.size(); ++i) {
      std::vector<float> values(static_cast<std::size_t>(calls[i]));
      generator.randn(values);
      if (row.has("values")) {
        const auto want = row.child("values").items()[i].value().get<std::vector<float>>();
        ASSERT_EQ(values, want) << "seed " << row.get_string("seed");
      }
      ASSERT_EQ(hash_of(values), hashes[i])
          << "seed " << row.get_string("seed") << ", call " << i << " of " << calls[i];
    }
  }
}

TEST(Noise, OnlyTheLowHalfOfASeedCounts) {
  std::vector<float> a(20);
  std::vector<float> b(20);
  NoiseGenerator(7).randn(a);
  NoiseGenerator((std::uint64_t{1} << 40) + 7).randn(b);
  EXPECT_EQ(a, b);
}

TEST(Noise, PartsOfADrawEqualTheWhole) {
  for (const std::size_t total : {3U, 15U, 16U, 20U, 60U, 100U}) {
    NoiseGenerator whole_generator(5);
    CudaNoise whole_cuda(5, 256);
    std::vector<float> whole(total), cuda(total);
    whole_generator.randn(whole);
    whole_cuda.randn(cuda, 0, total);
    for (std::size_t begin = 0; begin < total; begin += 3) {
      NoiseGenerator generator(5);
      CudaNoise gpu(5, 256);
      std::vector<float> part(std::min<std::size_t>(total - begin, 17)), gpu_part(part.size());
      generator.randn(part, begin, total);
      gpu.randn(gpu_part, begin, total);
      const auto first = static_cast<std::ptrdiff_t>(begin);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + first)) << begin;
      EXPECT_TRUE(std::equal(gpu_part.begin(), gpu_part.end(), cuda.begin() + first)) << begin;
      std::vector<float> next(20), want(20);  // the generator has consumed the whole draw
      generator.randn(next);
      NoiseGenerator copy = whole_generator;
      copy.randn(want);
      EXPECT_EQ(next, want);
    }
  }
}

Json sources(const char* part) {
  return Json::load(golden_path("sampling/noise_sources.json")).child(part);
}

TEST(NoiseGolden, PhiloxEqualsRandomgen) {
  for (const Json& row : sources("philox").items()) {
    std::array<std::uint32_t, 4> counter{};
    const auto words = row.get_int_list("counter");
    for (std::size_t i = 0; i < 4; ++i) counter[i] = static_cast<std::uint32_t>(words[i]);
    const auto got = philox(std::stoull(row.get_string("key")), counter);
    const std::vector<std::int64_t> values(got.begin(), got.end());
    EXPECT_EQ(values, row.get_int_list("words"));
  }
}

TEST(NoiseGolden, CudaLaysNumbersOutAsTorch) {
  for (const Json& row : sources("cuda").items()) {
    CudaNoise generator(std::stoull(row.get_string("seed")),
                        static_cast<std::uint64_t>(row.get_int("threads")));
    for (const Json& draw : row.child("draws").items()) {
      std::vector<float> values(static_cast<std::size_t>(draw.get_int("size")));
      generator.randn(values, 0, values.size());
      std::vector<float> got;
      for (const std::int64_t i : draw.get_int_list("at"))
        got.push_back(values[static_cast<std::size_t>(i)]);
      expect_close(got, floats(draw, "values"), {1e-6, 1e-6});
    }
  }
}

/// Values that torch.randn prints on GPUs.
TEST(CudaNoise, MatchesGpus) {
  const auto first = [](CudaNoise& generator, std::size_t size) {
    std::vector<float> values(size);
    generator.randn(values, 0, size);
    values.resize(4);
    return values;
  };
  CudaNoise zero(0);
  expect_close(first(zero, 4), std::vector{-.924662F, -.425344F, -2.643846F, .145184F}, {1e-6, 0});
  expect_close(first(zero, 4), std::vector{.180826F, -.552266F, .923813F, -.734971F}, {5e-6, 0});
  CudaNoise other(42);
  expect_close(first(other, 65536), std::vector{.194019F, 2.161374F, -.172051F, .849060F},
               {1e-6, 0});
  // A latent of 1024 x 1024 has more numbers than a T4 has threads.
  const GpuRow* t4 = find_gpu("NVIDIA Tesla T4");
  ASSERT_NE(t4, nullptr);
  EXPECT_EQ(t4->threads(), 40960U);
  std::vector<float> number(1);
  CudaNoise(0, t4->threads()).randn(number, 40960, 65536);
  EXPECT_NEAR(number[0], .991138F, 1e-6);
  std::vector<float> without(1);
  CudaNoise(0).randn(without, 40960, 65536);
  EXPECT_NE(number, without);
  EXPECT_EQ(find_gpu("geforce rtx-3090")->threads(), 82U * 1536);
  EXPECT_EQ(find_gpu("Voodoo 2"), nullptr);
  EXPECT_TRUE(gpu_names().starts_with("T4, P100, ")) << gpu_names();
}

TEST(NoiseGolden, SeedsEqualNumpys) {
  for (const Json& row : sources("seeds").items()) {
    std::vector<std::uint64_t> spawn;
    for (const std::string& key : row.get_string_list("spawn")) spawn.push_back(std::stoull(key));
    EXPECT_EQ(seed_sequence(std::stoull(row.get_string("seed")), spawn), row.get_int("state"));
  }
}

TEST(NoiseGolden, TreesEqualTorchsdes) {
  for (const Json& row : sources("tree").items()) {
    BrownianTree tree(
        std::stoull(row.get_string("seed")), static_cast<float>(row.get_float("least")),
        static_cast<float>(row.get_float("largest")),
        [](std::uint64_t seed, std::span<float> dst) { NoiseGenerator(seed).randn(dst); });
    const std::vector<float> span = floats(row, "span");
    std::vector<float> values(20), scratch(60);
    tree.between({span[0], span[1]}, values, scratch);
    expect_close(values, floats(row, "values"), {1e-6, 1e-6});
  }
}

TEST(NoiseSourceGolden, EqualsThatOfFrontEnds) {
  const SamplerRow& row_of = *find_sampler("euler_a");
  const auto sampler = make_sampler(row_of, sdxl(), 5);
  for (const Json& row : sources("front_ends").items()) {
    const bool is_comfy = row.get_string("style") == "comfyui";
    const auto source =
        make_noise_source(row_of, *sampler,
                          {.style = is_comfy ? NoiseStyle::kComfyUi : NoiseStyle::kWebUi,
                           .seed = std::stoull(row.get_string("seed")),
                           .picture = static_cast<int>(row.get_int("picture")),
                           .pictures = static_cast<int>(row.get_int("pictures")),
                           .step_seed_delta = static_cast<std::uint64_t>(row.get_int("delta"))});
    std::vector<float> noise(60);
    int draw = 0;
    for (const Json& want : row.child("draws").items()) {
      if (draw++ == 0) {
        source->latent(noise);
      } else {
        source->step({2, 1}, noise, {});
      }
      EXPECT_EQ(noise, want.value().get<std::vector<float>>()) << row.get_string("style");
    }
  }
}

std::vector<float> first_of(const SamplerRow& row, const NoiseOptions& options, bool of_steps) {
  const auto sampler = make_sampler(row, sdxl(), 5);
  const auto source = make_noise_source(row, *sampler, options);
  std::vector<float> noise(32), scratch(96);
  source->latent(noise);
  if (of_steps) source->step(*sampler->noise(0), noise, scratch);
  return noise;
}

TEST(NoiseSource, DrawsOnTheGpuLikeEachProgram) {
  const SamplerRow& row = *find_sampler("euler_a");
  std::vector<float> cuda(32), next(32), cpu(32);
  CudaNoise gpu(7);
  gpu.randn(cuda, 0, 32);
  gpu.randn(next, 0, 32);
  NoiseGenerator(7).randn(cpu);
  using enum NoiseStyle;
  for (const NoiseStyle style : {kDiffusers, kWebUi}) {
    EXPECT_EQ(first_of(row, {.style = style, .seed = 7, .is_cuda = true}, false), cuda);
    EXPECT_EQ(first_of(row, {.style = style, .seed = 7, .is_cuda = true}, true), next);
  }
  // ComfyUI draws latents on the CPU and seeds the steps again.
  EXPECT_EQ(first_of(row, {.style = kComfyUi, .seed = 7, .is_cuda = true}, false), cpu);
  EXPECT_EQ(first_of(row, {.style = kComfyUi, .seed = 7, .is_cuda = true}, true), cuda);
}

TEST(NoiseSource, UsesTreesLikeEachProgram) {
  using enum NoiseStyle;
  for (const char* name : {"dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde"}) {
    const SamplerRow& row = *find_sampler(name);
    const auto sampler = make_sampler(row, sdxl(), 5);
    BrownianTree tree(
        9, sampler->sigma(sampler->evaluations() - 1), sampler->sigma(0),
        [](std::uint64_t seed, std::span<float> dst) { NoiseGenerator(seed).randn(dst); });
    std::vector<float> want(32), scratch(96);
    tree.between(*sampler->noise(0), want, scratch);
    EXPECT_EQ(first_of(row, {.style = kWebUi, .seed = 7, .picture = 2, .pictures = 3}, true), want);
    EXPECT_EQ(first_of(row, {.style = kComfyUi, .seed = 9}, true), want);
    EXPECT_EQ(first_of(row, {.style = kDiffusers, .seed = 9}, true) == want,
              row.name == "dpmpp_sde");
  }
  // A single step has one noise level and therefore no tree.
  const SamplerRow& row = *find_sampler("dpmpp_2m_sde");
  const auto sampler = make_sampler(row, sdxl(), 1);
  std::vector<float> noise(32);
  make_noise_source(row, *sampler, {.style = kWebUi})->step(*sampler->noise(0), noise, {});
}

TEST(NoiseSource, RejectsImpossibleOptions) {
  const SamplerRow& row = default_sampler();
  const auto sampler = make_sampler(row, sdxl(), 5);
  const auto refusal = [&](const NoiseOptions& options) {
    return error_of([&] { make_noise_source(row, *sampler, options); });
  };
  EXPECT_EQ(refusal({.picture = 2, .pictures = 2}),
            "argument: cannot draw noise: expected a picture of the batch, 0 to 1, got 2");
  EXPECT_EQ(
      refusal({.step_seed_delta = 31337}),
      "argument: cannot draw noise: only AUTOMATIC1111's noise has a seed delta for steps, got "
      "31337");
}

TEST(NoiseSourceGolden, MixesAsTheWebUi) {
  for (const Json& row : sources("mix").items()) {
    std::vector<float> noise = floats(row, "low");
    mix_noise(noise, floats(row, "high"), 3, 5, static_cast<float>(row.get_float("strength")));
    expect_close(noise, floats(row, "mixed"), {1e-6, 2e-6});
  }
}

TEST(GuidanceGolden, RescalesAsDiffusers) {
  for (const Json& row : sources("rescale").items()) {
    std::vector<float> guided = floats(row, "guided");
    rescale_guided(floats(row, "cond"), static_cast<float>(row.get_float("share")), guided);
    expect_close(guided, floats(row, "rescaled"), {1e-6, 2e-7});
  }
}

TEST(Guidance, LeavesConstantsUnchanged) {
  std::vector<float> flat(9, 0.5F);
  rescale_guided(std::vector<float>(9, 1.0F), 0.7F, flat);
  EXPECT_EQ(flat, std::vector<float>(9, 0.5F));
  std::vector<float> one{2};
  rescale_guided(std::vector<float>{1}, 0.7F, one);
  EXPECT_EQ(one, std::vector<float>{2});
}

TEST(Guidance, ExtrapolatesFromUncondThroughCond) {
  const std::vector<float> uncond{0, 1, -2};
  std::vector<float> cond{1, 1, 2};
  guide(uncond, cond, 2.5F, cond);
  EXPECT_EQ(cond, (std::vector<float>{2.5F, 1, 8}));
}

}  // namespace
}  // namespace semblance
