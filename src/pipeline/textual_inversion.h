// Textual inversions ("embeddings"): files with vectors that stand in both text encoders' inputs in
// place of a word, which is the file's name. Nothing is loaded: rows are read when a prompt has the
// word.
//
// Formats: safetensors or a torch archive with `clip_l` [n,768] and `clip_g` [n,1280]; older
// archives with `string_to_param`, as the AUTOMATIC1111 web UI writes them. Those of Stable
// Diffusion 1 and 2 have vectors for one encoder, and are refused.
#pragma once

#include <array>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "models/clip.h"
#include "text/prompt_tokens.h"
#include "weights/weight_map.h"

namespace semblance {

struct TextualInversion {
  std::string word;  // the file's name without its ending
  std::int32_t rows = 0;
  std::array<StoredTensor, 2> vectors = {};  // [rows,width] of each encoder
};

/// Opens files for encoders of these widths. Throws Error(kArgument) for a name that is not UTF-8
/// or that two files have, Error(kShape) for vectors of another model, Error(kCorrupt) for a file
/// that is no textual inversion, and what open_weights() throws.
std::vector<TextualInversion> open_textual_inversions(
    const std::vector<std::filesystem::path>& files, const std::array<ClipConfig, 2>& clip);

/// Their words, with rows counted through all of them.
std::vector<VectorWord> vector_words(const std::vector<TextualInversion>& inversions);

/// Reads the vector of a row, counted as vector_words() does, for an encoder. Throws what
/// File::read throws.
void read_vector(const std::vector<TextualInversion>& inversions, std::size_t encoder,
                 std::int32_t row, std::span<float> dst);

}  // namespace semblance
