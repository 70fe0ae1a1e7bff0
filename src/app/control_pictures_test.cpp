#include "app/control_pictures.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "image/canny.h"
#include "image/decode.h"
#include "image/encode.h"
#include "image/mask.h"
#include "image/resize.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

/// A scene, and a mask with a white rectangle in its middle.
class ControlPicturesFiles : public ::testing::Test {
 protected:
  ControlPicturesFiles() {
    fs::create_directories(folder_);
    write("scene.png", waves({120, 90}));
    write("large.png", waves({300, 300}));
    Image mask({120, 90});
    for (int y = 30; y < 50; ++y)
      std::fill(mask.row(y) + 3 * 60, mask.row(y) + 3 * 84, std::uint8_t{255});
    write("mask.png", mask);
    request_.width = 64;
    request_.height = 48;
    request_.strength = 0.5F;
    request_.has_mask = true;
    request_.inpaint_area = std::string("masked");
    request_.inpaint_padding = 8;
  }
  ~ControlPicturesFiles() override { fs::remove_all(folder_); }

  static Image waves(Size size) {
    Image picture(size);
    for (int y = 0; y < size.h; ++y) {
      for (int i = 0; i < 3 * size.w; ++i)
        picture.row(y)[i] = static_cast<std::uint8_t>((i / 20) * 97 + (y / 7) * 61);
    }
    return picture;
  }
  void write(const std::string& name, const Image& picture) const {
    write_image(picture, folder_ / name, {});
  }
  std::shared_ptr<const File> file(const std::string& name) const {
    return open_file(folder_ / name);
  }
  InitialPicture initial() const { return InitialPicture(file("scene.png"), file("mask.png")); }
  static void expect_same(const Image& got, const Image& want) {
    ASSERT_EQ(got.size(), want.size());
    EXPECT_TRUE(std::ranges::equal(got.pixels(), want.pixels()));
  }

  fs::path folder_ =
      fs::temp_directory_path() / ("semblance_control_pictures_" + std::to_string(getpid()));
  Request request_;
};

TEST_F(ControlPicturesFiles, AreCutLikeThePictureThatIsRepainted) {
  const InitialPicture from = initial();
  const Image want = from.open(request_).picture;
  expect_same(open_control_picture(*file("scene.png"), request_, Prepare::kNone, &from), want);
  // Edges are those of the part.
  expect_same(open_control_picture(*file("scene.png"), request_, Prepare::kCanny, &from),
              canny(want));
  // Of another size: stretched over the picture, then cut.
  const Image whole = resize(waves({300, 300}), {120, 90}, Filter::kLanczos);
  write("stretched.png", whole);
  expect_same(open_control_picture(*file("large.png"), request_, Prepare::kNone, &from),
              InitialPicture(file("stretched.png"), file("mask.png")).open(request_).picture);
}

TEST_F(ControlPicturesFiles, AreStretchedOverTheWholePicture) {
  const Image want = resize(waves({300, 300}), {64, 48}, Filter::kLanczos);
  const Image alone = open_control_picture(*file("large.png"), request_, Prepare::kNone, nullptr);
  expect_same(alone, want);
  request_.inpaint_area = std::string("whole");
  const InitialPicture from = initial();
  expect_same(open_control_picture(*file("large.png"), request_, Prepare::kNone, &from), want);
}

TEST_F(ControlPicturesFiles, NeedNoMoreMemoryThanPlanned) {
  const InitialPicture from = initial();
  write("wide.png", waves({900, 500}));
  for (const char* area : {"masked", "whole"}) {
    request_.inpaint_area = std::string(area);
    for (const Size made : {Size{64, 48}, Size{512, 768}}) {
      request_.width = made.w;
      request_.height = made.h;
      for (const char* name : {"scene.png", "wide.png"}) {
        for (const bool is_repainted : {true, false}) {
          const InitialPicture* const start = is_repainted ? &from : nullptr;
          for (const Prepare prepare : {Prepare::kNone, Prepare::kCanny}) {
            const std::shared_ptr<const File> picture = file(name);
            const std::uint64_t planned =
                control_picture_stage(*picture, request_, prepare, start).beside.added_bytes;
            const TagCount before = count_of(Tag::kImage);
            open_control_picture(*picture, request_, prepare, start);
            EXPECT_LE(count_of(Tag::kImage).peak_bytes,
                      std::max(before.peak_bytes, before.bytes + planned))
                << area << " " << made.w << " " << name;
          }
        }
      }
    }
  }
}

TEST_F(ControlPicturesFiles, AreNeededInFiles) {
  request_.controls = {"model=pose,image=" + (folder_ / "scene.png").string(), "model=depth"};
  testing::expect_error(
      ErrorKind::kArgument,
      "cannot take controls: the ControlNet depth has no picture\n  add image=FILE",
      [&] { open_control_pictures(request_, nullptr); });
  request_.controls.pop_back();
  EXPECT_EQ(open_control_pictures(request_, nullptr)->front().size(), (Size{64, 48}));
  request_.controls.clear();
  EXPECT_EQ(open_control_pictures(request_, nullptr), nullptr);
}

}  // namespace
}  // namespace semblance
