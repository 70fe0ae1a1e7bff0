// Helpers for this room's tests.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "face/face.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"

namespace semblance::testing {

/// Allowed distances to the face of tools/oracle/face.py: score, box and keypoints in pixels,
/// embedding as an angle.
struct FaceTolerance {
  double score = 1e-4;
  double pixels = 0.02;
  double cosine = 0.9999;
};

inline double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    aa += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    bb += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return ab / std::sqrt(aa * bb);
}

inline void expect_detection(const Detection& got, const nlohmann::json& want,
                             FaceTolerance tolerance = {}) {
  const auto number = [](const nlohmann::json& value) { return value.get<double>(); };
  EXPECT_NEAR(static_cast<double>(got.score), number(want["score"]), tolerance.score);
  for (std::size_t i = 0; i < 4; ++i)
    EXPECT_NEAR(static_cast<double>(got.box[i]), number(want["box"][i]), tolerance.pixels);
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t axis = 0; axis < 2; ++axis) {
      EXPECT_NEAR(static_cast<double>(got.keypoints[i][axis]), number(want["keypoints"][i][axis]),
                  tolerance.pixels);
    }
  }
}

inline void expect_face(const Face& got, const nlohmann::json& want, FaceTolerance tolerance = {}) {
  expect_detection(got.detection, want, tolerance);
  const auto embedding = want["embedding"].get<std::vector<float>>();
  ASSERT_EQ(embedding.size(), got.embedding.size());
  EXPECT_GE(cosine(got.embedding, embedding), tolerance.cosine);
}

}  // namespace semblance::testing
