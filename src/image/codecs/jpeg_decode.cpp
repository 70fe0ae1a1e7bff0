// JPEG through libjpeg-turbo, with its defaults (fancy upsampling, accurate integer DCT), which are
// Pillow's too.
#include <cstdio>

extern "C" {
#include <jerror.h>
#include <jpeglib.h>
}

#include <algorithm>
#include <array>
#include <string_view>

#include "core/error.h"
#include "image/codecs/codecs.h"
#include "image/codecs/guarded_reader.h"
#include "image/metadata.h"
#include "image/orientation.h"

namespace semblance::codecs {
namespace {

constexpr std::size_t kChunkBytes = 16 * 1024;
constexpr int kMetadataMarker = JPEG_APP0 + 1;
// A progressive file may repeat scans endlessly, and each costs a pass over the whole picture.
constexpr int kScanLimit = 500;

/// One JPEG being read.
class JpegReader : GuardedReader {
 public:
  explicit JpegReader(const File& file, std::stop_token stop = {})
      : GuardedReader(file, ImageFormat::kJpeg, std::move(stop)),
        exif_(file),
        xmp_(file),
        chunk_(kChunkBytes, Tag::kStaging) {
    jpeg_.err = jpeg_std_error(&errors_);
    errors_.error_exit = [](j_common_ptr common) {
      JpegReader& self = of(common);
      static_assert(sizeof(self.message_) >= JMSG_LENGTH_MAX);
      (*common->err->format_message)(common, self.message_);
      self.leave_damaged();
    };
    errors_.emit_message = [](j_common_ptr common, int level) {
      if (level < 0 && means_damage(common->err->msg_code)) (*common->err->error_exit)(common);
    };
    errors_.output_message = [](j_common_ptr) {};
    jpeg_.client_data = this;
    guarded([this] { jpeg_create_decompress(&jpeg_); });
    source_.init_source = [](j_decompress_ptr) {};
    source_.term_source = [](j_decompress_ptr) {};
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.fill_input_buffer = [](j_decompress_ptr jpeg) -> boolean {
      of(jpeg).fill();
      return TRUE;
    };
    source_.skip_input_data = [](j_decompress_ptr jpeg, long count) { of(jpeg).skip(count); };
    jpeg_.src = &source_;
    progress_.progress_monitor = [](j_common_ptr common) {
      JpegReader& self = of(common);
      self.leave_where_stopped();
      if (self.jpeg_.input_scan_number <= kScanLimit) return;
      std::snprintf(self.message_, sizeof(self.message_), "it has more than %d scans", kScanLimit);
      self.leave_damaged();
    };
    jpeg_.progress = &progress_;
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  ImageInfo read_header() {
    guarded([this] {
      // libjpeg itself would save every such marker, before the picture and between its scans.
      jpeg_set_marker_processor(&jpeg_, kMetadataMarker, [](j_decompress_ptr jpeg) -> boolean {
        of(jpeg).note_metadata();
        return TRUE;
      });
      jpeg_read_header(&jpeg_, TRUE);
      jpeg_save_markers(&jpeg_, kMetadataMarker, 0);  // back to libjpeg's, which skips them
    });
    check_size(file_, jpeg_.image_width, jpeg_.image_height);
    const Size stored{static_cast<int>(jpeg_.image_width), static_cast<int>(jpeg_.image_height)};
    std::optional<int> orientation = orientation_of_exif(exif_);
    if (!orientation) orientation = orientation_of_xmp(xmp_);
    return {.format = ImageFormat::kJpeg,
            .stored = stored,
            .orientation = orientation.value_or(1),
            .decoding_bytes = 3 * pixels_of(stored) + coefficient_bytes() + codec_bytes(stored.w)};
  }

  const MetadataBlock& exif() const { return exif_; }

  Image read_picture(const ImageInfo& info) {
    const int channels = jpeg_.num_components;
    if (channels != 1 && channels != 3 && channels != 4) {
      fail_damaged(file_, ImageFormat::kJpeg,
                   fmt::format("expected 1, 3 or 4 channels, got {}", channels));
    }
    jpeg_.out_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    Image image(info.upright());
    constexpr int kRows = 16;
    const std::size_t row_bytes =
        static_cast<std::size_t>(info.stored.w) * static_cast<std::size_t>(channels);
    const std::size_t rgb_bytes = static_cast<std::size_t>(info.stored.w) * 3;
    // Grey and CMYK rows become RGB in place: each row has room for both.
    const std::size_t pitch = std::max(row_bytes, rgb_bytes);
    Buffer rows(pitch * kRows, Tag::kStaging);
    std::uint8_t* const data = rows.as<std::uint8_t>().data();
    guarded([this] { jpeg_start_decompress(&jpeg_); });
    for (int y = 0; y < info.stored.h;) {
      const int count = std::min(kRows, info.stored.h - y);
      guarded([&] {
        for (int i = 0; i < count; ++i) {
          JSAMPROW row = data + pitch * static_cast<std::size_t>(i);
          jpeg_read_scanlines(&jpeg_, &row, 1);
        }
      });
      for (int i = 0; i < count; ++i) {
        // The packed row i ends before the unpacked row i + 1 begins.
        to_rgb(data + pitch * static_cast<std::size_t>(i), info.stored.w, channels,
               data + rgb_bytes * static_cast<std::size_t>(i));
      }
      place_rows(image, info.stored, info.orientation, y, count, data);
      y += count;
    }
    return image;
  }

 private:
  static JpegReader& of(j_common_ptr common) {
    return *static_cast<JpegReader*>(common->client_data);
  }
  static JpegReader& of(j_decompress_ptr jpeg) {
    return *static_cast<JpegReader*>(jpeg->client_data);
  }

  /// Warnings that mean lost pixels; others (bytes between markers, odd versions) are harmless.
  static bool means_damage(int code) {
    return code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_JPEG_EOF ||
           code == JWRN_MUST_RESYNC;
  }

  /// Converts `src` [w, channels] to `dst` [w, 3]; dst is src or precedes it.
  static void to_rgb(const std::uint8_t* src, int w, int channels, std::uint8_t* dst) {
    if (channels == 3) return;  // already packed
    if (channels == 1) {        // from the end, because the row grows
      for (std::ptrdiff_t x = w - 1; x >= 0; --x) {
        const std::uint8_t value = src[x];
        dst[3 * x] = dst[3 * x + 1] = dst[3 * x + 2] = value;
      }
      return;
    }
    // Pillow's cmyk2rgb on inverted CMYK: black - round(ink * black / 255), 8 bits, ink = 255 - c.
    for (std::ptrdiff_t x = 0; x < w; ++x) {
      const int black = src[4 * x + 3];
      std::uint8_t rgb[3];
      for (int c = 0; c < 3; ++c) {
        const int product = (255 - src[4 * x + c]) * black + 128;
        rgb[c] = static_cast<std::uint8_t>(std::max(0, black - (((product >> 8) + product) >> 8)));
      }
      std::copy_n(rgb, 3, dst + 3 * x);
    }
  }

  /// Bytes for the coefficients of the whole picture, which several scans fill step by step.
  std::uint64_t coefficient_bytes() {
    if (!jpeg_has_multiple_scans(&jpeg_)) return 0;
    std::uint64_t bytes = 0;
    for (int i = 0; i < jpeg_.num_components; ++i) {
      const jpeg_component_info& component = jpeg_.comp_info[i];
      const auto whole = [](JDIMENSION blocks, int factor) {
        const auto step = static_cast<std::uint64_t>(factor);
        return (blocks + step - 1) / step * step;
      };
      bytes += whole(component.width_in_blocks, component.h_samp_factor) *
               whole(component.height_in_blocks, component.v_samp_factor) * sizeof(JBLOCK);
    }
    return bytes;
  }

  /// Records where EXIF and XMP are. EXIF may continue in the next marker; the last XMP counts.
  void note_metadata() {
    constexpr std::string_view kExif("Exif\0\0", 6);
    constexpr std::string_view kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
    std::array<std::byte, 2> length_bytes;
    take(length_bytes);
    const unsigned length = std::to_integer<unsigned>(length_bytes[0]) << 8 |
                            std::to_integer<unsigned>(length_bytes[1]);
    if (length < length_bytes.size()) return;  // libjpeg accepts this
    const std::uint64_t bytes = length - length_bytes.size();
    const std::uint64_t begin = position();
    std::array<std::byte, kXmp.size()> start;
    const auto seen = std::span(start).first(std::min<std::uint64_t>(bytes, start.size()));
    take(seen);
    const std::string_view text(reinterpret_cast<const char*>(seen.data()), seen.size());
    if (text.starts_with(kExif)) {
      exif_.append(begin + kExif.size(), bytes - kExif.size());
    } else if (text.starts_with(kXmp)) {
      xmp_ = MetadataBlock(file_, begin + kXmp.size(), bytes - kXmp.size());
    }
    skip(static_cast<long>(bytes - seen.size()));
  }

  /// The file offset of the next byte that libjpeg has not read.
  std::uint64_t position() const { return read_until() - source_.bytes_in_buffer; }

  void take(std::span<std::byte> dst) {
    for (std::byte& byte : dst) {
      if (source_.bytes_in_buffer == 0) fill();
      byte = static_cast<std::byte>(*source_.next_input_byte++);
      --source_.bytes_in_buffer;
    }
  }

  void fill() {
    const std::uint64_t count = std::min<std::uint64_t>(kChunkBytes, bytes_left());
    if (count == 0) leave_truncated();
    read_next(chunk_.bytes().first(count));
    source_.next_input_byte = chunk_.as<JOCTET>().data();
    source_.bytes_in_buffer = count;
  }

  void skip(long count) {
    if (count <= 0) return;
    const auto bytes = static_cast<std::uint64_t>(count);
    if (bytes <= source_.bytes_in_buffer) {
      source_.next_input_byte += bytes;
      source_.bytes_in_buffer -= bytes;
      return;
    }
    skip_next(bytes - source_.bytes_in_buffer);
    source_.bytes_in_buffer = 0;
  }

  MetadataBlock exif_;
  MetadataBlock xmp_;
  Buffer chunk_;
  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
};

}  // namespace

ImageInfo probe_jpeg(const File& file) { return JpegReader(file).read_header(); }

MetadataBlock exif_of_jpeg(const File& file) {
  JpegReader reader(file);
  reader.read_header();
  return reader.exif();
}

Image decode_jpeg(const File& file, std::stop_token stop) {
  JpegReader reader(file, std::move(stop));
  const ImageInfo info = reader.read_header();
  return reader.read_picture(info);
}

}  // namespace semblance::codecs
