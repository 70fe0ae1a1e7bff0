#include "image/align.h"

#include <cmath>

#include "image/decode.h"
#include "image/testing.h"

namespace semblance {
namespace {

using namespace semblance::testing;

TEST(FaceAlignment, AgreesWithScikitImageAndOpenCv) {
  const Image photo = decode(golden_path("image/astronaut.jpg"));
  const auto expected = golden_bytes("opencv.bin");
  int largest = 0;
  const auto golden = golden_json("opencv.json");
  ASSERT_EQ(golden["faces"].size(), 5U);
  for (const auto& entry : golden["faces"]) {
    Keypoints keypoints;
    for (std::size_t i = 0; i < 5; ++i) {
      keypoints[i] = {entry["keypoints"][i][0], entry["keypoints"][i][1]};
    }
    const AffineMap matrix = face_alignment(keypoints);
    for (std::size_t i = 0; i < 6; ++i) {
      const double want = entry["matrix"][i / 3][i % 3];
      EXPECT_NEAR(matrix.m[i], want, 1e-9 * (1 + std::fabs(want))) << i;
    }
    const Image crop = align_face(photo, keypoints);
    ASSERT_EQ(crop.size(), (Size{112, 112}));
    const auto want = std::span(expected).subspan(entry["offset"], crop.pixels().size());
    const int difference = largest_difference(crop.pixels(), want);
    EXPECT_LE(difference, 1) << entry["keypoints"].dump();
    largest = std::max(largest, difference);
  }
  RecordProperty("largest_difference", largest);
}

TEST(FaceAlignment, RejectsDegeneratePoints) {
  Keypoints same;
  same.fill({40.5F, 33.25F});
  expect_error(ErrorKind::kArgument,
               "cannot align the face: its keypoints do not determine a position and size (they "
               "coincide or cancel out); the first is (40.5, 33.25)",
               [&] { face_alignment(same); });
  Keypoints bad = same;
  bad[1][0] = NAN;
  expect_error(ErrorKind::kArgument, "cannot align the face: keypoints must be finite",
               [&] { align_face(synthetic(8, 8), bad); });
}

TEST(FaceAlignment, AcceptsCollinearPoints) {
  Keypoints line;
  for (std::size_t i = 0; i < 5; ++i) line[i] = {static_cast<float>(i) * 10, 5};
  EXPECT_EQ(align_face(synthetic(60, 40), line).size(), (Size{112, 112}));
}

}  // namespace
}  // namespace semblance
