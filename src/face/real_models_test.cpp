// Two real models, which we may not distribute: tools/fetch_test_models.sh fetches them into
// build/test-models. Goldens: tools/oracle/face.py real.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "backend/backends.h"
#include "face/detector.h"
#include "face/face_test.h"
#include "face/recogniser.h"
#include "image/decode.h"

namespace semblance::testing {
namespace {

std::filesystem::path fetched(const char* name) {
  return std::filesystem::path(SEMBLANCE_SOURCE_DIR) / "build" / "test-models" / name;
}

nlohmann::json golden_face() {
  std::ifstream stream(golden_path("face/astronaut_scrfd.json"));
  return nlohmann::json::parse(stream).at("faces").at(0);
}

TEST(RealModels, ScrfdFindsTheAstronaut) {
  if (!std::filesystem::exists(fetched("scrfd.onnx")))
    GTEST_SKIP() << "no build/test-models/scrfd.onnx: run tools/fetch_test_models.sh";
  Detector detector(open_file(fetched("scrfd.onnx")), cpu_backend());
  EXPECT_EQ(detector.fixed_size(), (Size{640, 640}));
  const std::vector<Detection> faces =
      detector.detect(decode(golden_path("image/astronaut.jpg")), 640);
  ASSERT_EQ(faces.size(), 1U);
  expect_detection(faces[0], golden_face(), {.score = 0.002, .pixels = 0.3});
}

TEST(RealModels, ARecogniserRecognisesTheAstronaut) {
  if (!std::filesystem::exists(fetched("fr_feature.onnx")))
    GTEST_SKIP() << "no build/test-models/fr_feature.onnx: run tools/fetch_test_models.sh";
  Recogniser recogniser(open_file(fetched("fr_feature.onnx")), cpu_backend());
  Keypoints keypoints;
  const nlohmann::json face = golden_face();
  for (std::size_t i = 0; i < 5; ++i)
    keypoints[i] = {face["keypoints"][i][0].get<float>(), face["keypoints"][i][1].get<float>()};
  const FaceEmbedding got = recogniser.embed(decode(golden_path("image/astronaut.jpg")), keypoints);
  // A .npy of 512 floats: its data follows the header.
  const auto golden = open_file(golden_path("face/astronaut_fr_feature.npy"));
  FaceEmbedding want;
  golden->read(golden->size() - sizeof(want), std::as_writable_bytes(std::span(want)));
  EXPECT_GE(cosine(got, want), 0.9999);
}

}  // namespace
}  // namespace semblance::testing
