// A face as the models see it.
#pragma once

#include <array>

#include "image/keypoints.h"

namespace semblance {

inline constexpr int kEmbeddingSize = 512;
/// What makes a face that person's, as the recogniser gives it: not normalised.
using FaceEmbedding = std::array<float, kEmbeddingSize>;

/// Left, top, right, bottom, in pixels of the picture; may reach beyond it.
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
