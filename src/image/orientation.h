// How a camera was held: EXIF's orientation, 1 to 8, and how to undo it, as in Pillow's
// ImageOps.exif_transpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "image/image.h"
#include "image/metadata.h"

namespace semblance {

/// The orientation tag of an EXIF block (a TIFF header and its first directory, after an optional
/// "Exif\0\0"). Nothing if the block is damaged or has no such tag; values outside 1 to 8 count as
/// 1. Throws what File::read throws.
std::optional<int> orientation_of_exif(const MetadataBlock& exif);

/// The same from an XMP packet (tiff:Orientation), which counts only if EXIF has none.
std::optional<int> orientation_of_xmp(MetadataBlock xmp);

/// The size after undoing `orientation`: sides swap from 5 on.
Size upright_size(Size stored, int orientation);

/// Writes `count` stored rows, beginning with stored row `y`, to their place in the upright
/// picture. `rows` is [count, stored.w, 3]; `upright` has upright_size(stored, orientation).
void place_rows(Image& upright, Size stored, int orientation, int y, int count,
                const std::uint8_t* rows);

}  // namespace semblance
