// How a camera was held: EXIF's orientation, 1 to 8, and its undoing as Pillow's
// ImageOps.exif_transpose does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "image/image.h"
#include "image/metadata.h"

namespace semblance {

/// The orientation tag of an EXIF block (a TIFF header and its first directory, after an optional
/// "Exif\0\0"). Nothing when the block is damaged or has no such tag; a value outside of 1 to 8
/// is 1. Throws what File::read throws.
std::optional<int> orientation_of_exif(MetadataBlock exif);

/// The same from an XMP packet (tiff:Orientation), which counts only where EXIF has none.
std::optional<int> orientation_of_xmp(MetadataBlock xmp);

/// The size after undoing `orientation`: sides swap from 5 on.
Size upright_size(Size stored, int orientation);

/// Puts `count` stored rows, the first of them stored row `y`, where they belong in the upright
/// picture. `rows` is [count, stored.w, 3]; `upright` has upright_size(stored, orientation).
void place_rows(Image& upright, Size stored, int orientation, int y, int count,
                const std::uint8_t* rows);

}  // namespace semblance
