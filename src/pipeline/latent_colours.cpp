#include "pipeline/latent_colours.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "core/error.h"

namespace semblance {
namespace {

/// Smooth waves of variance 1 in every channel: real latents at the end of a run are smooth, not
/// noise.
std::vector<float> probe(int channels, int side) {
  std::mt19937 random(11);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<float> latent;
  for (int c = 0; c < channels; ++c) {
    std::vector<double> values(static_cast<std::size_t>(side * side));
    constexpr int kWaves = 6;
    for (int wave = 0; wave < kWaves; ++wave) {
      const double x = uniform(random) * 2.5, y = uniform(random) * 2.5;
      const double phase = uniform(random) * 3.14159;
      for (int i = 0; i < side * side; ++i) {
        const int column = i % side, row = i / side;
        const double angle = 2 * 3.14159 * (x * column + y * row) / side + phase;
        values[static_cast<std::size_t>(i)] += std::sqrt(2.0 / kWaves) * std::cos(angle);
      }
    }
    latent.insert(latent.end(), values.begin(), values.end());
  }
  return latent;
}

/// Solves a x = b in place for three right-hand sides, with a symmetric positive definite a; x
/// replaces b.
void solve(std::vector<std::vector<double>>& a, std::vector<std::array<double, 3>>& b) {
  const std::size_t n = a.size();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t row = 0; row < n; ++row) {
      if (row == i) continue;
      const double factor = a[row][i] / a[i][i];
      for (std::size_t k = i; k < n; ++k) a[row][k] -= factor * a[i][k];
      for (std::size_t k = 0; k < 3; ++k) b[row][k] -= factor * b[i][k];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (double& value : b[i]) value /= a[i][i];
  }
}

}  // namespace

LatentColours::LatentColours(int channels, int fold,
                             const std::function<Image(std::span<const float>)>& decode)
    : channels_(channels) {
  const std::vector<float> latent = probe(channels, kProbeSide);
  const Image image = decode(latent);
  SEMBLANCE_ASSERT(image.width() == kProbeSide * fold && image.height() == kProbeSide * fold);
  const auto n = static_cast<std::size_t>(channels) + 1;
  constexpr std::size_t kPlaces = std::size_t{kProbeSide} * kProbeSide;
  std::vector<std::vector<double>> a(n, std::vector<double>(n));
  weights_.assign(n, {});
  for (std::size_t place = 0; place < kPlaces; ++place) {
    std::array<double, 3> colour{};  // mean colour of the latent pixel in the picture
    const auto x = static_cast<int>(place % kProbeSide), y = static_cast<int>(place / kProbeSide);
    for (int dy = 0; dy < fold; ++dy) {
      for (int dx = 0; dx < fold; ++dx) {
        const std::size_t at =
            3 * (static_cast<std::size_t>(y * fold + dy) * static_cast<std::size_t>(image.width()) +
                 static_cast<std::size_t>(x * fold + dx));
        for (std::size_t k = 0; k < 3; ++k) colour[k] += image.pixels()[at + k];
      }
    }
    std::vector<double> row(n, 1);
    for (std::size_t c = 0; c + 1 < n; ++c) row[c] = latent[c * kPlaces + place];
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) a[i][j] += row[i] * row[j];
      for (std::size_t k = 0; k < 3; ++k) weights_[i][k] += row[i] * colour[k] / (fold * fold);
    }
  }
  for (std::size_t i = 0; i < n; ++i) a[i][i] += 1e-3;
  solve(a, weights_);
}

Image LatentColours::picture(std::span<const float> latent, Size size) const {
  const auto places = static_cast<std::size_t>(size.w) * static_cast<std::size_t>(size.h);
  const auto channels = static_cast<std::size_t>(channels_);
  SEMBLANCE_ASSERT(latent.size() == channels * places);
  Image image(size);
  for (std::size_t place = 0; place < places; ++place) {
    std::array<double, 3> colour = weights_.back();
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t k = 0; k < 3; ++k) colour[k] += latent[c * places + place] * weights_[c][k];
    }
    for (std::size_t k = 0; k < 3; ++k) {
      image.pixels()[3 * place + k] =
          static_cast<std::uint8_t>(std::lround(std::clamp(colour[k], 0.0, 255.0)));
    }
  }
  return image;
}

}  // namespace semblance
