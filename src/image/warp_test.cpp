#include "image/warp.h"

#include <cmath>

#include "image/testing.h"

namespace semblance {
namespace {

using namespace semblance::testing;

TEST(CvResize, AgreesWithOpenCvsPythonPackage) {
  const auto expected = golden_bytes("opencv.bin");
  int largest = 0;
  const auto golden = golden_json("opencv.json");
  ASSERT_EQ(golden["resize"].size(), 7U);
  for (const auto& entry : golden["resize"]) {
    const Image image = synthetic(entry["from"][0], entry["from"][1]);
    const Image out = cv_resize(image, {entry["to"][0], entry["to"][1]});
    const auto want = std::span(expected).subspan(entry["offset"], out.pixels().size());
    const int difference = largest_difference(out.pixels(), want);
    EXPECT_LE(difference, 1) << entry.dump();
    largest = std::max(largest, difference);
  }
  RecordProperty("largest_difference", largest);
}

TEST(WarpAffine, MovesByWholePixelsExactly) {
  const Image image = synthetic(20, 10);
  const Image moved = warp_affine(image, {{1, 0, 3, 0, 1, 2}}, {20, 10});
  for (int y = 0; y < 10; ++y) {
    for (int x = 0; x < 20; ++x) {
      for (int c = 0; c < 3; ++c) {
        const int want = x < 3 || y < 2 ? 0 : image.row(y - 2)[(x - 3) * 3 + c];
        ASSERT_EQ(moved.row(y)[x * 3 + c], want) << x << " " << y;
      }
    }
  }
}

TEST(WarpAffine, RejectsInvalidArguments) {
  const Image image = synthetic(4, 4);
  expect_error(ErrorKind::kArgument, "cannot resample a picture: it is empty", [] {
    warp_affine(Image(), {}, {4, 4});
  });
  expect_error(ErrorKind::kArgument, "cannot resample a picture: it is empty", [] {
    cv_resize(Image(), {4, 4});
  });
  expect_error(ErrorKind::kArgument, "the matrix must be finite and invertible, got [nan", [&] {
    warp_affine(image, {{NAN, 0, 0, 0, 1, 0}}, {4, 4});
  });
  expect_error(ErrorKind::kArgument, "the matrix must be finite and invertible", [&] {
    warp_affine(image, {{1, 2, 0, 2, 4, 0}}, {4, 4});
  });
  expect_error(ErrorKind::kArgument, "the matrix must be finite and invertible", [&] {
    warp_affine(image, {{0, 0, 0, 0, 0, 0}}, {4, 4});
  });
  expect_error(ErrorKind::kArgument, "cannot make a picture of 0x4", [&] {
    warp_affine(image, {}, {0, 4});
  });
  // Extreme but valid: black, not a crash.
  EXPECT_EQ(warp_affine(image, {{1e5, 0, 1e15, 0, 1e-5, -1e15}}, {4, 4}).row(0)[0], 0);
}

}  // namespace
}  // namespace semblance
