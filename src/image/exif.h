// The EXIF block that records how a picture was made.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace semblance {

/// A big-endian TIFF block (without the "Exif\0\0" of JPEG): Software in the first directory,
/// UserComment ("UNICODE\0" and UTF-16 big-endian) in the Exif directory; empty ones are left out.
/// Both arguments must be valid UTF-8.
std::vector<std::byte> make_exif(std::string_view comment, std::string_view software);

}  // namespace semblance
