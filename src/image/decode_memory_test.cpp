// The peak memory of decoding, resizing and finding edges, measured on the process, against what
// is planned.
#include <malloc.h>
#include <png.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <cstdio>

extern "C" {
#include <jpeglib.h>
}

#include "image/canny.h"
#include "image/decode.h"
#include "image/photo_size.h"
#include "image/testing.h"
#include "tests/support/sanitized.h"

namespace semblance::testing {
namespace {

constexpr Size kSize{1200, 1000};
constexpr double kPictureBytes = 1200.0 * 1000.0 * 3.0;

/// A TIFF block with only an orientation.
std::string exif_block(int orientation) {
  std::string block("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", 18);
  block += static_cast<char>(orientation);
  return block + std::string(7, '\0');
}

std::vector<std::byte> bytes_of(const std::uint8_t* data, std::size_t count) {
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  return {begin, begin + count};
}

struct JpegKind {
  bool progressive = false;
  int chroma = 2;  // pixels per colour sample, across and down
};
std::vector<std::byte> jpeg(const Image& image, int orientation, JpegKind kind) {
  jpeg_compress_struct writer{};
  jpeg_error_mgr errors{};
  writer.err = jpeg_std_error(&errors);
  jpeg_create_compress(&writer);
  unsigned char* data = nullptr;
  unsigned long count = 0;
  jpeg_mem_dest(&writer, &data, &count);
  writer.image_width = static_cast<JDIMENSION>(image.width());
  writer.image_height = static_cast<JDIMENSION>(image.height());
  writer.input_components = 3;
  writer.in_color_space = JCS_RGB;
  jpeg_set_defaults(&writer);
  writer.comp_info[0].h_samp_factor = writer.comp_info[0].v_samp_factor = kind.chroma;
  if (kind.progressive) jpeg_simple_progression(&writer);
  jpeg_start_compress(&writer, TRUE);
  const std::string exif = std::string("Exif\0\0", 6) + exif_block(orientation);
  jpeg_write_marker(&writer, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(exif.data()),
                    static_cast<unsigned>(exif.size()));
  for (int y = 0; y < image.height(); ++y) {
    auto* row = const_cast<JSAMPROW>(image.row(y));
    jpeg_write_scanlines(&writer, &row, 1);
  }
  jpeg_finish_compress(&writer);
  std::vector<std::byte> bytes = bytes_of(data, count);
  jpeg_destroy_compress(&writer);
  std::free(data);
  return bytes;
}

std::vector<std::byte> png(const Image& image, int orientation, bool interlaced, int depth) {
  std::vector<std::byte> bytes;
  png_structp writer = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(writer);
  png_set_write_fn(
      writer, &bytes,
      [](png_structp png, png_bytep data, std::size_t count) {
        const auto part = bytes_of(data, count);
        auto* all = static_cast<std::vector<std::byte>*>(png_get_io_ptr(png));
        all->insert(all->end(), part.begin(), part.end());
      },
      nullptr);
  png_set_IHDR(writer, info, static_cast<png_uint_32>(image.width()),
               static_cast<png_uint_32>(image.height()), depth,
               depth == 16 ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB,
               interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
               PNG_FILTER_TYPE_DEFAULT);
  png_set_compression_level(writer, 1);
  std::string exif = exif_block(orientation);
  png_set_eXIf_1(writer, info, static_cast<png_uint_32>(exif.size()),
                 reinterpret_cast<png_bytep>(exif.data()));
  png_write_info(writer, info);
  std::vector<std::uint8_t> wide(static_cast<std::size_t>(image.width()) * 8, 200);
  const int passes = png_set_interlace_handling(writer);
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < image.height(); ++y)
      png_write_row(writer, depth == 16 ? wide.data() : image.row(y));
  }
  png_write_end(writer, info);
  png_destroy_write_struct(&writer, &info);
  return bytes;
}

enum class WebpKind { kLossy, kLossless, kAlpha };
std::vector<std::byte> webp(const Image& image, int orientation, WebpKind kind) {
  std::uint8_t* data = nullptr;
  std::size_t count = 0;
  const int w = image.width();
  const int h = image.height();
  const auto stride = static_cast<int>(image.row_bytes());
  if (kind == WebpKind::kLossy) {
    count = WebPEncodeRGB(image.pixels().data(), w, h, stride, 75, &data);
  } else if (kind == WebpKind::kLossless) {
    count = WebPEncodeLosslessRGB(image.pixels().data(), w, h, stride, &data);
  } else {
    std::vector<std::uint8_t> rgba;
    for (std::size_t i = 0; i < image.pixels().size(); i += 3) {
      const auto pixel = image.pixels().subspan(i, 3);
      rgba.insert(rgba.end(), pixel.begin(), pixel.end());
      rgba.push_back(static_cast<std::uint8_t>(pixel[0] ^ (i >> 9)));
    }
    count = WebPEncodeRGBA(rgba.data(), w, h, 4 * w, 75, &data);
  }
  WebPMux* mux = WebPMuxNew();
  const WebPData picture{data, count};
  const std::string exif = exif_block(orientation);
  const WebPData metadata{reinterpret_cast<const std::uint8_t*>(exif.data()), exif.size()};
  WebPMuxSetImage(mux, &picture, 1);
  WebPMuxSetChunk(mux, "EXIF", &metadata, 1);
  WebPData file{};
  WebPMuxAssemble(mux, &file);
  std::vector<std::byte> bytes = bytes_of(file.bytes, file.size);
  WebPDataClear(&file);
  WebPMuxDelete(mux);
  WebPFree(data);
  return bytes;
}

std::uint64_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key + ":")) return std::stoull(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

/// How much the process grew at its peak while `work` ran; nothing if it cannot be measured.
template <typename F>
std::optional<double> growth(F&& work) {
  malloc_trim(0);
  const std::uint64_t before = status_bytes("VmRSS");
  std::ofstream clear("/proc/self/clear_refs");
  if (!(clear << "5" << std::flush)) return std::nullopt;
  if (status_bytes("VmHWM") > before + (1 << 20)) return std::nullopt;
  work();
  return static_cast<double>(status_bytes("VmHWM")) - static_cast<double>(before);
}

struct Kind {
  std::string name;
  std::vector<std::byte> (*make)(const Image&, int orientation);
  double upright;  // measured peaks to stay below, in pictures
  double turned;
};

const Kind kKinds[] = {
    {"JPEG", [](const Image& i, int o) { return jpeg(i, o, {}); }, 1.2, 1.2},
    {"JPEG_full_colour", [](const Image& i, int o) { return jpeg(i, o, {.chroma = 1}); }, 1.2, 1.2},
    {"JPEG_progressive", [](const Image& i, int o) { return jpeg(i, o, {.progressive = true}); },
     2.2, 2.2},
    {"JPEG_progressive_full_colour",
     [](const Image& i, int o) { return jpeg(i, o, {.progressive = true, .chroma = 1}); }, 3.2,
     3.2},
    {"PNG", [](const Image& i, int o) { return png(i, o, false, 8); }, 1.2, 1.2},
    {"PNG_16_bit_alpha", [](const Image& i, int o) { return png(i, o, false, 16); }, 1.2, 1.2},
    {"PNG_interlaced", [](const Image& i, int o) { return png(i, o, true, 8); }, 1.2, 2.2},
    {"WebP", [](const Image& i, int o) { return webp(i, o, WebpKind::kLossy); }, 1.6, 2.6},
    {"WebP_lossless", [](const Image& i, int o) { return webp(i, o, WebpKind::kLossless); }, 3.2,
     4.2},
    {"WebP_alpha", [](const Image& i, int o) { return webp(i, o, WebpKind::kAlpha); }, 1.6, 2.6},
};

class DecodeMemory : public ::testing::TestWithParam<Kind> {};

TEST_P(DecodeMemory, StaysBelowTheProbedBytes) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's own memory would be measured too";
  const Image image = synthetic(kSize.w, kSize.h);
  for (const int orientation : {1, 6}) {
    const auto file = memory_file("photo", GetParam().make(image, orientation));
    const ImageInfo info = probe(*file);
    EXPECT_EQ(info.orientation, orientation);
    EXPECT_EQ(info.stored, kSize);
    decode(*file);  // loads the library's code and tables
    const auto measured = growth([&] { decode(*file); });
    if (!measured) GTEST_SKIP() << "the peak of this process cannot be reset here";
    const auto probed = static_cast<double>(info.decoding_bytes);
    std::printf("%-30s orientation %d: measured %.2f pictures, probed %.2f\n",
                GetParam().name.c_str(), orientation, *measured / kPictureBytes,
                probed / kPictureBytes);
    EXPECT_LE(*measured, probed);
    EXPECT_LE(*measured,
              kPictureBytes * (orientation == 1 ? GetParam().upright : GetParam().turned));
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, DecodeMemory, ::testing::ValuesIn(kKinds),
                         [](const auto& info) { return info.param.name; });

TEST(ResizePhoto, FreesThePhotoEarly) {
  for (const Size size : {Size{2400, 1600}, Size{700, 1900}, Size{1280, 1024}, Size{300, 310}}) {
    const Image photo = synthetic(size.w, size.h);
    const Image want = resize_photo(photo);
    const Image got = resize_photo(photo.clone());
    EXPECT_EQ(got.size(), want.size());
    EXPECT_TRUE(std::ranges::equal(got.pixels(), want.pixels()));
    if (kSanitized) continue;
    Image given = photo.clone();
    const auto measured = growth([&] { resize_photo(std::move(given)); });
    if (!measured) continue;
    const auto predicted = static_cast<double>(resize_photo_peak_bytes(size));
    EXPECT_LE(*measured + static_cast<double>(photo.pixels().size()), predicted + (1 << 20));
  }
}

TEST(CannyMemory, IsAtMostWhatIsPlanned) {
  if (kSanitized) return;
  for (const Size size : {Size{1200, 1000}, Size{333, 2000}}) {
    const Image picture = synthetic(size.w, size.h);
    canny(picture);  // loads the library's code
    const auto measured = growth([&] { canny(picture); });
    if (!measured) continue;
    const double result = 3.0 * size.w * size.h;
    EXPECT_LE(*measured, result + static_cast<double>(canny_bytes(size)) + (1 << 20));
  }
}

}  // namespace
}  // namespace semblance::testing
