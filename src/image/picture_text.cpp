#include "image/picture_text.h"

#include <algorithm>

#include "core/error.h"
#include "image/codecs/codecs.h"
#include "image/exif.h"

namespace semblance {

const PictureText* PictureTexts::find(std::string_view key) const {
  const auto found = std::find_if(texts.rbegin(), texts.rend(),
                                  [&](const PictureText& text) { return text.key == key; });
  return found == texts.rend() ? nullptr : &*found;
}

PictureTexts read_texts(const File& file) {
  const ImageInfo picture = probe(file);
  switch (picture.format) {
    case ImageFormat::kPng:
      return {picture, codecs::texts_of_png(file)};
    case ImageFormat::kJpeg:
      return {picture, texts_of_exif(codecs::exif_of_jpeg(file))};
    case ImageFormat::kWebp:
      return {picture, texts_of_exif(codecs::exif_of_webp(file))};
  }
  SEMBLANCE_ASSERT(false);
}

}  // namespace semblance
