// Pictures to files: PNG, JPEG (colour halved; as Pillow with the same quality) and WebP (lossy),
// with text about how the picture was made, where AUTOMATIC1111's web UI puts it:
// in PNG a chunk per key (tEXt when the value is latin-1, else iTXt); in JPEG and WebP the value of
// the key "parameters" as EXIF's UserComment (UNICODE, UTF-16 big-endian), that of "Software" as
// EXIF's tag of this name, and each other key as a line "key: value" after the parameters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "image/decode.h"
#include "image/image.h"

namespace semblance {

/// Keys and UTF-8 values. A key is 1 to 79 printable ASCII characters, without spaces at its ends.
using ImageText = std::vector<std::pair<std::string, std::string>>;

/// Of JPEG and WebP, where nothing else is asked for.
inline constexpr int kEncodingQuality = 95;

/// The file's bytes. `quality`: 0 to 100, nothing to PNG. Throws Error(kArgument) for an empty
/// picture, a side beyond the format's own limit (JPEG 65,500, WebP 16,383, PNG 1,000,000), a key
/// as above does not allow, a value that is not UTF-8 or holds a zero, or more text than a JPEG can
/// carry (about 32,000 characters). To find such trouble before a picture is computed, encode a 1 x
/// 1 one. A PNG takes seconds where it is large: after `stop` it throws Error(kCancelled).
std::vector<std::byte> encode(const Image& image, ImageFormat format, const ImageText& text = {},
                              int quality = kEncodingQuality, const std::stop_token& stop = {});

/// The most memory that encode() takes at once for a picture of this size, its result included; the
/// text is not counted.
std::uint64_t encoding_bytes(ImageFormat format, Size size);

/// The format that a file's name asks for: .png, .jpg, .jpeg or .webp, in any case. Throws
/// Error(kArgument) for another name.
ImageFormat format_for(const std::filesystem::path& path);

/// Encodes by the path's extension and writes the file, which appears whole or not at all. Throws
/// what the two above and OutputFile throw.
void write_image(const Image& image, const std::filesystem::path& path, const ImageText& text = {},
                 const std::stop_token& stop = {});

}  // namespace semblance
