#include "image/resize.h"

#include "core/parallel.h"
#include "image/testing.h"

namespace semblance {
namespace {

using namespace semblance::testing;

Filter filter_of(const std::string& name) {
  if (name == "nearest") return Filter::kNearest;
  if (name == "bilinear") return Filter::kBilinear;
  if (name == "bicubic") return Filter::kBicubic;
  return Filter::kLanczos;
}

TEST(Resize, MatchesPillowExactly) {
  const auto cases = golden_json("resize.json");
  ASSERT_EQ(cases.size(), 68U);
  for (const auto& item : cases) {
    const Image image = synthetic(item[0], item[1]);
    const Image out = resize(image, {item[2], item[3]}, filter_of(item[4]));
    EXPECT_EQ(crc32_of(out.pixels()), item[5].get<std::uint32_t>()) << item.dump();
  }
}

TEST(Resize, DoesNotDependOnThreads) {
  const Image image = synthetic(401, 307);
  const int before = threads();
  set_threads(1);
  const Image alone = resize(image, {123, 211}, Filter::kLanczos);
  set_threads(5);
  const Image many = resize(image, {123, 211}, Filter::kLanczos);
  set_threads(before);
  EXPECT_EQ(largest_difference(alone.pixels(), many.pixels()), 0);
}

TEST(Resize, FreesItsScratchMemory) {
  const auto before = count_of(Tag::kScratch).bytes;
  resize(synthetic(90, 80), {33, 44}, Filter::kBicubic);
  EXPECT_EQ(count_of(Tag::kScratch).bytes, before);
}

TEST(Resize, RejectsEmptyPicturesAndSizes) {
  expect_error(ErrorKind::kArgument, "cannot resize a picture: it is empty", [] {
    resize(Image(), {4, 4}, Filter::kBilinear);
  });
  expect_error(ErrorKind::kArgument, "cannot make a picture of 4x0", [] {
    resize(synthetic(2, 2), {4, 0}, Filter::kBilinear);
  });
}

}  // namespace
}  // namespace semblance
