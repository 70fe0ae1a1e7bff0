#include "app/subject.h"

#include <gtest/gtest.h>

#include "image/decode.h"
#include "image/photo_size.h"
#include "tests/support/golden.h"

namespace semblance {
namespace {

TEST(PictureSize, IsTheSameFromAPhotoAndFromItsIdentity) {
  // An identity stores the photo's size after the published resize; every rule must give the same
  // size for it as for the photo.
  for (int w = 97; w < 4000; w += 211) {
    for (int h = w / 15; h < 4000; h += 173) {
      if (h < 8 || h > 15 * w) continue;
      const Size frame = published_size({w, h}).final;
      EXPECT_EQ(picture_size({.rule = SizeRule::kReference}, frame, 1024), frame)
          << w << " x " << h;
    }
  }
}

TEST(PictureSize, KeepsTheShapeAtTheModelsArea) {
  EXPECT_EQ(picture_size({}, {1280, 1280}, 1024), (Size{1024, 1024}));
  EXPECT_EQ(picture_size({}, {832, 1280}, 1024), (Size{832, 1280}));
  EXPECT_EQ(picture_size({.rule = SizeRule::kFixed, .fixed = {40, 48}}, {832, 1280}, 1024),
            (Size{40, 48}));
}

TEST(NoFaceText, GivesAdviceByReason) {
  const auto text = [](NoFace why, bool fixed_size) {
    FoundFaces found;
    found.no_face = why;
    found.fixed_size = fixed_size;
    return no_face_text("me.jpg", found);
  };
  EXPECT_EQ(text(NoFace::kTooLarge, true),
            "cannot find a face in me.jpg\n  the most likely face fills the photo: use one with "
            "more room around the face");
  EXPECT_EQ(text(NoFace::kTooLarge, false), text(NoFace::kTooLarge, true));
  EXPECT_EQ(text(NoFace::kTooSmall, true),
            "cannot find a face in me.jpg\n  the most likely face is too small: crop the photo "
            "to the person");
  EXPECT_EQ(text(NoFace::kTooSmall, false),
            text(NoFace::kTooSmall, true) + ", or try a larger --detector-size");
  EXPECT_EQ(text(NoFace::kUnclear, true),
            "cannot find a face in me.jpg\n  try a photo in which the face is upright, seen from "
            "the front, and neither small nor cut off at the edge");
  EXPECT_EQ(text(NoFace::kUnclear, false), text(NoFace::kUnclear, true) +
                                               ", or a larger --detector-size, which finds smaller "
                                               "faces");
}

TEST(PhotoNeeds, AreKnownFromTheHeader) {
  const auto photo = testing::golden_path("image/astronaut.jpg");
  for (const bool original : {false, true}) {
    const PhotoOptions options{.original_size = original};
    const PhotoNeeds needs = photo_needs(photo, options);
    const Image frame = open_photo(photo, options);
    EXPECT_EQ(needs.frame, frame.size());
    EXPECT_GE(needs.peak_bytes, frame.pixels().size());
    EXPECT_GE(needs.peak_bytes, probe(photo).decoding_bytes);
  }
  // The published rule enlarges it: both pictures of the second resize count.
  EXPECT_EQ(photo_needs(photo, {}).frame, (Size{1280, 1280}));
}

}  // namespace
}  // namespace semblance
