// The memory that libwebp needs to decode a lossless picture ("VP8L"), from the beginning of its
// data.
//
// Besides the pixels, libwebp keeps a set of prefix-code tables, 12 to 20 KiB, for each group of
// blocks in the file: up to 65,536 groups, at 20 bits of the file each. Their number follows small
// pictures that are themselves coded, so those are decoded here, but not kept. The format: RFC
// 9649, section 3.
#pragma once

#include <cstdint>

#include "image/codecs/codecs.h"

namespace semblance::codecs {

/// The most bytes that libwebp uses besides the encoded and the decoded picture. `offset` and
/// `bytes` locate the chunk's data in the file. Throws Error(kCorrupt) if libwebp would not decode
/// it. Uses about 20 KiB itself.
std::uint64_t webp_lossless_bytes(const File& file, std::uint64_t offset, std::uint64_t bytes);

}  // namespace semblance::codecs
