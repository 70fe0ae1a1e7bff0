// The texts in a picture file, which say how it was made: PNG's tEXt, zTXt and iTXt chunks; of the
// EXIF of a JPEG or WebP its UserComment (under the key "parameters", as encode.h writes it),
// ImageDescription, Make, Model and Software. Files may be hostile: memory stays below a few times
// kPictureTextBytes, whatever lengths they claim.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/decode.h"
#include "memory/file.h"

namespace semblance {

/// The most bytes of UTF-8 of all texts of a file together. (A workflow of ComfyUI has some 100
/// KiB.)
inline constexpr std::size_t kPictureTextBytes = std::size_t{16} << 20U;

struct PictureText {
  std::string key;                        // UTF-8
  std::optional<std::string> value = {};  // UTF-8; absent if there is no room left for it
};

struct PictureTexts {
  ImageInfo picture;
  std::vector<PictureText> texts;  // in the order of the file

  /// The last one of this key, as in Pillow; nullptr if there is none.
  const PictureText* find(std::string_view key) const;
};

/// Throws what probe() throws, and Error(kCorrupt) for a truncated or damaged file, as far as it is
/// read; pixels are not.
PictureTexts read_texts(const File& file);

}  // namespace semblance
