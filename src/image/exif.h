// The EXIF block that records how a picture was made: written, and read.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "image/metadata.h"
#include "image/picture_text.h"

namespace semblance {

/// The keys of the texts that EXIF has in tags of their own.
inline constexpr std::string_view kCommentKey = "parameters";
inline constexpr std::string_view kSoftwareKey = "Software";

/// A big-endian TIFF block (without the "Exif\0\0" of JPEG): Software in the first directory,
/// UserComment ("UNICODE\0" and UTF-16 big-endian) in the Exif directory; empty ones are left out.
/// Both arguments must be valid UTF-8.
std::vector<std::byte> make_exif(std::string_view comment, std::string_view software);

/// The texts of any program's block (image/picture_text.h). A UserComment in UNICODE is UTF-16 in
/// the byte order in which more of its characters are Latin, or else in the block's. Damaged parts
/// are left out. Throws what File::read throws.
std::vector<PictureText> texts_of_exif(const MetadataBlock& exif);

}  // namespace semblance
