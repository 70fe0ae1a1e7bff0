// Pictures from files: JPEG, PNG and WebP into upright 8-bit RGB.
//
// The judge is Pillow: ImageOps.exif_transpose(Image.open(path)).convert("RGB"). That is: alpha and
// transparent colours are dropped, not blended; grey becomes three equal channels; a palette is
// looked up; 16-bit colour keeps its high byte, 16-bit grey is cut at 255 (as Pillow does, which
// leaves little but white); CMYK is taken inverted, as Adobe writes it; of an animation the first
// frame is taken; colour profiles are not applied. PNG and lossless WebP agree exactly.
//
// The format is found by a file's first bytes, never by its name. Files are hostile: a size is
// checked before memory is taken, and what a codec warns of as damage (a premature end, bad codes)
// is an Error, not a grey patch. All functions are thread-safe.
//
// Of what else a file carries, only the orientation is read, from EXIF or XMP. A block of either
// beyond 1 MiB (MetadataBlock::kByteLimit) is ignored: such a picture is decoded as it is stored,
// which Pillow would turn. Text, colour profiles and all other chunks and markers are skipped and
// take no memory, whatever length they claim.
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

/// Most pixels a picture may have: Pillow's limit against decompression bombs, twice 89,478,485
/// (half a GiB of RGB).
inline constexpr std::int64_t kPixelLimit = 178'956'970;

struct ImageInfo {
  ImageFormat format = ImageFormat::kJpeg;
  Size stored;          // as the file has it
  int orientation = 1;  // EXIF's (or XMP's), 1 to 8
  /// The most memory that decode() takes at once, the picture included. Compare it with what there
  /// is before decode() is called: a small file can ask for gigabytes.
  std::uint64_t decoding_bytes = 0;
  /// The size decode() gives.
  Size upright() const;
};

/// The most memory that probe() takes at once, whatever the file.
inline constexpr std::uint64_t kProbeBytes = 64 << 10;

/// What a picture is, from its headers alone. Throws Error(kArgument) for a file that is not a
/// JPEG, PNG or WebP picture or has more than kPixelLimit pixels, Error(kCorrupt) for an empty,
/// truncated or damaged one, and what open_file throws.
ImageInfo probe(const File& file);
ImageInfo probe(const std::filesystem::path& path);

/// The upright picture. Throws as probe does. Takes what probe() says at most: 3 bytes a pixel,
/// and beside them a few hundred bytes for each pixel of a row. More only for: a JPEG in several
/// scans (progressive; 2 bytes for each of its samples: 3 a pixel, 6 where colour is not halved);
/// WebP (its encoded pixels; 4 bytes a pixel and tables of codes where it is lossless); a turned
/// picture that is WebP or interlaced PNG (3 bytes a pixel). After `stop` JPEG and PNG throw
/// Error(kCancelled) between two rows.
Image decode(const File& file, std::stop_token stop = {});
Image decode(const std::filesystem::path& path);

}  // namespace semblance
