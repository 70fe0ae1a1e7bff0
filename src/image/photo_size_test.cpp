#include "image/photo_size.h"

#include "image/decode.h"
#include "image/testing.h"

namespace semblance {
namespace {

using namespace semblance::testing;

TEST(PublishedSize, AgreesWithPythonOnManyShapes) {
  const auto cases = golden_json("photo_size.json");
  ASSERT_GT(cases.size(), 400U);
  for (const auto& item : cases) {
    const Size photo{item[0], item[1]};
    if (item[4] == 0) {
      SCOPED_TRACE(item.dump());
      expect_error(ErrorKind::kArgument, "", [&] { published_size(photo); });
      continue;
    }
    const PublishedSize got = published_size(photo);
    EXPECT_EQ(got.first, (Size{item[2], item[3]})) << item.dump();
    EXPECT_EQ(got.final, (Size{item[4], item[5]})) << item.dump();
  }
}

TEST(PublishedSize, RejectsPhotosThatAreTooNarrow) {
  expect_error(
      ErrorKind::kArgument,
      "cannot resize a photo of 20000x1: with its long side at 1280, the short one must be "
      "at least 64 pixels, it would be 0",
      [] {
        published_size({20000, 1});
      });
  expect_error(ErrorKind::kArgument, "sides must be 1 to 268435456 pixels, got 0x7", [] {
    published_size({0, 7});
  });
}

TEST(ResizePhoto, MatchesPillowExactly) {
  const Image photo = decode(golden_path("image/astronaut.jpg"));
  const auto golden = golden_json("resize_photo.json");
  const int left = golden["crop"][0];
  const int top = golden["crop"][1];
  Image crop({golden["crop"][2], golden["crop"][3]});
  for (int y = 0; y < crop.height(); ++y) {
    std::copy_n(photo.row(top + y) + left * 3, crop.row_bytes(), crop.row(y));
  }
  const Image out = resize_photo(crop);
  EXPECT_EQ(out.size(), (Size{golden["size"][0], golden["size"][1]}));
  EXPECT_EQ(crc32_of(out.pixels()), golden["crc"].get<std::uint32_t>());
}

TEST(AutoSize, KeepsTheShapeAtTheModelsArea) {
  EXPECT_EQ(auto_size({512, 512}, 1024), (Size{1024, 1024}));
  EXPECT_EQ(auto_size({10, 10}, 1024), (Size{1024, 1024}));
  EXPECT_EQ(auto_size({4000, 3000}, 1024), (Size{1152, 896}));
  EXPECT_EQ(auto_size({3000, 4000}, 1024), (Size{896, 1152}));
  EXPECT_EQ(auto_size({1920, 1080}, 1024), (Size{1344, 768}));
  EXPECT_EQ(auto_size({1920, 1080}, 512), (Size{704, 384}));
  EXPECT_EQ(auto_size({20000, 1}, 1024), (Size{16384, 64}));
  EXPECT_EQ(auto_size({1, 1}, 64), (Size{64, 64}));
  expect_error(ErrorKind::kArgument, "the model's side must be 64 to 16384 pixels, got 0", [] {
    auto_size({5, 5}, 0);
  });
  expect_error(ErrorKind::kArgument, "got -1x5", [] { auto_size({-1, 5}, 1024); });
}

}  // namespace
}  // namespace semblance
