#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <exception>

#include "core/error.h"
#include "core/stop.h"
#include "image/codecs/codecs.h"
#include "image/utf8.h"

namespace semblance::codecs {
namespace {

/// libpng reports errors by longjmp, as in guarded_reader.h.
struct PngWriter {
  PngWriter() {
    png = png_create_write_struct(
        PNG_LIBPNG_VER_STRING, this,
        [](png_structp inner, png_const_charp text) {
          auto& self = *static_cast<PngWriter*>(png_get_error_ptr(inner));
          std::snprintf(self.message, sizeof(self.message), "%s", text);
          std::longjmp(self.jump, 1);
        },
        [](png_structp, png_const_charp) {});
    if (png != nullptr) info = png_create_info_struct(png);
  }
  ~PngWriter() { png_destroy_write_struct(&png, &info); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  bool write(const Image& image, const std::vector<png_text>& chunks, const std::stop_token& stop) {
    if (info == nullptr) return false;
    if (setjmp(jump) != 0) return false;
    png_set_write_fn(
        png, this,
        [](png_structp inner, png_bytep data, std::size_t count) {
          auto& self = *static_cast<PngWriter*>(png_get_io_ptr(inner));
          const auto* begin = reinterpret_cast<const std::byte*>(data);
          bool full = false;
          try {
            self.bytes.insert(self.bytes.end(), begin, begin + count);
          } catch (const std::exception&) {
            full = true;
          }
          if (full) png_error(inner, "out of memory");
        },
        [](png_structp) {});
    png_set_IHDR(png, info, static_cast<png_uint_32>(image.width()),
                 static_cast<png_uint_32>(image.height()), 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_text(png, info, chunks.data(), static_cast<int>(chunks.size()));
    png_write_info(png, info);
    for (int y = 0; y < image.height(); ++y) {
      if (stop.stop_requested()) return false;
      png_write_row(png, image.row(y));
    }
    png_write_end(png, info);
    return true;
  }

  png_structp png = nullptr;
  png_infop info = nullptr;
  std::jmp_buf jump{};
  char message[200] = "libpng could not start";
  std::vector<std::byte> bytes;
};

/// The value in latin-1 if it fits (and true), else unchanged in UTF-8 (and false).
std::pair<std::string, bool> latin1_or_utf8(const std::string& value) {
  const auto points = code_points(value);
  SEMBLANCE_ASSERT(points.has_value());
  if (std::ranges::any_of(*points, [](char32_t point) { return point > 0xff; })) {
    return {value, false};
  }
  std::string latin1;
  for (const char32_t point : *points) latin1.push_back(static_cast<char>(point));
  return {latin1, true};
}

}  // namespace

std::vector<std::byte> encode_png(const Image& image, const Text& text,
                                  const std::stop_token& stop) {
  std::vector<std::string> values;  // must live until libpng has written them
  std::vector<png_text> chunks;
  values.reserve(text.size());
  std::string none;
  for (const auto& [key, value] : text) {
    const auto [encoded, latin1] = latin1_or_utf8(value);
    values.push_back(encoded);
    png_text chunk{};
    chunk.compression = latin1 ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
    chunk.key = const_cast<char*>(key.c_str());
    chunk.text = values.back().data();
    if (latin1) {
      chunk.text_length = encoded.size();
    } else {
      chunk.itxt_length = encoded.size();
      chunk.lang = none.data();
      chunk.lang_key = none.data();
    }
    chunks.push_back(chunk);
  }
  PngWriter writer;
  if (!writer.write(image, chunks, stop)) {
    check_stop(stop);
    fail(ErrorKind::kMemory, "cannot make a PNG of {}x{} pixels: {}", image.width(), image.height(),
         writer.message);
  }
  return std::move(writer.bytes);
}

}  // namespace semblance::codecs
