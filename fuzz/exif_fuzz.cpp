// links: semblance_image
// Any bytes as EXIF and as XMP give an orientation or none, and EXIF's texts, the same wherever the
// block is split.
#include <algorithm>
#include <cstdlib>

#include "image/exif.h"
#include "image/orientation.h"
#include "image/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  if (size == 0) return 0;
  const auto file = file_over("fuzz", {reinterpret_cast<const char*>(data), size});
  const std::uint64_t piece = data[0] + 1U;  // the rest is the block
  const MetadataBlock whole(*file, 1, size - 1);
  MetadataBlock split(*file);
  for (std::uint64_t at = 1; at < size; at += piece) {
    split.append(at, std::min<std::uint64_t>(piece, size - at));
  }
  const auto check = [&](const auto& reader) {
    const std::optional<int> found = reader(whole);
    if (found && (*found < 1 || *found > 8)) std::abort();
    // A block in more pieces than allowed counts as no block.
    if (split.size() == whole.size() && reader(split) != found) std::abort();
    if (split.size() != whole.size() && (split.size() != 0 || reader(split))) std::abort();
  };
  check(orientation_of_exif);
  check(orientation_of_xmp);
  const std::vector<PictureText> texts = texts_of_exif(whole);
  for (const PictureText& text : texts) {
    if (text.key.empty() || !text.value || text.value->empty() || !code_points(*text.value))
      std::abort();
  }
  if (split.size() == whole.size() && texts_of_exif(split).size() != texts.size()) std::abort();
  return 0;
}
