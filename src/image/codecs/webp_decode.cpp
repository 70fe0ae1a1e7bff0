// WebP through libwebp; of an animation, the first frame on transparent black, whose alpha is
// dropped.
#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "core/error.h"
#include "image/codecs/codecs.h"
#include "image/orientation.h"

namespace semblance::codecs {
namespace {

constexpr std::uint64_t kRiffHeaderBytes = 12;
constexpr std::uint64_t kFileLimit = std::uint64_t{1} << 30;
constexpr std::uint64_t kMetadataLimit = 16 << 20;
constexpr int kChunkLimit = 1'000'000;  // a file of nothing but empty chunks is not worth a minute
constexpr std::uint64_t kTableBytes = 4 << 20;  // of a lossless picture's codes
constexpr unsigned kAnimationFlag = 0x02;
constexpr unsigned kXmpFlag = 0x04;
constexpr unsigned kExifFlag = 0x08;

std::uint32_t little_endian(const std::byte* bytes, int width) {
  std::uint32_t value = 0;
  for (int i = width - 1; i >= 0; --i) value = value << 8 | std::to_integer<unsigned>(bytes[i]);
  return value;
}

/// Bytes of the file that are the picture: what RIFF's header says; more may follow.
std::uint64_t riff_bytes(const File& file) {
  std::array<std::byte, kRiffHeaderBytes> head{};
  file.read(0, head);
  const std::uint64_t bytes = std::uint64_t{8} + little_endian(head.data() + 4, 4);
  if (bytes > file.size()) fail_truncated(file, ImageFormat::kWebp);
  if (bytes > kFileLimit) {
    fail(ErrorKind::kCorrupt, "cannot read {}: a WebP picture has at most {} bytes, this has {}",
         file.name(), kFileLimit, bytes);
  }
  return bytes;
}

std::vector<std::byte> read_chunk(const File& file, std::uint64_t offset, std::uint64_t bytes) {
  std::vector<std::byte> data(bytes);
  file.read(offset, data);
  return data;
}

}  // namespace

ImageInfo probe_webp(const File& file) {
  const std::uint64_t end = riff_bytes(file);
  std::optional<Size> size;
  std::optional<int> exif;
  std::optional<int> xmp;
  unsigned flags = 0;
  bool lossless = false;
  bool has_alpha = false;
  std::uint64_t offset = kRiffHeaderBytes;
  for (int chunks = 0; offset + 8 <= end && chunks < kChunkLimit; ++chunks) {
    std::array<std::byte, 8 + 32> head{};
    file.read(offset, std::span(head).first(std::min<std::uint64_t>(head.size(), end - offset)));
    const std::string_view type(reinterpret_cast<const char*>(head.data()), 4);
    const std::uint64_t length = little_endian(head.data() + 4, 4);
    const std::byte* body = head.data() + 8;
    if (length > end - offset - 8) fail_truncated(file, ImageFormat::kWebp);
    lossless = lossless || type == "VP8L";
    has_alpha = has_alpha || type == "ALPH";
    if (type == "VP8X" && length >= 10) {
      flags = std::to_integer<unsigned>(body[0]);
      size = {static_cast<int>(little_endian(body + 4, 3)) + 1,
              static_cast<int>(little_endian(body + 7, 3)) + 1};
      check_size(file, size->w, size->h);
    } else if ((type == "VP8 " || type == "VP8L") && !size) {
      WebPBitstreamFeatures features{};
      const auto status =
          WebPGetFeatures(reinterpret_cast<const std::uint8_t*>(head.data()),
                          std::min<std::uint64_t>(head.size(), end - offset), &features);
      if (status != VP8_STATUS_OK) {
        fail_damaged(file, ImageFormat::kWebp, "its header makes no sense");
      }
      size = {features.width, features.height};
      check_size(file, size->w, size->h);
      break;  // a plain file has no metadata
    } else if (type == "EXIF" && (flags & kExifFlag) != 0 && !exif && length <= kMetadataLimit) {
      exif = orientation_of_exif(read_chunk(file, offset + 8, length));
    } else if (type == "XMP " && (flags & kXmpFlag) != 0 && !xmp && length <= kMetadataLimit) {
      xmp = orientation_of_xmp(read_chunk(file, offset + 8, length));
    }
    offset += 8 + length + (length & 1);
  }
  if (!size) fail_damaged(file, ImageFormat::kWebp, "it holds no picture");
  const int orientation = exif ? *exif : xmp.value_or(1);
  // The picture; the file itself; what libwebp decodes without loss as a whole: the picture, 4
  // bytes a pixel, or alpha, whose plane is added (a frame of an animation may be either). It gives
  // that back before a picture is turned, but to the allocator, which keeps it.
  const bool alpha = has_alpha || (flags & kAnimationFlag) != 0;
  const unsigned whole = alpha ? 5 : lossless ? 4 : 0;
  const unsigned bytes_a_pixel = 3 + (orientation == 1 ? 0U : 3U) + whole;
  const std::uint64_t tables = whole == 0 ? 0 : kTableBytes + pixels_of(*size) / 4;
  return {.format = ImageFormat::kWebp,
          .stored = *size,
          .orientation = orientation,
          .decoding_bytes = bytes_a_pixel * pixels_of(*size) + end + tables + codec_bytes(size->w)};
}

Image decode_webp(const File& file) {
  const ImageInfo info = probe_webp(file);
  Buffer bytes(riff_bytes(file), Tag::kStaging);
  file.read(0, bytes.bytes());
  const WebPData data{bytes.as<std::uint8_t>().data(), bytes.size()};
  WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> demuxer(
      WebPDemuxPartial(&data, &state), &WebPDemuxDelete);
  if (demuxer == nullptr || state == WEBP_DEMUX_PARSE_ERROR) {
    fail_damaged(file, ImageFormat::kWebp, "its chunks make no sense");
  }
  WebPIterator frame;
  if (state != WEBP_DEMUX_DONE) fail_truncated(file, ImageFormat::kWebp);
  if (WebPDemuxGetFrame(demuxer.get(), 1, &frame) == 0) {
    fail_damaged(file, ImageFormat::kWebp, "it holds no picture");
  }
  const std::unique_ptr<WebPIterator, decltype(&WebPDemuxReleaseIterator)> release(
      &frame, &WebPDemuxReleaseIterator);

  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) {
    fail(ErrorKind::kInternal, "internal error: libwebp is another version than its header");
  }
  // The frame's own header, checked here, is what libwebp decodes by.
  if (WebPGetFeatures(frame.fragment.bytes, frame.fragment.size, &config.input) != VP8_STATUS_OK ||
      config.input.width != frame.width || config.input.height != frame.height ||
      frame.x_offset < 0 || frame.y_offset < 0 || frame.width > info.stored.w - frame.x_offset ||
      frame.height > info.stored.h - frame.y_offset) {
    fail_damaged(file, ImageFormat::kWebp, "its first frame does not fit in it");
  }
  Image stored(info.stored);
  std::uint8_t* const start =
      stored.row(frame.y_offset) + static_cast<std::size_t>(frame.x_offset) * 3;
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = start;
  config.output.u.RGBA.stride = static_cast<int>(stored.row_bytes());
  config.output.u.RGBA.size =
      static_cast<std::size_t>(stored.pixels().data() + stored.pixels().size() - start);
  switch (WebPDecode(frame.fragment.bytes, frame.fragment.size, &config)) {
    case VP8_STATUS_OK:
      break;
    case VP8_STATUS_OUT_OF_MEMORY:
      fail(ErrorKind::kMemory, "cannot read {}: libwebp has no memory for its {}x{} pixels",
           file.name(), info.stored.w, info.stored.h);
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      fail_truncated(file, ImageFormat::kWebp);
    default:
      fail_damaged(file, ImageFormat::kWebp, "its pixel data makes no sense");
  }
  if (info.orientation == 1) return stored;
  Image image(info.upright());
  place_rows(image, info.stored, info.orientation, 0, info.stored.h, stored.pixels().data());
  return image;
}

}  // namespace semblance::codecs
