// Previews a latent without the decoder: a linear map from the channels of each latent pixel to a
// colour, fitted once to the decoder's output for a small latent. Takes microseconds; the preview
// is 8 times smaller than the picture.
#pragma once

#include <array>
#include <functional>
#include <span>
#include <vector>

#include "image/image.h"

namespace semblance {

class LatentColours {
 public:
  static constexpr int kProbeSide = 16;  // in latent pixels

  /// `decode` decodes a latent [channels, kProbeSide, kProbeSide] to a picture `fold` times as
  /// large.
  LatentColours(int channels, int fold, const std::function<Image(std::span<const float>)>& decode);

  /// latent [channels,h,w] -> [h,w,3].
  Image picture(std::span<const float> latent, Size size) const;

 private:
  int channels_;
  std::vector<std::array<double, 3>> weights_;  // of each channel, then the bias
};

}  // namespace semblance
