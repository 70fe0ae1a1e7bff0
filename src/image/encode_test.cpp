#include "image/encode.h"

#include <unistd.h>

#include "image/testing.h"

namespace semblance {
namespace {

using namespace semblance::testing;

std::string as_string(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

double mean_difference(const Image& a, const Image& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels().size(); ++i)
    sum += std::abs(a.pixels()[i] - b.pixels()[i]);
  return sum / static_cast<double>(a.pixels().size());
}

TEST(Encode, PngKeepsEveryPixel) {
  const Image image = synthetic(67, 41);
  const Image again = decode(*memory_file("a.png", encode(image, ImageFormat::kPng)));
  EXPECT_EQ(largest_difference(image.pixels(), again.pixels()), 0);
}

TEST(Encode, PngStopsOnRequest) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(error_of([&] {
              encode(synthetic(67, 41), ImageFormat::kPng, {}, kEncodingQuality, stop.get_token());
            }),
            "cancelled: cancelled");
}

TEST(Encode, JpegMatchesPillowAtQuality95) {
  const Image photo = decode(golden_path("image/astronaut.jpg"));
  const Image again = decode(*memory_file("a.jpg", encode(photo, ImageFormat::kJpeg)));
  EXPECT_EQ(crc32_of(again.pixels()), golden_json("jpeg_quality.json")["crc"].get<std::uint32_t>());
}

TEST(Encode, WebpIsCloseToThePicture) {
  const Image photo = decode(golden_path("image/astronaut.jpg"));
  const Image again = decode(*memory_file("a.webp", encode(photo, ImageFormat::kWebp)));
  ASSERT_EQ(again.size(), photo.size());
  EXPECT_LT(mean_difference(photo, again), 3);
}

TEST(Encode, LowerQualityIsSmallerAndLessAccurate) {
  const Image photo = decode(golden_path("image/astronaut.jpg"));
  for (const auto format : {ImageFormat::kJpeg, ImageFormat::kWebp}) {
    std::size_t bytes = ~std::size_t{0};
    double difference = -1;
    for (const int quality : {95, 50, 0}) {  // the photo itself is a JPEG of about 95
      const auto file = encode(photo, format, {}, quality);
      const double now = mean_difference(photo, decode(*memory_file("a", file)));
      EXPECT_LT(file.size(), bytes) << name_of(format) << " " << quality;
      EXPECT_GT(now, difference) << name_of(format) << " " << quality;
      bytes = file.size();
      difference = now;
    }
  }
}

TEST(Encode, PngTextIsLatin1IfPossible) {
  const Image image = synthetic(3, 2);
  const auto latin =
      as_string(encode(image, ImageFormat::kPng, {{"parameters", "caf\xc3\xa9\nSteps: 30"}}));
  EXPECT_NE(latin.find(std::string("tEXtparameters\0caf\xe9\nSteps: 30", 29)), std::string::npos);
  EXPECT_EQ(latin.find("iTXt"), std::string::npos);
  EXPECT_LT(latin.find("tEXt"), latin.find("IDAT"));
  const auto other =
      as_string(encode(image, ImageFormat::kPng, {{"parameters", "snow \xe9\x9b\xaa"}}));
  EXPECT_NE(other.find(std::string("iTXtparameters\0\0\0\0\0snow \xe9\x9b\xaa", 27)),
            std::string::npos);
  EXPECT_EQ(other.find("tEXt"), std::string::npos);
}

TEST(Encode, ExifHasTheTextInUtf16) {
  const ImageText text = {
      {"parameters", "a \xf0\x9f\x98\x80"}, {"Software", "semblance 0.1"}, {"note", "b"}};
  const std::string comment("UNICODE\0\0a\0 \xd8\x3d\xde\0\0\n\0n\0o\0t\0e\0:\0 \0b", 32);
  for (const auto format : {ImageFormat::kJpeg, ImageFormat::kWebp}) {
    const auto bytes = encode(synthetic(16, 16), format, text);
    const std::string content = as_string(bytes);
    EXPECT_NE(content.find(comment), std::string::npos) << name_of(format);
    EXPECT_NE(content.find(std::string("semblance 0.1\0", 14)), std::string::npos);
    EXPECT_EQ(decode(*memory_file("a", bytes)).size(), (Size{16, 16}));
  }
  EXPECT_EQ(as_string(encode(synthetic(16, 16), ImageFormat::kJpeg)).find("Exif"),
            std::string::npos);
}

TEST(Encode, RejectsInvalidText) {
  const Image image = synthetic(2, 2);
  const auto refused = [&](const std::string& key, const std::string& value,
                           const std::string& part) {
    expect_error(ErrorKind::kArgument, part, [&] {
      encode(image, ImageFormat::kPng, {{key, value}});
    });
  };
  refused("", "x", "a key must be 1 to 79 printable ASCII characters");
  refused(std::string(80, 'k'), "x", "a key must be 1 to 79 printable");
  refused(" k", "x", "without spaces at either end, got \" k\"");
  refused("k\n", "x", "a key must be 1 to 79 printable");
  for (const std::string bad : {"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80",
                                "\xe0\x80\x80", "\xf4\x90\x80\x80", "a\x80"}) {
    refused("k", bad, "the value of \"k\" must be UTF-8 without zero bytes");
  }
  refused("k", std::string("a\0b", 3), "must be UTF-8 without zero bytes");
  expect_error(ErrorKind::kArgument, "expected text of at most 65527 bytes as EXIF, got 8", [&] {
    encode(image, ImageFormat::kJpeg, {{"parameters", std::string(40000, 'x')}});
  });
}

TEST(Encode, RejectsSizesTheFormatCannotStore) {
  expect_error(ErrorKind::kArgument, "cannot write a PNG: the picture is empty",
               [] { encode(Image(), ImageFormat::kPng); });
  expect_error(ErrorKind::kArgument,
               "cannot write a WebP: expected sides of at most 16383 pixels, got 16384x1", [] {
                 encode(Image({16384, 1}), ImageFormat::kWebp);
               });
  expect_error(ErrorKind::kArgument, "cannot write a JPEG: expected sides of at most 65500 pixels",
               [] {
                 encode(Image({1, 65501}), ImageFormat::kJpeg);
               });
}

TEST(WriteImage, ChoosesTheFormatByExtension) {
  EXPECT_EQ(format_for("a/b.PNG"), ImageFormat::kPng);
  EXPECT_EQ(format_for("b.jpg"), ImageFormat::kJpeg);
  EXPECT_EQ(format_for("b.x.JPeg"), ImageFormat::kJpeg);
  EXPECT_EQ(format_for("b.webp"), ImageFormat::kWebp);
  expect_error(
      ErrorKind::kArgument,
      "cannot write out.gif: expected a name that ends in .png, .jpg, .jpeg or .webp, got .gif",
      [] { format_for("out.gif"); });
  expect_error(ErrorKind::kArgument, "got no extension", [] { format_for("out"); });
}

TEST(WriteImage, WritesAWholeFileOrNone) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("semblance_image_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const Image image = synthetic(9, 7);
  write_image(image, folder / "a.png", {{"parameters", "p"}});
  EXPECT_EQ(largest_difference(decode(folder / "a.png").pixels(), image.pixels()), 0);
  expect_error(ErrorKind::kArgument, ".gif", [&] { write_image(image, folder / "a.gif"); });
  expect_error(ErrorKind::kMissing, "cannot write",
               [&] { write_image(image, folder / "no" / "a.png"); });
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace semblance
