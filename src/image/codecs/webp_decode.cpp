// WebP through libwebp; for an animation, the first frame on transparent black. libwebp never sees
// alpha: only the chunk with the colours is read.
#include <webp/decode.h>

#include <algorithm>
#include <array>
#include <optional>

#include "core/error.h"
#include "image/codecs/codecs.h"
#include "image/codecs/webp_lossless.h"
#include "image/metadata.h"
#include "image/orientation.h"

namespace semblance::codecs {
namespace {

constexpr std::uint64_t kRiffHeaderBytes = 12;
constexpr std::uint64_t kChunkHeaderBytes = 8;
// Limits the time for a file of empty chunks.
constexpr int kWebPChunkLimit = 1'000'000;
constexpr unsigned kAnimationFlag = 0x02;
constexpr unsigned kXmpFlag = 0x04;
constexpr unsigned kAlphaFlag = 0x10;
constexpr unsigned kExifFlag = 0x08;

std::uint32_t little_endian(const std::byte* bytes, int width) {
  std::uint32_t value = 0;
  for (int i = width - 1; i >= 0; --i) value = value << 8 | std::to_integer<unsigned>(bytes[i]);
  return value;
}

struct Chunk {
  std::uint64_t offset = 0;  // of its header
  std::uint64_t bytes = 0;   // with its header
  std::array<std::byte, 40> start{};
  std::size_t start_bytes = 0;

  std::string_view type() const { return {reinterpret_cast<const char*>(start.data()), 4}; }
  std::uint64_t data_bytes() const { return bytes - kChunkHeaderBytes; }
  const std::byte* data() const { return start.data() + kChunkHeaderBytes; }
  bool is_picture() const { return type() == "VP8 " || type() == "VP8L"; }
};

/// Iterates over the chunks in a range of the file.
class Chunks {
 public:
  Chunks(const File& file, std::uint64_t begin, std::uint64_t end)
      : file_(file), offset_(begin), end_(end) {}

  std::optional<Chunk> next() {
    if (end_ < offset_ + kChunkHeaderBytes || count_++ == kWebPChunkLimit) return std::nullopt;
    Chunk chunk{.offset = offset_};
    chunk.start_bytes = std::min<std::uint64_t>(chunk.start.size(), end_ - offset_);
    file_.read(offset_, std::span(chunk.start).first(chunk.start_bytes));
    chunk.bytes = kChunkHeaderBytes + little_endian(chunk.start.data() + 4, 4);
    if (chunk.bytes > end_ - offset_) fail_truncated(file_, ImageFormat::kWebp);
    chunk.start_bytes = std::min<std::uint64_t>(chunk.start_bytes, chunk.bytes);
    offset_ += chunk.bytes + chunk.bytes % 2;
    return chunk;
  }

 private:
  const File& file_;
  std::uint64_t offset_;
  std::uint64_t end_;
  int count_ = 0;
};

/// The picture to decode and its position on the canvas.
struct Frame {
  Chunk picture;
  Size size;
  int x = 0;
  int y = 0;
};

struct Layout {
  std::optional<Size> canvas;
  std::optional<Frame> frame;
  int orientation = 1;
  bool has_alpha = false;
  std::optional<MetadataBlock> exif;
};

Size size_of(const File& file, const Chunk& picture) {
  WebPBitstreamFeatures features{};
  if (WebPGetFeatures(reinterpret_cast<const std::uint8_t*>(picture.start.data()),
                      picture.start_bytes, &features) != VP8_STATUS_OK) {
    fail_damaged(file, ImageFormat::kWebp, "its header is invalid");
  }
  return {features.width, features.height};
}

/// An animation's frame: a header, and the chunks of one picture.
std::optional<Frame> frame_in(const File& file, const Chunk& chunk) {
  constexpr std::uint64_t kHeadBytes = 16;
  if (chunk.data_bytes() < kHeadBytes) return std::nullopt;
  const std::byte* head = chunk.data();
  const auto number = [head](int at) { return static_cast<int>(little_endian(head + at, 3)); };
  Frame frame{.picture = {},
              .size = {number(6) + 1, number(9) + 1},
              .x = 2 * number(0),
              .y = 2 * number(3)};
  Chunks chunks(file, chunk.offset + kChunkHeaderBytes + kHeadBytes, chunk.offset + chunk.bytes);
  while (const auto part = chunks.next()) {
    if (!part->is_picture()) continue;
    frame.picture = *part;
    return frame;
  }
  return std::nullopt;
}

Layout read_layout(const File& file) {
  std::array<std::byte, kRiffHeaderBytes> head{};
  file.read(0, head);
  // From the RIFF header; other data may follow.
  const std::uint64_t end = std::uint64_t{8} + little_endian(head.data() + 4, 4);
  if (end > file.size()) fail_truncated(file, ImageFormat::kWebp);
  Layout layout;
  Chunks chunks(file, kRiffHeaderBytes, end);
  const auto first = chunks.next();
  if (!first) return layout;
  if (first->is_picture()) {  // a plain file has no metadata
    layout.canvas = size_of(file, *first);
    layout.frame = Frame{.picture = *first, .size = *layout.canvas};
    return layout;
  }
  if (first->type() != "VP8X" || first->data_bytes() < 10) return layout;
  const unsigned flags = std::to_integer<unsigned>(first->data()[0]);
  layout.canvas = {static_cast<int>(little_endian(first->data() + 4, 3)) + 1,
                   static_cast<int>(little_endian(first->data() + 7, 3)) + 1};
  const bool animation = (flags & kAnimationFlag) != 0;
  layout.has_alpha = (flags & kAlphaFlag) != 0;
  std::optional<int> exif;
  std::optional<int> xmp;
  while (const auto chunk = chunks.next()) {
    const MetadataBlock data(file, chunk->offset + kChunkHeaderBytes, chunk->data_bytes());
    if (animation && !layout.frame && chunk->type() == "ANMF") {
      layout.frame = frame_in(file, *chunk);
    } else if (!animation && !layout.frame && chunk->is_picture()) {
      layout.frame = Frame{.picture = *chunk, .size = *layout.canvas};
    } else if (chunk->type() == "EXIF" && (flags & kExifFlag) != 0 && !exif) {
      exif = orientation_of_exif(data);
      if (!layout.exif) layout.exif = data;
    } else if (chunk->type() == "XMP " && (flags & kXmpFlag) != 0 && !xmp) {
      xmp = orientation_of_xmp(data);
    }
  }
  layout.orientation = exif ? *exif : xmp.value_or(1);
  return layout;
}

/// The checked content of a file: what libwebp decodes fits in the canvas.
struct Opened {
  ImageInfo info;
  Frame frame;
};
Opened open_webp(const File& file) {
  const Layout layout = read_layout(file);
  if (layout.canvas) check_size(file, layout.canvas->w, layout.canvas->h);
  if (!layout.frame) fail_damaged(file, ImageFormat::kWebp, "it holds no picture");
  const Size canvas = *layout.canvas;
  const Frame& frame = *layout.frame;
  if (size_of(file, frame.picture) != frame.size || frame.size.w > canvas.w - frame.x ||
      frame.size.h > canvas.h - frame.y) {
    fail_damaged(file, ImageFormat::kWebp, "its first frame does not fit in it");
  }
  const std::uint64_t whole =
      frame.picture.type() == "VP8L"
          ? webp_lossless_bytes(file, frame.picture.offset + kChunkHeaderBytes,
                                frame.picture.data_bytes())
          : 0;
  // libwebp frees its memory before a picture is turned, but the allocator keeps it.
  const unsigned bytes_a_pixel = layout.orientation == 1 ? 3 : 6;
  return {.info = {.format = ImageFormat::kWebp,
                   .stored = canvas,
                   .orientation = layout.orientation,
                   .has_alpha = layout.has_alpha,
                   .decoding_bytes = bytes_a_pixel * pixels_of(canvas) + frame.picture.bytes +
                                     whole + codec_bytes(canvas.w)},
          .frame = frame};
}

}  // namespace

ImageInfo probe_webp(const File& file) { return open_webp(file).info; }

MetadataBlock exif_of_webp(const File& file) {
  return read_layout(file).exif.value_or(MetadataBlock(file));
}

Image decode_webp(const File& file) {
  const Opened opened = open_webp(file);
  const Frame& frame = opened.frame;
  const ImageInfo& info = opened.info;
  Buffer bytes(frame.picture.bytes, Tag::kStaging);
  file.read(frame.picture.offset, bytes.bytes());
  const std::uint8_t* const data = bytes.as<std::uint8_t>().data();
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) {
    fail(ErrorKind::kInternal, "internal error: libwebp's version differs from its header's");
  }
  Image stored(info.stored);
  std::uint8_t* const start = stored.row(frame.y) + static_cast<std::size_t>(frame.x) * 3;
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = start;
  config.output.u.RGBA.stride = static_cast<int>(stored.row_bytes());
  config.output.u.RGBA.size =
      static_cast<std::size_t>(stored.pixels().data() + stored.pixels().size() - start);
  // The buffer's size was read from these bytes, but the file may have changed since.
  if (WebPGetFeatures(data, bytes.size(), &config.input) != VP8_STATUS_OK ||
      Size{config.input.width, config.input.height} != frame.size) {
    fail_damaged(file, ImageFormat::kWebp, "its first frame does not fit in it");
  }
  switch (WebPDecode(data, bytes.size(), &config)) {
    case VP8_STATUS_OK:
      break;
    case VP8_STATUS_OUT_OF_MEMORY:
      fail(ErrorKind::kMemory, "cannot read {}: libwebp is out of memory for its {}x{} pixels",
           file.name(), info.stored.w, info.stored.h);
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      fail_truncated(file, ImageFormat::kWebp);
    default:
      fail_damaged(file, ImageFormat::kWebp, "its pixel data is invalid");
  }
  if (info.orientation == 1) return stored;
  Image image(info.upright());
  place_rows(image, info.stored, info.orientation, 0, info.stored.h, stored.pixels().data());
  return image;
}

}  // namespace semblance::codecs
