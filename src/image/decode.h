// Decodes JPEG, PNG and WebP files into upright 8-bit RGB.
//
// The reference is Pillow: ImageOps.exif_transpose(Image.open(path)).convert("RGB"). That is: alpha
// and transparent colours are dropped, not blended; grey becomes three equal channels; palettes are
// looked up; 16-bit colour keeps its high byte; 16-bit grey is clipped at 255 (as in Pillow, which
// leaves little but white); CMYK is read as inverted, as Adobe writes it; the first frame of an
// animation is used; colour profiles are not applied. PNG and lossless WebP agree exactly.
//
// The format is detected from the first bytes, never from the name. Files may be hostile: sizes are
// checked before memory is allocated, and damage that a codec only warns of (a premature end, bad
// codes) is an Error, not a grey patch. All functions are thread-safe.
//
// The only metadata read is the orientation, from EXIF or XMP. A block of either larger than 1 MiB
// (MetadataBlock::kByteLimit) is ignored: such a picture stays as stored, where Pillow would turn
// it. Text, colour profiles and all other chunks and markers are skipped and take no memory,
// whatever length they claim.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string_view>

#include "image/image.h"
#include "memory/file.h"

namespace semblance {

enum class ImageFormat : std::uint8_t { kJpeg, kPng, kWebp };

/// "JPEG", "PNG", "WebP": for messages.
std::string_view name_of(ImageFormat format);

/// The most pixels a picture may have: Pillow's limit against decompression bombs, twice 89,478,485
/// (half a GiB of RGB).
inline constexpr std::int64_t kPixelLimit = 178'956'970;

struct ImageInfo {
  ImageFormat format = ImageFormat::kJpeg;
  Size stored;             // as in the file
  int orientation = 1;     // EXIF's (or XMP's), 1 to 8
  bool has_alpha = false;  // which decode() drops
  /// The most memory that decode() uses at once, including the picture. Compare it with the
  /// available memory before calling decode(): a small file can demand gigabytes.
  std::uint64_t decoding_bytes = 0;
  /// The size that decode() returns.
  Size upright() const;
};

/// The most memory that probe() uses at once, for any file.
inline constexpr std::uint64_t kProbeBytes = 64 << 10;

/// Reads a picture's headers. Throws Error(kArgument) for a file that is not a JPEG, PNG or WebP
/// picture or has more than kPixelLimit pixels, Error(kCorrupt) for an empty, truncated or damaged
/// one, and what open_file throws.
ImageInfo probe(const File& file);
ImageInfo probe(const std::filesystem::path& path);

/// Decodes the upright picture. Throws like probe. Uses at most what probe() reports: 3 bytes per
/// pixel plus a few hundred bytes for each pixel of a row. Additional memory is needed for: a JPEG
/// in several scans (progressive; 2 bytes per sample: 3 per pixel, 6 if colour is not subsampled);
/// WebP (its encoded pixels; for lossless ones also 4 bytes per pixel and code tables); a turned
/// picture in WebP or interlaced PNG (3 bytes per pixel). After `stop`, JPEG and PNG throw
/// Error(kCancelled) between two rows.
Image decode(const File& file, std::stop_token stop = {});
Image decode(const std::filesystem::path& path);

}  // namespace semblance
