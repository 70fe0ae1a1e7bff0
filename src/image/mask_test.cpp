#include "image/mask.h"

#include "image/decode.h"
#include "image/fill.h"
#include "image/testing.h"

namespace semblance {
namespace {

Mask mask_of(Size size, const std::vector<PixelBox>& white) {
  Mask mask(size);
  for (const PixelBox& part : white) {
    for (int y = part.top; y < part.bottom; ++y) {
      for (int x = part.left; x < part.right; ++x)
        mask.values()[static_cast<std::size_t>(y * size.w + x)] = 255;
    }
  }
  return mask;
}

std::vector<int> values_of(const nlohmann::json& value) { return value.get<std::vector<int>>(); }

/// tools/oracle/image.py: Pillow's convert("L") and OpenCV's GaussianBlur.
TEST(Masks, AreGreyAndBlurredAsPillowAndOpenCvDo) {
  const nlohmann::json cases = testing::golden_json("masks.json");
  for (const nlohmann::json& each : cases.at("blurs")) {
    const auto size = values_of(each.at("size"));
    Mask mask = grey(testing::synthetic(size[0], size[1]));
    const std::vector<int> want_grey = values_of(each.at("grey"));
    ASSERT_EQ(mask.values().size(), want_grey.size());
    EXPECT_TRUE(std::equal(want_grey.begin(), want_grey.end(), mask.values().begin()));
    blur(mask, each.at("sigma").get<double>());
    const std::vector<int> want = values_of(each.at("blurred"));
    int largest = 0;
    for (std::size_t i = 0; i < want.size(); ++i)
      largest = std::max(largest, std::abs(mask.values()[i] - want[i]));
    EXPECT_LE(largest, 1) << each.at("sigma") << " " << size[0];
  }
}

/// The same: Pillow, called as AUTOMATIC1111 does.
TEST(Masks, AreFilledAsThatProgramDoes) {
  const nlohmann::json cases = testing::golden_json("masks.json");
  ASSERT_EQ(cases.at("fills").size(), 4U);
  for (const nlohmann::json& each : cases.at("fills")) {
    const auto size = values_of(each.at("size")), box = values_of(each.at("box"));
    Mask mask = mask_of({size[0], size[1]}, {{box[0], box[1], box[2], box[3]}});
    for (int x = box[0]; x < box[2]; ++x)
      mask.values()[static_cast<std::size_t>(box[1] * size[0] + x)] = 100;
    Image picture = testing::synthetic(size[0], size[1]);
    fill_masked(picture, mask);
    EXPECT_EQ(testing::crc32_of(picture.pixels()), each.at("crc").get<std::uint32_t>()) << each;
  }
}

TEST(Masks, ThatCoverAllLeaveNothingToFillWith) {
  Image picture = testing::synthetic(8, 5);
  const Image before = picture.clone();
  fill_masked(picture, mask_of({8, 5}, {{0, 0, 8, 5}}));
  EXPECT_EQ(testing::largest_difference(picture.pixels(), before.pixels()), 0);
}

/// The same: diffusers' get_crop_region().
TEST(Masks, HaveTheSurroundingsOfDiffusers) {
  const nlohmann::json cases = testing::golden_json("masks.json");
  for (const nlohmann::json& each : cases.at("regions")) {
    const auto size = values_of(each.at("size")), box = values_of(each.at("box")),
               shape = values_of(each.at("shape")), want = values_of(each.at("region"));
    const PixelBox white{box[0], box[1], box[2], box[3]};
    const Mask mask = mask_of({size[0], size[1]}, {white});
    ASSERT_EQ(bounds(mask), white);
    EXPECT_EQ(region_around(white, each.at("padding").get<int>(), {shape[0], shape[1]},
                            {size[0], size[1]}),
              (PixelBox{want[0], want[1], want[2], want[3]}))
        << each;
  }
  EXPECT_EQ(bounds(Mask({5, 4})), std::nullopt);
}

TEST(Masks, BlendAPartAndKeepTheRest) {
  Image picture = testing::synthetic(20, 10);
  const Image before = picture.clone();
  const PixelBox part{4, 2, 14, 8};
  Mask mask = mask_of({20, 10}, {{6, 3, 16, 7}});  // beyond the part
  mask.values()[20 * 3 + 6] = 128;
  Image black(part.size());
  blend(picture, part, black, mask);
  for (int y = 0; y < 10; ++y) {
    for (int x = 0; x < 20; ++x) {
      const std::uint8_t was = before.row(y)[3 * x], is = picture.row(y)[3 * x];
      const bool is_covered = x >= 6 && x < 14 && y >= 3 && y < 7;
      const bool is_soft = x == 6 && y == 3;
      EXPECT_EQ(is, is_soft      ? std::lround(was * 127 / 255.0)
                    : is_covered ? 0
                                 : was)
          << x << "," << y;
    }
  }
  EXPECT_EQ(testing::largest_difference(crop(before, {0, 0, 20, 10}).pixels(), before.pixels()), 0);
  EXPECT_EQ(crop(before, part).row(1)[0], before.row(3)[12]);
}

}  // namespace
}  // namespace semblance
