// A face as seen by the models.
#pragma once

#include <array>

#include "image/keypoints.h"

namespace semblance {

inline constexpr int kEmbeddingSize = 512;
/// The recogniser's description of a person's face, not normalised.
using FaceEmbedding = std::array<float, kEmbeddingSize>;

/// Left, top, right, bottom, in pixels of the picture; may extend outside it.
using Box = std::array<float, 4>;

struct Detection {
  Box box{};
  Keypoints keypoints{};
  float score = 0;  // 0 to 1
};

struct Face {
  Detection detection;
  FaceEmbedding embedding{};
};

}  // namespace semblance
