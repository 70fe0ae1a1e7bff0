// PNG through libpng, directly into the picture's rows: a stored row (palette indices, 16-bit grey)
// fits in the space of its RGB and is widened in place.
#include <png.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "core/error.h"
#include "image/codecs/codecs.h"
#include "image/codecs/guarded_reader.h"
#include "image/codecs/png_chunks.h"
#include "image/metadata.h"
#include "image/orientation.h"

namespace semblance::codecs {
namespace {

/// An iTXt chunk's text if it is an uncompressed XMP packet.
MetadataBlock xmp_of(MetadataBlock chunk, const File& file) {
  constexpr std::string_view kKeyword("XML:com.adobe.xmp\0\0\0", 20);  // and not compressed
  if (!chunk.starts_with(kKeyword)) return MetadataBlock(file);
  const std::string_view end("\0", 1);
  const auto language = chunk.find(end, kKeyword.size());
  const auto translated = language ? chunk.find(end, *language + 1) : std::nullopt;
  return translated ? chunk.from(*translated + 1) : MetadataBlock(file);
}

/// The orientation from EXIF, or else XMP, anywhere in the file (it may follow the pixels). A file
/// that ends early only ends the search: the pixels decide whether it is truncated.
int find_orientation(const File& file) {
  std::optional<int> from_xmp;
  PngChunks chunks(file);
  while (const auto chunk = chunks.next()) {
    const MetadataBlock data(file, chunk->offset, chunk->bytes);
    if (chunk->type() == "eXIf") {
      if (const auto found = orientation_of_exif(data)) return *found;
    } else if (chunk->type() == "iTXt") {
      if (const auto found = orientation_of_xmp(xmp_of(data, file))) from_xmp = found;
    }
  }
  return from_xmp.value_or(1);
}

/// One PNG being read.
class PngReader : GuardedReader {
 public:
  PngReader(const File& file, std::stop_token stop)
      : GuardedReader(file, ImageFormat::kPng, std::move(stop)) {
    png_ = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, this,
        [](png_structp png, png_const_charp message) {
          auto& self = *static_cast<PngReader*>(png_get_error_ptr(png));
          std::snprintf(self.message_, sizeof(self.message_), "%s", message);
          self.leave_damaged();
        },
        [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      fail(ErrorKind::kMemory, "cannot read {}: libpng is out of memory", file.name());
    }
    png_set_read_fn(png_, this, [](png_structp png, png_bytep data, std::size_t count) {
      static_cast<PngReader*>(png_get_io_ptr(png))
          ->read_next(std::as_writable_bytes(std::span(data, count)));
    });
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  Image read_picture(const ImageInfo& info) {
    guarded([this] {
      // libpng drops all chunks that the pixels do not need, known and unknown (-1), without
      // allocating the lengths they claim. The limits are for chunks that a later libpng might read
      // nevertheless.
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
      png_set_chunk_malloc_max(png_, MetadataBlock::kByteLimit);
      png_set_chunk_cache_max(png_, 1);  // means none; 0 would mean unlimited
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
      png_read_info(png_, info_);
      // Pillow shows an index outside the palette as black; libpng would warn.
      png_set_check_for_invalid_index(png_, -1);
    });
    const int type = png_get_color_type(png_, info_);
    const int depth = png_get_bit_depth(png_, info_);
    const bool palette = type == PNG_COLOR_TYPE_PALETTE;
    const bool wide_grey = type == PNG_COLOR_TYPE_GRAY && depth == 16;
    guarded([&] {
      if (palette) {
        png_set_packing(png_);
      } else if (!wide_grey) {
        if (depth == 16) png_set_strip_16(png_);
        if (depth < 8) png_set_expand_gray_1_2_4_to_8(png_);
        if ((type & PNG_COLOR_MASK_ALPHA) != 0) png_set_strip_alpha(png_);
        if ((type & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(png_);
      }
      passes_ = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    });
    const auto colours = palette ? palette_colours() : Colours{};
    const auto widen = [&](std::uint8_t* row) {
      if (palette) {
        for (std::ptrdiff_t x = info.stored.w - 1; x >= 0; --x) {
          const auto colour = colours[row[x]];
          std::copy_n(colour.begin(), 3, row + 3 * x);
        }
      } else if (wide_grey) {
        for (std::ptrdiff_t x = info.stored.w - 1; x >= 0; --x) {
          const std::uint8_t value = row[2 * x] != 0 ? 255 : row[2 * x + 1];
          row[3 * x] = row[3 * x + 1] = row[3 * x + 2] = value;
        }
      }
    };
    SEMBLANCE_ASSERT(png_get_rowbytes(png_, info_) <= static_cast<std::size_t>(info.stored.w) * 3);

    if (passes_ > 1 || info.orientation == 1) {
      Image stored(info.stored);
      for (int pass = 0; pass < passes_; ++pass) {
        for (int y = 0; y < info.stored.h; ++y) read_row(stored.row(y));
      }
      for (int y = 0; y < info.stored.h; ++y) widen(stored.row(y));
      if (info.orientation == 1) return stored;
      Image image(info.upright());
      place_rows(image, info.stored, info.orientation, 0, info.stored.h, stored.pixels().data());
      return image;
    }
    Image image(info.upright());
    constexpr int kRows = 16;
    const std::size_t row_bytes = static_cast<std::size_t>(info.stored.w) * 3;
    Buffer rows(row_bytes * kRows, Tag::kStaging);
    std::uint8_t* const data = rows.as<std::uint8_t>().data();
    for (int y = 0; y < info.stored.h; y += kRows) {
      const int count = std::min(kRows, info.stored.h - y);
      for (int i = 0; i < count; ++i) {
        std::uint8_t* row = data + row_bytes * static_cast<std::size_t>(i);
        read_row(row);
        widen(row);
      }
      place_rows(image, info.stored, info.orientation, y, count, data);
    }
    return image;
  }

 private:
  using Colours = std::array<std::array<std::uint8_t, 3>, 256>;

  /// Entries missing from the file are black, as in Pillow.
  Colours palette_colours() const {
    Colours colours{};
    png_colorp entries = nullptr;
    int count = 0;
    png_get_PLTE(png_, info_, &entries, &count);
    for (int i = 0; i < count; ++i) {
      colours[static_cast<std::size_t>(i)] = {entries[i].red, entries[i].green, entries[i].blue};
    }
    return colours;
  }

  void read_row(std::uint8_t* row) {
    guarded([this, row] {
      leave_where_stopped();
      png_read_row(png_, row, nullptr);
    });
  }

  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
};

}  // namespace

ImageInfo probe_png(const File& file) {
  constexpr std::uint64_t kHeaderBytes = kPngSignatureBytes + 8 + 13;
  if (file.size() < kHeaderBytes) fail_truncated(file, ImageFormat::kPng);
  std::array<std::byte, kHeaderBytes> start;
  file.read(0, start);
  const auto chunk = std::span(start).subspan(kPngSignatureBytes);
  if (std::memcmp(chunk.data() + 4, "IHDR", 4) != 0) {
    fail_damaged(file, ImageFormat::kPng, "it does not begin with an IHDR chunk");
  }
  const std::uint32_t w = big_endian(chunk.subspan(8));
  const std::uint32_t h = big_endian(chunk.subspan(12));
  check_size(file, w, h);
  ImageInfo info{.format = ImageFormat::kPng,
                 .stored = {static_cast<int>(w), static_cast<int>(h)},
                 .orientation = find_orientation(file)};
  constexpr std::size_t kColorType = 8 + 9;
  info.has_alpha = (std::to_integer<int>(chunk[kColorType]) & PNG_COLOR_MASK_ALPHA) != 0;
  constexpr std::size_t kInterlace = 8 + 12;
  const bool twice = info.orientation != 1 && chunk[kInterlace] != std::byte{0};
  info.decoding_bytes = (twice ? 6 : 3) * pixels_of(info.stored) + codec_bytes(info.stored.w);
  return info;
}

Image decode_png(const File& file, std::stop_token stop) {
  const ImageInfo info = probe_png(file);
  return PngReader(file, std::move(stop)).read_picture(info);
}

}  // namespace semblance::codecs
