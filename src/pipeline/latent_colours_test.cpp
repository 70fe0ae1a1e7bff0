#include "pipeline/latent_colours.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "image/psnr.h"
#include "pipeline/models_test.h"
#include "pipeline/pipeline.h"
#include "sampling/noise.h"

namespace semblance {
namespace {

constexpr int kChannels = 4;

/// A decoder whose colours are weighted sums of the latent pixel's channels, `fold` times as large.
class LinearDecoder {
 public:
  explicit LinearDecoder(int fold) : fold_(fold) {}

  double colour(std::span<const float> latent, std::size_t place, std::size_t k) const {
    const std::size_t places = latent.size() / kChannels;
    double sum = 128 + 5.0 * static_cast<double>(k);
    for (std::size_t c = 0; c < kChannels; ++c)
      sum += kWeights[c][k] * static_cast<double>(latent[c * places + place]);
    return sum;
  }
  Image operator()(std::span<const float> latent, Size size) const {
    Image image({size.w * fold_, size.h * fold_});
    for (int y = 0; y < image.height(); ++y) {
      for (int x = 0; x < image.width(); ++x) {
        const auto place = static_cast<std::size_t>(y / fold_ * size.w + x / fold_);
        for (std::size_t k = 0; k < 3; ++k) {
          const double value = colour(latent, place, k);
          image.pixels()[3 * static_cast<std::size_t>(y * image.width() + x) + k] =
              static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
        }
      }
    }
    return image;
  }

 private:
  static constexpr double kWeights[kChannels][3] = {
      {14, 5, -3}, {-6, 12, 8}, {2, -7, 15}, {4, 3, -9}};
  int fold_;
};

LatentColours colours_of(const LinearDecoder& decoder, int fold) {
  return {kChannels, fold, [&](std::span<const float> latent) {
            return decoder(latent, {LatentColours::kProbeSide, LatentColours::kProbeSide});
          }};
}

TEST(LatentColours, FitALinearDecoderExactly) {
  for (const int fold : {1, 2, 8}) {
    const LinearDecoder decoder(fold);
    const LatentColours colours = colours_of(decoder, fold);
    constexpr Size kSize{9, 5};
    std::vector<float> latent(kChannels * 45);
    NoiseGenerator(3).randn(latent);
    const Image preview = colours.picture(latent, kSize);
    EXPECT_EQ(preview.size(), kSize);
    const Image exact = LinearDecoder(1)(latent, kSize);
    for (std::size_t i = 0; i < exact.pixels().size(); ++i)
      EXPECT_NEAR(preview.pixels()[i], exact.pixels()[i], 1) << "fold " << fold << " at " << i;
  }
}

TEST(LatentColours, AreValidForAnyLatent) {
  const LatentColours colours = colours_of(LinearDecoder(2), 2);
  const Image image = colours.picture(std::vector<float>{1e6F, 1e6F, 1e6F, 1e6F}, {1, 1});
  EXPECT_EQ(image.pixels()[0], 255);
  const Image dark = colours.picture(std::vector<float>{-1e6F, 0, 0, 0}, {1, 1});
  EXPECT_EQ(dark.pixels()[0], 0);
}

/// The mean of each latent pixel's block.
Image shrunk(const Image& image, int fold) {
  Image small({image.width() / fold, image.height() / fold});
  for (int y = 0; y < small.height(); ++y) {
    for (int x = 0; x < small.width(); ++x) {
      for (std::size_t k = 0; k < 3; ++k) {
        int sum = 0;
        for (int i = 0; i < fold * fold; ++i) {
          const int at = (y * fold + i / fold) * image.width() + x * fold + i % fold;
          sum += image.pixels()[3 * static_cast<std::size_t>(at) + k];
        }
        small.pixels()[3 * static_cast<std::size_t>(y * small.width() + x) + k] =
            static_cast<std::uint8_t>(sum / (fold * fold));
      }
    }
  }
  return small;
}

/// With the demo model's real decoder: the preview of an unseen latent is much closer to the
/// picture than grey.
TEST(LatentColours, ApproximateARealDecoder) {
  const auto demo = std::filesystem::path(SEMBLANCE_SOURCE_DIR) / "models/demo";
  Pipeline pipeline({demo / "base", demo / "ControlNetModel", demo / "ip-adapter.bin"},
                    {.precision = Precision::kF32});
  constexpr int kFold = 8;
  constexpr int kSide = kFold * LatentColours::kProbeSide;
  std::vector<float> probe;
  Image exact({1, 1});
  const LatentColours colours(kChannels, kFold, [&](std::span<const float> latent) {
    probe.assign(latent.begin(), latent.end());
    Image decoded = pipeline.decode(latent, {kSide, kSide});
    exact = shrunk(decoded, kFold);
    return decoded;
  });
  constexpr Size kPlaces{LatentColours::kProbeSide, LatentColours::kProbeSide};
  const Image preview = colours.picture(probe, kPlaces);
  Image grey(kPlaces);
  for (auto& value : grey.pixels()) value = 128;
  const double near = psnr(preview.pixels(), exact.pixels());
  EXPECT_GT(near, 20);
  EXPECT_GT(near, psnr(grey.pixels(), exact.pixels()) + 6);
}

}  // namespace
}  // namespace semblance
