// Encodes pictures as PNG, JPEG (colour subsampled; as Pillow at the same quality) and WebP
// (lossy), with text about how the picture was made, stored where AUTOMATIC1111's web UI stores it.
// PNG: a chunk per key (tEXt if the value is latin-1, else iTXt). JPEG and WebP: the value of
// "parameters" as EXIF's UserComment (UNICODE, UTF-16 big-endian), that of "Software" as the EXIF
// tag of this name, and every other key as a line "key: value" after the parameters.
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

/// Keys and UTF-8 values. A key is 1 to 79 printable ASCII characters without spaces at either end.
using ImageText = std::vector<std::pair<std::string, std::string>>;

/// The default quality of JPEG and WebP.
inline constexpr int kEncodingQuality = 95;

/// Returns the file's bytes. `quality`: 0 to 100; PNG ignores it. Throws Error(kArgument) for an
/// empty picture, a side above the format's limit (JPEG 65,500, WebP 16,383, PNG 1,000,000), an
/// invalid key, a value that is not UTF-8 or contains a zero byte, or more text than a JPEG can
/// hold (about 32,000 characters). To find such errors before computing a picture, encode one of 1
/// x 1. A large PNG takes seconds: after `stop` it throws Error(kCancelled).
std::vector<std::byte> encode(const Image& image, ImageFormat format, const ImageText& text = {},
                              int quality = kEncodingQuality, const std::stop_token& stop = {});

/// The most memory that encode() uses at once for a picture of this size, including its result but
/// not the text.
std::uint64_t encoding_bytes(ImageFormat format, Size size);

/// The format for a file name that ends in .png, .jpg, .jpeg or .webp, in any case. Throws
/// Error(kArgument) for other names.
ImageFormat format_for(const std::filesystem::path& path);

/// Encodes in the format of the path's extension and writes the file, which appears whole or not at
/// all. Throws what encode, format_for and OutputFile throw.
void write_image(const Image& image, const std::filesystem::path& path, const ImageText& text = {},
                 const std::stop_token& stop = {});

}  // namespace semblance
