#include "image/decode.h"

#include <cstring>

#include "image/orientation.h"
#include "image/testing.h"
#include "tests/support/failing_file.h"

namespace semblance {
namespace {

using namespace semblance::testing;

TEST(Decode, AgreesWithPillowOnEveryVariant) {
  const auto expected = golden_bytes("decode.bin");
  int largest_jpeg = 0;
  const auto entries = golden_json("decode.json");
  ASSERT_GT(entries.size(), 60U);
  for (const auto& entry : entries) {
    const std::string name = entry["file"];
    SCOPED_TRACE(name);
    const auto path = golden_path("image/decode/" + name);
    const Size size{entry["size"][0], entry["size"][1]};
    const ImageInfo info = probe(path);
    EXPECT_EQ(info.stored, (Size{entry["stored"][0], entry["stored"][1]}));
    EXPECT_EQ(info.upright(), size);
    const Image image = decode(path);
    ASSERT_EQ(image.size(), size);
    const auto want = std::span(expected).subspan(entry["offset"], image.pixels().size());
    const int difference = largest_difference(image.pixels(), want);
    // In lossy formats the arithmetic depends on the library's version, but these agree.
    EXPECT_EQ(difference, 0);
    if (info.format == ImageFormat::kJpeg) largest_jpeg = std::max(largest_jpeg, difference);
  }
  RecordProperty("largest_jpeg_difference", largest_jpeg);
}

TEST(Decode, AgreesWithPillowOnAPhoto) {
  const Image photo = decode(golden_path("image/astronaut.jpg"));
  EXPECT_EQ(photo.size(), (Size{512, 512}));
  EXPECT_EQ(crc32_of(photo.pixels()), golden_json("photo.json")["crc"].get<std::uint32_t>());
}

TEST(Decode, DetectsTheFormatByContentNotName) {
  const auto bytes = file_bytes(golden_path("image/decode/rgb.png"));
  EXPECT_EQ(probe(*memory_file("photo.jpg", bytes)).format, ImageFormat::kPng);
}

TEST(Decode, CountsAndFreesItsMemory) {
  const auto image_before = count_of(Tag::kImage).bytes;
  const auto staging_before = count_of(Tag::kStaging).bytes;
  {
    const Image image = decode(golden_path("image/decode/exif_6.jpg"));
    EXPECT_EQ(count_of(Tag::kImage).bytes - image_before, 45U * 30U * 3U);
  }
  EXPECT_EQ(count_of(Tag::kImage).bytes, image_before);
  EXPECT_EQ(count_of(Tag::kStaging).bytes, staging_before);
}

TEST(Orientation, TurnsEachWay) {
  // 1 2      as stored; `want` has the upright rows for each orientation.
  // 3 4
  // 5 6
  const std::string want[] = {"123456", "214365", "654321", "563412",
                              "135246", "531642", "642531", "246135"};
  std::vector<std::uint8_t> rows;
  for (std::uint8_t i = 1; i <= 6; ++i) rows.insert(rows.end(), 3, i);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    Image image(upright_size({2, 3}, orientation));
    place_rows(image, {2, 3}, orientation, 0, 1, rows.data());
    place_rows(image, {2, 3}, orientation, 1, 2, rows.data() + 6);
    std::string got;
    for (std::size_t i = 0; i < 18; i += 3) got += static_cast<char>('0' + image.pixels()[i]);
    EXPECT_EQ(got, want[orientation - 1]) << orientation;
  }
}

std::optional<int> exif_orientation(std::string_view bytes) {
  const auto file = file_over("EXIF", bytes);
  return orientation_of_exif(MetadataBlock(*file, 0, bytes.size()));
}

TEST(Orientation, IgnoresDamagedExif) {
  const std::string good("Exif\0\0MM\0*\0\0\0\x8\0\x1\x1\x12\0\x3\0\0\0\x1\0\x6\0\0\0\0\0\0", 32);
  EXPECT_EQ(exif_orientation(good), 6);
  for (std::size_t length = 0; length < 26; ++length) {
    EXPECT_EQ(exif_orientation(std::string_view(good).substr(0, length)).value_or(1), 1) << length;
  }
  std::string far = good;  // a directory that starts beyond the end
  far[10] = '\x7f';
  EXPECT_EQ(exif_orientation(far), std::nullopt);
  std::string list = good;  // two orientations
  list[23] = 2;
  EXPECT_EQ(exif_orientation(list), 1);
}

std::vector<std::byte> changed(std::vector<std::byte> bytes, std::size_t offset,
                               std::string_view with) {
  std::memcpy(bytes.data() + offset, with.data(), with.size());
  return bytes;
}

TEST(Decode, RefusesEveryTruncation) {
  for (const char* name : {"420.jpg", "420_progressive.jpg", "rgba.png", "interlaced.png",
                           "lossless.webp", "lossy_alpha.webp", "animated.webp"}) {
    const auto bytes = file_bytes(golden_path(std::string("image/decode/") + name));
    // A PNG is complete if its pixels are: the checksum and the end chunk may be missing.
    const std::size_t spare = std::string_view(name).ends_with("png") ? 16 + 12 : 0;
    for (std::size_t length = 16; length + spare < bytes.size(); length += 7) {
      const auto file =
          memory_file(name, {bytes.begin(), bytes.begin() + static_cast<int>(length)});
      SCOPED_TRACE(std::string(name) + " " + std::to_string(length));
      expect_error(ErrorKind::kCorrupt, "", [&] { decode(*file); });
    }
    const auto half =
        memory_file(name, {bytes.begin(), bytes.begin() + static_cast<int>(bytes.size() * 3 / 4)});
    expect_error(ErrorKind::kCorrupt, "is truncated", [&] { decode(*half); });
  }
}

TEST(Decode, StopsOnRequest) {
  std::stop_source stop;
  stop.request_stop();
  for (const char* name : {"420.jpg", "420_progressive.jpg", "rgba.png", "interlaced.png"}) {
    const auto file = open_file(golden_path(std::string("image/decode/") + name));
    EXPECT_EQ(error_of([&] { decode(*file, stop.get_token()); }), "cancelled: cancelled") << name;
    decode(*file);
  }
}

TEST(Decode, SurvivesEveryChangedByte) {
  for (const char* name :
       {"420.jpg", "cmyk.jpg", "420_progressive.jpg", "palette_alpha.png", "grey_16.png",
        "lossless.webp", "lossy_alpha.webp", "animated.webp", "exif_6.webp", "exif_5.png"}) {
    const auto bytes = file_bytes(golden_path(std::string("image/decode/") + name));
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      auto damaged = bytes;
      damaged[i] ^= std::byte{0xff};
      // A picture or an Error, never anything else.
      const std::string got = error_of([&] { decode(*memory_file(name, damaged)); });
      EXPECT_FALSE(got.starts_with("memory: ")) << name << " " << i << got;
    }
  }
}

TEST(Decode, RejectsOtherFiles) {
  const auto file = [](std::string_view content) {
    const auto bytes = std::as_bytes(std::span(content));
    return memory_file("photo", {bytes.begin(), bytes.end()});
  };
  const auto refused = [&](std::string_view content, const std::string& part) {
    expect_error(ErrorKind::kArgument, part, [&] { decode(*file(content)); });
    expect_error(ErrorKind::kArgument, part, [&] { probe(*file(content)); });
  };
  const std::string convert = "\n  convert it to one of these first";
  refused("GIF89a........................", "expected JPEG, PNG or WebP, got a GIF" + convert);
  refused("BM............................", "got a BMP" + convert);
  refused("II*...........................", "got a TIFF or raw photo" + convert);
  refused("%PDF-1.7", "got a PDF" + convert);
  refused("<svg>", "got an SVG or XML file" + convert);
  refused("hello", "got something else" + convert);
  refused("RIFF....WAVE", "got something else" + convert);
  refused("\xff\x0a..............", "got a JPEG XL" + convert);
  refused(std::string_view("\0\0\0\x0cJXL \r\n\x87\n....", 16), "got a JPEG XL" + convert);
  refused("\xff\x4f\xff\x51............", "got a JPEG 2000" + convert);
  refused(std::string_view("\0\0\0\x0cjP  \r\n\x87\n....", 16), "got a JPEG 2000" + convert);
  refused("\n<!DOCTYPE html><title>Sign in", "got a web page\n  download the file itself");
  refused(std::string_view("\0\x05\x16\x07\0\x02\0\0Mac OS X", 16),
          "got an AppleDouble file, which macOS puts beside the file itself\n  use the file whose "
          "name does not begin with \"._\"");
  refused("version https://git-lfs.github.com/spec/v1", "got a Git LFS pointer to it\n  fetch the");
  refused(" {\"error\": \"no such photo\"}", "got JSON text\n  give the photo itself");
  refused("data:image/jpeg;base64,/9j/4AAQ", "got a data: URL\n  decode the part after the comma");
  refused("/9j/4AAQSkZJRgABAQ", "got base64 text\n  decode it, for example with `base64 -d`");
  refused("iVBORw0KGgoAAAANSUhEUg", "got base64 text");
  refused("UklGRiQAAABXRUJQVlA4", "got base64 text");
  expect_error(ErrorKind::kCorrupt, "the file is empty", [&] { decode(*file("")); });
  expect_error(ErrorKind::kMissing, "nowhere.jpg",
               [] { decode(std::filesystem::path("nowhere.jpg")); });
}

TEST(Decode, NamesAFileOfBoxesByAllItsBrands) {
  const auto named = [](const std::string& main, const std::string& others) {
    const auto size = static_cast<char>(16 + others.size());
    const std::string bytes =
        std::string(3, '\0') + size + "ftyp" + main + std::string(4, '\0') + others + "avif";
    return error_of([&] { probe(*file_over("photo", bytes)); });
  };
  const auto expect = [&](const std::string& main, const std::string& others, const char* kind) {
    EXPECT_NE(named(main, others).find(std::string("got ") + kind + "\n"), std::string::npos)
        << main << " " << others << " " << named(main, others);
  };
  expect("heic", "mif1heic", "a HEIC photo");
  expect("mif1", "mif1heic", "a HEIC photo");
  expect("avif", "", "an AVIF");
  expect("mif1", "avifmif1miaf", "an AVIF");
  expect("mif1", "miafMA1Bavif", "an AVIF");
  expect("isom", "isomiso2mp41", "a video");
}

TEST(Decode, RejectsTooManyPixelsBeforeAllocating) {
  // 20,000 is 0x4e20.
  const auto png = changed(file_bytes(golden_path("image/decode/rgb.png")), 16,
                           std::string_view("\0\0\x4e\x20\0\0\x4e\x20", 8));
  auto jpeg = file_bytes(golden_path("image/decode/420.jpg"));
  std::size_t frame = 0;
  while (jpeg[frame] != std::byte{0xff} || jpeg[frame + 1] != std::byte{0xc0}) ++frame;
  jpeg = changed(jpeg, frame + 5, "\x4e\x20\x4e\x20");
  // A canvas of 16,384 x 16,384: each side minus one, in 24 bits.
  const auto webp = changed(file_bytes(golden_path("image/decode/animated.webp")), 24,
                            std::string_view("\xff\x3f\0\xff\x3f\0", 6));
  for (const auto& bytes : {png, jpeg, webp}) {
    const auto peak = count_of(Tag::kImage).peak_bytes;
    const auto file = memory_file("bomb", bytes);
    expect_error(ErrorKind::kArgument, "expected a picture of at most 178956970 pixels, got ",
                 [&] { decode(*file); });
    expect_error(ErrorKind::kArgument, "shrink it first", [&] { probe(*file); });
    EXPECT_EQ(count_of(Tag::kImage).peak_bytes, peak);
  }
}

TEST(Decode, RejectsPicturesWithoutPixels) {
  const auto png =
      changed(file_bytes(golden_path("image/decode/rgb.png")), 16, std::string_view("\0\0\0\0", 4));
  expect_error(ErrorKind::kCorrupt, "expected at least one pixel, got 0x30",
               [&] { decode(*memory_file("zero.png", png)); });
  auto jpeg = file_bytes(golden_path("image/decode/420.jpg"));
  std::size_t frame = 0;
  while (jpeg[frame] != std::byte{0xff} || jpeg[frame + 1] != std::byte{0xc0}) ++frame;
  jpeg = changed(jpeg, frame + 5, std::string_view("\0\0\0\0", 4));
  expect_error(ErrorKind::kCorrupt,
               "this JPEG is damaged: ", [&] { decode(*memory_file("zero.jpg", jpeg)); });
}

TEST(Decode, NamesTheDamage) {
  auto jpeg = file_bytes(golden_path("image/decode/420.jpg"));
  jpeg[jpeg.size() / 2] = std::byte{0xff};
  jpeg[jpeg.size() / 2 + 1] = std::byte{0xd9};  // an end marker in the middle
  expect_error(ErrorKind::kCorrupt, "this JPEG is damaged: Corrupt JPEG data: premature end",
               [&] { decode(*memory_file("cut.jpg", jpeg)); });
  auto png = file_bytes(golden_path("image/decode/rgb.png"));
  const auto kind = changed(png, 12, "JHDR");
  expect_error(ErrorKind::kCorrupt, "this PNG is damaged: it does not begin with an IHDR chunk",
               [&] { decode(*memory_file("kind.png", kind)); });
  png[png.size() - 30] ^= std::byte{0xff};
  expect_error(ErrorKind::kCorrupt,
               "this PNG is damaged: ", [&] { decode(*memory_file("pixels.png", png)); });
  const auto webp = changed(file_bytes(golden_path("image/decode/lossless.webp")), 20, "....");
  expect_error(ErrorKind::kCorrupt, "this WebP is damaged: its header is invalid",
               [&] { decode(*memory_file("head.webp", webp)); });
  const auto none = changed(file_bytes(golden_path("image/decode/lossless.webp")), 12, "ABCD");
  expect_error(ErrorKind::kCorrupt, "this WebP is damaged: it holds no picture",
               [&] { decode(*memory_file("none.webp", none)); });
}

TEST(Decode, PassesDeviceErrorsThrough) {
  for (const char* name : {"420.jpg", "rgb.png", "lossless.webp"}) {
    const FailingFile file(open_file(golden_path(std::string("image/decode/") + name)), 600);
    expect_error(ErrorKind::kDevice, "Input/output error", [&] { decode(file); });
  }
}

TEST(Decode, PrintsNothing) {
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  for (const char* name : {"420.jpg", "rgb.png", "lossless.webp"}) {
    auto bytes = file_bytes(golden_path(std::string("image/decode/") + name));
    bytes.resize(bytes.size() - 200);
    error_of([&] { decode(*memory_file(name, bytes)); });
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

TEST(Image, RejectsInvalidSizes) {
  expect_error(ErrorKind::kArgument, "cannot make a picture of 0x5: sides must be at least 1", [] {
    Image({0, 5});
  });
  expect_error(ErrorKind::kArgument, "-3x5", [] { Image({-3, 5}); });
  expect_error(ErrorKind::kArgument, "pixels at most 715827882", [] { Image({65536, 65536}); });
}

}  // namespace
}  // namespace semblance
