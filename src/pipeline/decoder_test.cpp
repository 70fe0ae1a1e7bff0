// Decoding in tiles, compared with diffusers (tools/oracle/vae_tiling.py).
#include "pipeline/decoder.h"

#include <gtest/gtest.h>

#include "backend/backends.h"
#include "pipeline/layout.h"
#include "pipeline/models_test.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"
#include "weights/safetensors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

class TiledDecode : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const fs::path folder = testing::golden_path("pipeline") / GetParam();
    models_ = open_models(testing::models_in(folder / "checkpoint"));
    goldens_ = read_safetensors(open_file(folder / "vae_tiling.safetensors"));
    const Shape shape = goldens_.find("latent")->shape;
    size_ = {static_cast<int>(8 * shape[3]), static_cast<int>(8 * shape[2])};
  }

  std::vector<float> golden(std::string_view name) const {
    const StoredTensor& tensor = *goldens_.find(name);
    std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
    read_rows(tensor, 0, tensor.rows(), {}, values);
    return values;
  }
  std::vector<float> decode(Size size, const DecodeOptions& options) const {
    const std::size_t count = std::size_t{4} * static_cast<std::size_t>(size.w / 8 * (size.h / 8));
    return decode_latent(models_, cpu_backend(), std::span(latent_).first(count), size, DType::kF32,
                         {}, options);
  }
  static std::vector<float> turned(std::span<const float> picture) {
    std::vector<float> values(picture.size());
    channels_first(picture, 3, values);
    return values;
  }

  OpenedModels models_;
  WeightMap goldens_;
  Size size_;
  std::vector<float> latent_;
};

TEST_P(TiledDecode, AgreesWithDiffusers) {
  latent_ = golden("latent");
  testing::expect_close(turned(decode(size_, {.tiling = true})), golden("tiled"));
}

TEST_P(TiledDecode, IsSelectedByTheRequest) {
  latent_ = golden("latent");
  const std::vector<float> whole = turned(decode(size_, {}));
  std::vector<float> rows;
  const auto w = static_cast<std::size_t>(size_.w);
  for (std::size_t y = 0; y < whole.size() / w; y += 8)
    rows.insert(rows.end(), whole.begin() + static_cast<std::ptrdiff_t>(y * w),
                whole.begin() + static_cast<std::ptrdiff_t>((y + 1) * w));
  testing::expect_close(rows, golden("whole"));
}

TEST_P(TiledDecode, DecodesASmallPictureWhole) {
  latent_ = golden("latent");
  const auto side = static_cast<int>(models_.vae.sample_size);
  const Size small{std::min(size_.w, side), std::min(size_.h, side)};
  EXPECT_EQ(decode(small, {.tiling = true}), decode(small, {}));
}

TEST_P(TiledDecode, RefusesATileOfOddSize) {
  latent_ = golden("latent");
  models_.vae.sample_size = 100;
  testing::expect_error(ErrorKind::kCorrupt, "must be a multiple of 32, it is 100",
                        [&] { decode(size_, {.tiling = true}); });
  models_.vae.sample_size = 0;
  testing::expect_error(ErrorKind::kCorrupt, "must be a multiple of 32, it is a list",
                        [&] { decode(size_, {.tiling = true}); });
  EXPECT_FALSE(decode(size_, {}).empty());
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, TiledDecode,
                         ::testing::Values("fp16_published", "bf16_shards", "fp32_convolutions"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace semblance
