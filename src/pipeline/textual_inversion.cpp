#include "pipeline/textual_inversion.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/ascii.h"
#include "core/error.h"
#include "text/unicode.h"
#include "weights/checkpoint.h"
#include "weights/names.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostRows = 75;  // of a group of tokens
constexpr std::array<std::string_view, 2> kEncoderNames{"clip_l", "clip_g"};

bool has_numbers(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 ||
         dtype == DType::kF64;
}

/// The tensors by what the format calls them, without "string_to_param.".
std::vector<std::pair<std::string_view, const StoredTensor*>> tensors_in(const WeightMap& weights) {
  constexpr std::string_view kOld = "string_to_param.";
  std::vector<std::pair<std::string_view, const StoredTensor*>> found;
  for (const auto& [name, tensor] : weights) {
    std::string_view short_name = name;
    if (short_name.starts_with(kOld)) short_name.remove_prefix(kOld.size());
    if (has_numbers(tensor.dtype)) found.emplace_back(short_name, &tensor);
  }
  return found;
}

[[noreturn]] void refuse_kind(const fs::path& file, const WeightMap& weights) {
  const auto found = tensors_in(weights);
  if (found.size() == 1 && found[0].second->shape.rank() > 0) {
    fail(ErrorKind::kShape,
         "cannot take the embedding {}: expected vectors for SDXL's two text encoders (clip_l and "
         "clip_g), got one tensor of width {}\n  it was made for Stable Diffusion 1 or 2: look for "
         "one for SDXL",
         file.string(), found[0].second->shape[-1]);
  }
  std::vector<std::string> names;
  for (const auto& [name, tensor] : weights) {
    names.push_back(printable(name));
    if (names.size() == 5) break;
  }
  fail(ErrorKind::kCorrupt,
       "cannot take the embedding {}: expected the tensors clip_l and clip_g, got {}",
       file.string(), names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

/// A tensor of rows; a single vector is one row.
StoredTensor rows_of(const fs::path& file, std::size_t encoder, const StoredTensor& tensor,
                     std::int64_t width) {
  const Shape& shape = tensor.shape;
  const bool is_one = shape.rank() == 1;
  const std::int64_t rows = is_one ? 1 : shape.rank() == 2 ? shape[0] : 0;
  if (rows < 1 || rows > kMostRows || shape[-1] != width) {
    fail(ErrorKind::kShape,
         "cannot take the embedding {}: expected {} of 1 to {} vectors of {} numbers, got {}",
         file.string(), kEncoderNames[encoder], kMostRows, width, to_string(shape));
  }
  StoredTensor result = tensor;
  result.shape = {rows, width};
  return result;
}

TextualInversion open_one(const fs::path& file, const std::array<ClipConfig, 2>& clip) {
  const WeightMap weights = open_weights(file);
  TextualInversion made{.word = file.stem().string()};
  decode_utf8(made.word, "the name of an embedding");
  const auto tensors = tensors_in(weights);
  for (std::size_t encoder = 0; encoder < 2; ++encoder) {
    const auto found = std::ranges::find(tensors, kEncoderNames[encoder],
                                         [](const auto& each) { return each.first; });
    if (found == tensors.end()) refuse_kind(file, weights);
    made.vectors[encoder] = rows_of(file, encoder, *found->second, clip[encoder].width);
  }
  if (made.vectors[0].shape[0] != made.vectors[1].shape[0]) {
    fail(ErrorKind::kShape,
         "cannot take the embedding {}: expected as many vectors in clip_l as in clip_g, got {} "
         "and {}",
         file.string(), made.vectors[0].shape[0], made.vectors[1].shape[0]);
  }
  made.rows = static_cast<std::int32_t>(made.vectors[0].shape[0]);
  return made;
}

}  // namespace

std::vector<TextualInversion> open_textual_inversions(const std::vector<fs::path>& files,
                                                      const std::array<ClipConfig, 2>& clip) {
  std::vector<TextualInversion> all;
  for (const fs::path& file : files) {
    TextualInversion made = open_one(file, clip);
    const bool is_known = std::ranges::any_of(
        all, [&](const TextualInversion& other) { return lower(other.word) == lower(made.word); });
    if (is_known) {
      fail(
          ErrorKind::kArgument,
          "cannot take the embedding {}: there is another one called {}\n  rename one of the files",
          file.string(), made.word);
    }
    all.push_back(std::move(made));
  }
  // So that their order does not matter to a run that is resumed.
  std::ranges::sort(all, {}, &TextualInversion::word);
  return all;
}

std::vector<VectorWord> vector_words(const std::vector<TextualInversion>& inversions) {
  std::vector<VectorWord> words;
  std::int32_t row = 0;
  for (const TextualInversion& inversion : inversions) {
    words.push_back({inversion.word, row, inversion.rows});
    row += inversion.rows;
  }
  return words;
}

void read_vector(const std::vector<TextualInversion>& inversions, std::size_t encoder,
                 std::int32_t row, std::span<float> dst) {
  for (const TextualInversion& inversion : inversions) {
    if (row < inversion.rows) {
      const StoredTensor& vectors = inversion.vectors[encoder];
      std::vector<std::byte> raw(vectors.row_bytes());
      read_rows(vectors, row, 1, raw, dst);
      return;
    }
    row -= inversion.rows;
  }
  SEMBLANCE_ASSERT(false);
}

}  // namespace semblance
