// CLIP's public vocabulary of 49,408 tokens, for checkpoints in a single file, which have no
// tokenizer. The program contains the learnt pairs as two ids of 16 bits each, 191 KiB that are
// read from the executable's file when needed; every token is the joined texts of such a pair.
#pragma once

#include <cstdint>
#include <span>

#include "text/tokenizer_files.h"

namespace semblance {

inline constexpr std::int32_t kClipTokens = 49'408;

/// What the published files of SDXL's first (0) or second (1) tokenizer give. They differ in the
/// token of padding: the end, or "!".
TokenizerFiles clip_tokenizer_files(int encoder);

/// merges.bin: for each pair its left and right id, little endian. Defined by the build.
std::span<const unsigned char> clip_merges();

}  // namespace semblance
