#include "face/detector.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "backend/backends.h"
#include "face/face_models.h"
#include "face/face_test.h"
#include "image/decode.h"
#include "tests/support/golden.h"

namespace semblance::testing {
namespace {

class PlantedFaces : public ::testing::Test {
 protected:
  static std::filesystem::path folder() { return golden_path("face/planted"); }
  static FaceModels models() {
    return FaceModels({folder() / "scrfd_planted.onnx", folder() / "arcface_planted.onnx"},
                      cpu_backend());
  }
  static nlohmann::json expected(const std::string& photo) {
    std::ifstream stream(folder() / "expected.json");
    return nlohmann::json::parse(stream).at(photo);
  }
  static void agrees(const std::string& photo) {
    SCOPED_TRACE(photo);
    FaceModels both = models();
    const nlohmann::json want = expected(photo);
    const FoundFaces got = find_faces(decode(folder() / (photo + ".png")), both);
    EXPECT_EQ(got.detector_size, want["detector_size"].get<int>());
    EXPECT_EQ(got.count, static_cast<int>(want["faces"].size()));
    ASSERT_EQ(got.faces.size(), want["faces"].size());
    for (std::size_t i = 0; i < got.faces.size(); ++i) expect_face(got.faces[i], want["faces"][i]);
  }
};

TEST_F(PlantedFaces, OneFace) { agrees("photo"); }
TEST_F(PlantedFaces, SeveralFacesLargestFirst) { agrees("several"); }
TEST_F(PlantedFaces, NoFaceAtAnySize) { agrees("none"); }
TEST_F(PlantedFaces, ACloseUpIsFoundAtASmallerSize) { agrees("close"); }

/// The planted detector as if exported for one size: [1,3,?,?] becomes [1,3,640,640].
std::shared_ptr<const File> fixed_detector(const std::filesystem::path& planted) {
  std::string bytes = read_small_file(planted, 1 << 20);
  std::size_t at = bytes.rfind("input.1");  // its declaration comes after all nodes
  for (int axis = 0; axis < 2; ++axis) {
    at = bytes.find("\x12\x01?", at);
    EXPECT_NE(at, std::string::npos);
    bytes.replace(at, 3, "\x08\x80\x05");
  }
  const auto made = std::as_bytes(std::span(bytes));
  return memory_file("scrfd_640.onnx", {made.begin(), made.end()});
}

class FixedDetector : public PlantedFaces {
 protected:
  FixedDetector() {
    const std::filesystem::path file = folder_ / "scrfd_640.onnx";
    std::filesystem::create_directories(folder_);
    const auto made = fixed_detector(folder() / "scrfd_planted.onnx");
    std::vector<std::byte> bytes(made->size());
    made->read(0, bytes);
    OutputFile out(file);
    out.write(bytes);
    out.commit();
    models_.emplace(FaceModelFiles{file, folder() / "arcface_planted.onnx"}, cpu_backend());
  }
  ~FixedDetector() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_ = std::filesystem::temp_directory_path() /
                                  ("semblance_fixed_detector_" + std::to_string(getpid()));
  std::optional<FaceModels> models_;
};

TEST_F(FixedDetector, FindsTheSameFacesAtItsSize) {
  EXPECT_EQ(models_->detector().fixed_size(), (Size{640, 640}));
  for (const char* photo : {"photo", "several"}) {
    const nlohmann::json want = expected(photo);
    const FoundFaces got = find_faces(decode(folder() / (std::string(photo) + ".png")), *models_);
    EXPECT_EQ(got.detector_size, 640);
    ASSERT_EQ(got.faces.size(), want["faces"].size());
    for (std::size_t i = 0; i < got.faces.size(); ++i) expect_face(got.faces[i], want["faces"][i]);
  }
}

TEST_F(FixedDetector, FindsACloseUpShrunkInsideItsFrame) {
  const Image close = decode(folder() / "close.png");
  EXPECT_TRUE(models_->detector().detect(close, 640).empty());
  const nlohmann::json want = expected("close");
  const FoundFaces got = find_faces(close, *models_);
  EXPECT_EQ(got.detector_size, want["detector_size"].get<int>());
  ASSERT_EQ(got.faces.size(), 1U);
  // The same pixels as a detector of that size sees, in a larger frame.
  expect_face(got.faces[0], want["faces"][0]);
}

/// A magenta nose of the given diameter in pixels, which is all that the planted detector looks
/// for.
Image nose(int side, float diameter) {
  Image image({side, side});
  const float middle = static_cast<float>(side) / 2;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const float dx = static_cast<float>(x) - middle, dy = static_cast<float>(y) - middle;
      if (4 * (dx * dx + dy * dy) > diameter * diameter) continue;
      image.row(y)[3 * x] = image.row(y)[3 * x + 2] = 255;
    }
  }
  return image;
}

TEST_F(FixedDetector, ExplainsWhyItFindsNone) {
  const FoundFaces large = find_faces(nose(640, 100), *models_);
  EXPECT_EQ(large.count, 0);
  EXPECT_EQ(large.detector_size, 192);
  EXPECT_EQ(large.no_face, NoFace::kTooLarge);
  EXPECT_TRUE(large.fixed_size);
  EXPECT_EQ(find_faces(decode(folder() / "none.png"), *models_).no_face, NoFace::kUnclear);
}

TEST_F(PlantedFaces, LargestOnlyCountsTheOthers) {
  FaceModels both = models();
  const Image photo = decode(folder() / "several.png");
  const FoundFaces all = find_faces(photo, both);
  const FoundFaces one = find_faces(photo, both, {.largest_only = true});
  ASSERT_EQ(one.faces.size(), 1U);
  EXPECT_EQ(one.count, 3);
  EXPECT_EQ(one.faces[0].embedding, all.faces[0].embedding);
}

TEST_F(PlantedFaces, StartsAtTheSizeGiven) {
  FaceModels both = models();
  const FoundFaces found = find_faces(decode(folder() / "close.png"), both, {.detector_size = 256});
  EXPECT_EQ(found.detector_size, 256);
  EXPECT_EQ(found.count, 1);
}

TEST_F(PlantedFaces, StartsSmallIfMemoryIsShort) {
  FaceModels both = models();
  // A close-up is found immediately at 320; with the usual sizes only after larger ones.
  const FoundFaces close = find_faces(decode(folder() / "close.png"), both, {.reduced = true});
  EXPECT_EQ(close.detector_size, 320);
  EXPECT_EQ(close.count, 1);
  // Small faces are found at 640, as in normal mode.
  const Image photo = decode(folder() / "photo.png");
  const FoundFaces small = find_faces(photo, both, {.reduced = true});
  const FoundFaces usual = find_faces(photo, both);
  EXPECT_EQ(usual.detector_size, 640);
  EXPECT_EQ(small.detector_size, 640);
  ASSERT_EQ(small.count, usual.count);
  EXPECT_EQ(small.faces[0].embedding, usual.faces[0].embedding);
  // A requested size comes first in both modes.
  const FoundFaces asked =
      find_faces(decode(folder() / "close.png"), both, {.detector_size = 256, .reduced = true});
  EXPECT_EQ(asked.detector_size, 256);
}

TEST_F(PlantedFaces, EveryBackendAgrees) {
  const FaceModelFiles files{folder() / "scrfd_planted.onnx", folder() / "arcface_planted.onnx"};
  FaceModels both(files, reference_backend());
  const FoundFaces found = find_faces(decode(folder() / "close.png"), both, {.detector_size = 320});
  ASSERT_EQ(found.faces.size(), 1U);
  expect_face(found.faces[0], expected("close")["faces"][0]);
}

TEST_F(PlantedFaces, PicturesOfOnePixelAndOfOneRow) {
  FaceModels both = models();
  EXPECT_EQ(find_faces(Image({1, 1}), both).count, 0);
  EXPECT_EQ(find_faces(Image({5000, 1}), both, {.detector_size = 192}).count, 0);
}

TEST_F(PlantedFaces, Cancels) {
  FaceModels both = models();
  std::stop_source source;
  source.request_stop();
  expect_error(ErrorKind::kCancelled, "cancelled", [&] {
    find_faces(Image({64, 64}), both, {}, source.get_token());
  });
}

TEST(DetectorSizes, DecreaseInSteps) {
  EXPECT_EQ(detector_sizes(640), (std::vector<int>{640, 576, 512, 448, 384, 320, 256, 192}));
  EXPECT_EQ(detector_sizes(320), (std::vector<int>{320, 256, 192}));
  EXPECT_EQ(detector_sizes(128), (std::vector<int>{128}));
  EXPECT_EQ(reduced_detector_sizes(), (std::vector<int>{320, 640, 576, 512, 448, 384, 256, 192}));
  for (const int size : {0, -64, 32, 100, 4096})
    expect_error(ErrorKind::kArgument, "multiple of 32", [&] { detector_sizes(size); });
}

TEST(DetectorSizes, OfAFixedFrameAreTenthsOfIt) {
  EXPECT_EQ(fixed_detector_sizes({640, 640}), detector_sizes(640));
  EXPECT_EQ(fixed_detector_sizes({320, 480}),
            (std::vector<int>{480, 432, 384, 336, 288, 240, 192, 144}));
}

TEST(DetectorFile, RejectsOtherModels) {
  const auto recogniser = golden_path("face/planted") / "arcface_planted.onnx";
  const auto detector = golden_path("face/planted") / "scrfd_planted.onnx";
  expect_error(ErrorKind::kArgument, "which has 1 input and 9 outputs, got 1 and 1",
               [&] { Detector(open_file(recogniser), cpu_backend()); });
  expect_error(ErrorKind::kArgument, "its output must be [1,512], got [392,1]",
               [&] { Recogniser(open_file(detector), cpu_backend()); });
  expect_error(ErrorKind::kMissing, "nowhere.onnx", [&] {
    FaceModels({detector, "nowhere.onnx"}, cpu_backend());
  });
}

TEST(FaceModelFolder, FindsPublishedNames) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::path(::testing::TempDir()) / "face_model_folder";
  fs::remove_all(folder);
  const auto touch = [](const fs::path& path) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << "x";
  };
  expect_error(ErrorKind::kMissing, "there is no folder", [&] { find_face_models(folder); });
  touch(folder / "models/buffalo_l/det_10g.onnx");
  expect_error(ErrorKind::kMissing, "--detector FILE", [&] { find_face_models(folder); });
  touch(folder / "models/buffalo_l/w600k_r50.onnx");
  EXPECT_EQ(find_face_models(folder).detector, folder / "models/buffalo_l/det_10g.onnx");
  for (const char* inside : {"antelopev2/antelopev2", "antelopev2", "."}) {
    const fs::path at = (folder / inside).lexically_normal();
    touch(at / "scrfd_10g_bnkps.onnx");
    touch(at / "glintr100.onnx");
    EXPECT_TRUE(fs::equivalent(find_face_models(folder).recogniser, at / "glintr100.onnx"));
  }
}

}  // namespace
}  // namespace semblance::testing
