// What libwebp takes to decode a lossless picture ("VP8L"), from the head of its bits.
//
// Beside the pixels libwebp keeps a set of prefix-code tables, of 12 to 20 KiB, for every group of
// blocks that the file makes: up to 65,536 of them, for 20 bits of the file each. How many there
// are stands behind small pictures that are coded themselves, so those are read here; nothing of
// them is kept. The format: RFC 9649, section 3.
#pragma once

#include <cstdint>

#include "image/codecs/codecs.h"

namespace semblance::codecs {

/// The most bytes that libwebp takes beside the encoded and the decoded picture. `offset` and
/// `bytes` say where in the file the chunk's data lies. Throws Error(kCorrupt) where libwebp would
/// not decode it. Takes some 20 KiB itself.
std::uint64_t webp_lossless_bytes(const File& file, std::uint64_t offset, std::uint64_t bytes);

}  // namespace semblance::codecs
