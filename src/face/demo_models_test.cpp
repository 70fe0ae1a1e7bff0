// The face models that come with the program, on the drawn people that come with it.
#include <gtest/gtest.h>

#include "backend/backends.h"
#include "face/face_models.h"
#include "face/face_test.h"
#include "image/decode.h"
#include "image/photo_size.h"
#include "image/warp.h"

namespace semblance::testing {
namespace {

// Each picture shows one face; at another size it matches the same person and nobody else.
TEST(DemoFaceModels, DistinguishTwelvePeople) {
  const std::filesystem::path demo =
      std::filesystem::path(SEMBLANCE_SOURCE_DIR) / "models" / "demo";
  FaceModels models(find_face_models(demo / "face-models"), cpu_backend());
  std::vector<FaceEmbedding> people;
  std::vector<FaceEmbedding> again;
  for (int number = 1; number <= 12; ++number) {
    SCOPED_TRACE(number);
    const Image photo = decode(demo / "faces" / fmt::format("{:02}.png", number));
    const FoundFaces found = find_faces(photo, models, {.detector_size = 256});
    ASSERT_EQ(found.faces.size(), 1U);
    EXPECT_GT(found.faces[0].detection.score, 0.8);
    people.push_back(found.faces[0].embedding);
    const FoundFaces larger = find_faces(resize_photo(photo), models, {.detector_size = 320});
    ASSERT_EQ(larger.faces.size(), 1U);
    again.push_back(larger.faces[0].embedding);
  }
  for (std::size_t i = 0; i < people.size(); ++i) {
    for (std::size_t j = 0; j < people.size(); ++j) {
      if (i == j) {
        EXPECT_GT(cosine(people[i], again[j]), 0.8) << i + 1;
      } else {
        EXPECT_LT(cosine(people[i], again[j]), 0.6) << i + 1 << " and " << j + 1;
      }
    }
  }
}

// A face of so few pixels is not found, but its faint detection shows that it is too small.
TEST(DemoFaceModels, ReportAFaceThatIsTooSmall) {
  const std::filesystem::path demo =
      std::filesystem::path(SEMBLANCE_SOURCE_DIR) / "models" / "demo";
  FaceModels models(find_face_models(demo / "face-models"), cpu_backend());
  constexpr int kSide = 16;
  const Image face = cv_resize(decode(demo / "faces" / "01.png"), {kSide, kSide});
  Image photo({640, 640});
  for (int y = 0; y < kSide; ++y)
    std::copy_n(face.row(y), 3 * kSide, photo.row(y + 312) + std::ptrdiff_t{3} * 312);
  const FoundFaces found = find_faces(photo, models);
  EXPECT_EQ(found.count, 0);
  EXPECT_EQ(found.no_face, NoFace::kTooSmall);
  EXPECT_FALSE(found.fixed_size);
}

}  // namespace
}  // namespace semblance::testing
