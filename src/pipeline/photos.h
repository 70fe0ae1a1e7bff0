// Several photos of one person: how their embeddings become face tokens (Request::combine).
#pragma once

#include <array>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

namespace semblance {

struct Request;

/// How users name it; Combine has the same order.
inline constexpr std::array<std::string_view, 4> kCombineNames{"average", "norm_average", "concat",
                                                               "sequence"};
/// The first three as in ComfyUI_InstantID, the last as the published pipeline reads a list of
/// embeddings. IdentityNet reads the tokens of the first run.
enum class Combine : std::uint8_t {
  kAverage,      // of the embeddings
  kNormAverage,  // of the embeddings, each component divided by its norm over the photos
  kConcat,       // the tokens of all photos, one after the other
  kSequence,     // the resampler reads all photos at once
};

/// How the resampler reads the photos of all people, one after the other.
struct FaceLayout {
  std::vector<std::int64_t> runs = {};  // of each person; each makes the same number of face tokens
  std::int64_t length = 1;              // embeddings that a run reads

  std::int64_t all_runs() const { return std::accumulate(runs.begin(), runs.end(), 0L); }
};
/// Throws Error(kArgument) for people with different numbers of photos as sequences.
FaceLayout face_layout(const Request& request);

/// What the resampler reads, [runs,length,e], from the embeddings of all photos,
/// [sum of request.photos,e].
std::vector<float> combined_embeddings(const Request& request, std::span<const float> photos);

/// What the resampler reads for guidance's unconditional half: zeros as the published pipeline, or
/// with `noise` above 0 torch.rand times it, as ComfyUI_InstantID: of the CPU, with the sum of
/// `embeddings` (a person's of combined_embeddings()) as its seed.
std::vector<float> empty_face(std::span<const float> embeddings, float noise);

}  // namespace semblance
