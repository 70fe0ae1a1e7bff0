// Files that demand far more memory than they are worth. Checks the peak of probe() and decode(),
// counting every allocation, against the documented limits.
#include <webp/encode.h>
#include <zlib.h>

#include <random>

#include "image/decode.h"
#include "image/testing.h"
#include "tests/support/allocation_count.h"
#include "tests/support/sanitized.h"

namespace semblance::testing {
namespace {

std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
std::string golden_text(const std::string& name) {
  return text_of(file_bytes(golden_path("image/decode/" + name)));
}

std::string number(std::uint64_t value, int bytes, bool big_endian) {
  std::string text;
  for (int i = 0; i < bytes; ++i) {
    const int shift = 8 * (big_endian ? bytes - 1 - i : i);
    text.push_back(static_cast<char>(value >> shift & 0xff));
  }
  return text;
}

std::string png_chunk(const std::string& type, const std::string& data) {
  const std::string body = type + data;
  const auto crc =
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return number(data.size(), 4, true) + body + number(crc, 4, true);
}
std::string jpeg_marker(char code, const std::string& data) {
  return std::string("\xff") + code + number(data.size() + 2, 2, true) + data;
}
std::string webp_chunk(const std::string& type, const std::string& data) {
  return type + number(data.size(), 4, false) + data + std::string(data.size() % 2, '\0');
}
std::string webp_file(const std::string& chunks) {
  return "RIFF" + number(chunks.size() + 4, 4, false) + "WEBP" + chunks;
}

/// A TIFF block with an orientation, followed by `padding` bytes.
std::string exif_block(int orientation, std::size_t padding) {
  return std::string("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18) +
         number(static_cast<std::uint64_t>(orientation), 4, false) + std::string(4 + padding, '\0');
}

/// The peak memory of `work`, and the text of the Error that it threw, if any.
struct Taken {
  std::uint64_t bytes = 0;
  std::string error;
};
template <typename F>
Taken taken_by(F&& work) {
  Taken taken;
  const AllocationCount count;
  try {
    work();
  } catch (const Error& error) {
    taken.error = error.what();
  }
  taken.bytes = static_cast<std::uint64_t>(count.read().peak_bytes);
  return taken;
}

/// Checks both limits and returns the decoded picture, or the error.
struct Tried {
  ImageInfo info;
  Image image;
  std::string error;
  std::uint64_t decoding_bytes = 0;  // measured
};
Tried tried(const std::string& content) {
  Tried result;
  const auto file = file_over("the photo", content);
  const Taken probing = taken_by([&] { result.info = probe(*file); });
  EXPECT_LE(probing.bytes, kProbeBytes);
  const Taken decoding = taken_by([&] { result.image = decode(*file); });
  result.error = decoding.error;
  result.decoding_bytes = decoding.bytes;
  EXPECT_LE(decoding.bytes, probing.error.empty() ? result.info.decoding_bytes : kProbeBytes);
  return result;
}

class Bomb : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kSanitized) GTEST_SKIP() << "allocations cannot be counted under a sanitizer";
  }
};

TEST_F(Bomb, GoldensStayWithinTheProbedBytes) {
  for (const auto& entry : golden_json("decode.json")) {
    SCOPED_TRACE(entry["file"]);
    EXPECT_EQ(tried(golden_text(entry["file"])).error, "");
  }
}

TEST_F(Bomb, PngChunksThatClaimTwoGigabytesTakeNothing) {
  const std::string png = golden_text("rgb.png");
  const std::string start = png.substr(0, 8 + 25);  // the signature and IHDR
  for (const char* type : {"tEXt", "zTXt", "iTXt", "sPLT", "pCAL", "sCAL", "iCCP", "eXIf", "hIST",
                           "bKGD", "tRNS", "tIME", "ruSt"}) {
    SCOPED_TRACE(type);
    const Tried cut = tried(start + number(0x7ffffff0, 4, true) + type);
    EXPECT_NE(cut.error.find("this PNG is truncated (it has 41 bytes)"), std::string::npos)
        << cut.error;
    EXPECT_LT(cut.decoding_bytes, 64U << 10U);
  }
}

TEST_F(Bomb, PngTextThatInflatesToGigabytesIsSkipped) {
  std::string zeros(7'900'000, '\0');
  std::string packed(compressBound(zeros.size()), '\0');
  uLongf count = packed.size();
  ASSERT_EQ(compress2(reinterpret_cast<Bytef*>(packed.data()), &count,
                      reinterpret_cast<const Bytef*>(zeros.data()), zeros.size(), 9),
            Z_OK);
  packed.resize(count);
  const std::string png = golden_text("rgb.png");
  std::string bomb = png.substr(0, 33);
  for (int i = 0; i < 200; ++i) {
    bomb += png_chunk("zTXt", "key" + std::to_string(i) + std::string(2, '\0') + packed);
  }
  bomb += png.substr(33);
  const Tried result = tried(bomb);
  EXPECT_EQ(result.error, "");
  EXPECT_LT(result.decoding_bytes, 256U << 10U);
  const Image want = decode(*file_over("plain", png));
  EXPECT_TRUE(std::ranges::equal(result.image.pixels(), want.pixels()));
}

TEST_F(Bomb, JpegMarkersAreNotKept) {
  const std::string jpeg = golden_text("420_progressive.jpg");
  const std::string exif = "Exif" + std::string(2, '\0');
  std::string many;
  for (int i = 0; i < 400; ++i) {
    many += jpeg_marker('\xe1', exif + std::string(65'000, '\x11'));
    many += jpeg_marker('\xe2', "ICC_PROFILE" + std::string(65'000, '\x11'));
    many += jpeg_marker('\xfe', std::string(65'000, '\x11'));
  }
  const std::size_t scan = jpeg.rfind("\xff\xda");  // not the first one
  ASSERT_GT(scan, jpeg.find("\xff\xda"));
  const std::string bomb =
      jpeg.substr(0, 2) + many + jpeg.substr(2, scan - 2) + many + jpeg.substr(scan);
  const Tried result = tried(bomb);
  EXPECT_EQ(result.error, "");
  const Image want = decode(*file_over("plain", jpeg));
  EXPECT_TRUE(std::ranges::equal(result.image.pixels(), want.pixels()));
}

TEST_F(Bomb, WebpChunksAreNotKept) {
  const std::string lossy = golden_text("lossy_alpha.webp").substr(12);  // VP8X first
  ASSERT_TRUE(lossy.starts_with("VP8X"));
  std::string empty;
  for (int i = 0; i < 200'000; ++i) empty += webp_chunk("ruSt", "");
  const Tried result = tried(webp_file(lossy.substr(0, 18) + empty + lossy.substr(18) + empty));
  EXPECT_EQ(result.error, "");
  const Image want = decode(*file_over("plain", webp_file(lossy)));
  EXPECT_TRUE(std::ranges::equal(result.image.pixels(), want.pixels()));
}

TEST_F(Bomb, MetadataBeyondTheLimitIsIgnored) {
  const std::string png = golden_text("rgb.png");
  const std::string jpeg = golden_text("420.jpg");
  const std::string lossy = golden_text("exif_4.webp").substr(12);
  const std::size_t old = lossy.find("EXIF");
  ASSERT_NE(old, std::string::npos);
  const std::string prefix("Exif\0\0", 6);
  for (const bool within : {true, false}) {
    const std::size_t padding =
        (std::size_t{1} << 20) - exif_block(6, 0).size() - (within ? 0 : -1);
    const std::string exif = exif_block(6, padding);
    const int want = within ? 6 : 1;
    EXPECT_EQ(tried(png.substr(0, 33) + png_chunk("eXIf", exif) + png.substr(33)).info.orientation,
              want);
    EXPECT_EQ(tried(webp_file(lossy.substr(0, old) + webp_chunk("EXIF", exif))).info.orientation,
              want);
    std::string markers;
    for (std::size_t at = 0; at < exif.size(); at += 65'000) {
      markers += jpeg_marker('\xe1', prefix + exif.substr(at, 65'000));
    }
    EXPECT_EQ(tried(jpeg.substr(0, 2) + markers + jpeg.substr(2)).info.orientation, want);
  }
}

/// Writes bits as in lossless WebP, the lowest of each byte first.
class Bits {
 public:
  void put(unsigned value, int count) {
    for (int i = 0; i < count; ++i, ++count_) {
      if (count_ % 8 == 0) bytes_.push_back('\0');
      if ((value >> i & 1U) != 0) bytes_.back() |= static_cast<char>(1 << count_ % 8);
    }
  }
  /// The code of a literal if all 256 have 8 bits: most significant bit first.
  void literal(unsigned value) {
    for (int bit = 7; bit >= 0; --bit) put(value >> bit & 1U, 1);
  }
  /// A code with a single symbol.
  void single(unsigned value) {
    put(1, 1);
    put(0, 1);
    put(1, 1);
    put(value, 8);
  }
  /// A code in which each of the first 256 symbols has 8 bits and the others have none. Since 8 is
  /// the only length, its own code takes no bits.
  void all_literals() {
    put(0, 1);
    put(8, 4);  // 12 code lengths follow, for 17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8
    for (int i = 0; i < 11; ++i) put(0, 3);
    put(1, 3);
    put(1, 1);    // not all symbols
    put(3, 3);    // an 8-bit count follows
    put(254, 8);  // 256 of them
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  int count_ = 0;
};

/// A picture in which each block of 4 x 4 pixels has its own group of codes.
std::string webp_of_groups(unsigned side, unsigned groups) {
  Bits bits;
  bits.put(0x2f, 8);
  bits.put(side - 1, 14);
  bits.put(side - 1, 14);
  bits.put(0, 4);  // no alpha, version 0
  bits.put(0, 1);  // no transform
  bits.put(0, 1);  // no colour cache
  bits.put(1, 1);  // groups
  bits.put(0, 3);  // blocks of 4 x 4
  bits.put(0, 1);  // no colour cache
  bits.all_literals();
  bits.all_literals();
  bits.single(0);
  bits.single(0);
  bits.single(0);
  const unsigned blocks = (side + 3) / 4 * ((side + 3) / 4);
  for (unsigned i = 0; i < blocks; ++i) {
    const unsigned group = std::min(i, groups - 1);
    bits.literal(group & 0xff);
    bits.literal(group >> 8);
  }
  for (unsigned i = 0; i < groups; ++i) {
    for (int code = 0; code < 5; ++code) bits.single(code == 4 ? 0 : 77);
  }
  return webp_file(webp_chunk("VP8L", bits.bytes()));
}

TEST_F(Bomb, WebpCodeTablesAreProbedBeforeDecoding) {
  for (const unsigned groups : {1U, 2U, 300U, 5000U}) {
    const std::string bomb = webp_of_groups(400, groups);
    const Tried result = tried(bomb);
    EXPECT_EQ(result.error, "") << groups;
    ASSERT_FALSE(result.image.empty());
    EXPECT_EQ(result.image.row(399)[3 * 399], 77);
    // 11.8 KiB of tables per group, from 9 bytes of the file.
    EXPECT_GE(result.decoding_bytes, groups * 11'816);
    EXPECT_LE(result.info.decoding_bytes, result.decoding_bytes + (2U << 20U));
  }
}

/// Photos, drawings in few colours, and noise, encoded by libwebp at several efforts: probe() must
/// understand each and report enough memory.
TEST_F(Bomb, WebpLosslessOfEveryKindIsUnderstood) {
  const Image photo = decode(golden_path("image/astronaut.jpg"));
  std::mt19937 random(1);
  for (const int kind : {0, 1, 2, 3}) {
    for (const Size size : {Size{1, 1}, Size{7, 90}, Size{300, 200}}) {
      Image image(size);
      for (int y = 0; y < size.h; ++y) {
        for (int i = 0; i < 3 * size.w; ++i) {
          const unsigned noise = static_cast<unsigned>(random());
          const std::uint8_t values[] = {
              photo.row(y)[i], static_cast<std::uint8_t>(photo.row(y)[i / 3 * 3] / 64 * 64),
              static_cast<std::uint8_t>(noise), static_cast<std::uint8_t>((i / 30 + y / 7) % 9)};
          image.row(y)[i] = values[kind];
        }
      }
      for (const int effort : {0, 4, 7}) {
        SCOPED_TRACE(::testing::Message()
                     << kind << ": " << size.w << "x" << size.h << ", " << effort);
        WebPConfig config;
        WebPPicture picture;
        WebPMemoryWriter writer;
        ASSERT_TRUE(WebPConfigInit(&config) && WebPConfigLosslessPreset(&config, effort) &&
                    WebPPictureInit(&picture));
        picture.use_argb = 1;
        picture.width = size.w;
        picture.height = size.h;
        picture.writer = WebPMemoryWrite;
        picture.custom_ptr = &writer;
        WebPMemoryWriterInit(&writer);
        ASSERT_TRUE(WebPPictureImportRGB(&picture, image.pixels().data(), 3 * size.w) &&
                    WebPEncode(&config, &picture));
        const std::string content(reinterpret_cast<const char*>(writer.mem), writer.size);
        WebPMemoryWriterClear(&writer);
        WebPPictureFree(&picture);
        const Tried result = tried(content);
        EXPECT_EQ(result.error, "");
        EXPECT_TRUE(std::ranges::equal(result.image.pixels(), image.pixels()));
      }
    }
  }
}

}  // namespace
}  // namespace semblance::testing
