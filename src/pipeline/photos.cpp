#include "pipeline/photos.h"

#include <algorithm>
#include <cmath>

#include "pipeline/request.h"
#include "sampling/noise.h"

namespace semblance {
namespace {

/// Of one photo all ways are the same.
Combine combine_of(const Request& request) {
  if (request.photos == 1) return Combine::kAverage;
  const auto found = std::ranges::find(kCombineNames, request.combine.name);
  return static_cast<Combine>(found - kCombineNames.begin());
}

}  // namespace

FaceLayout face_layout(const Request& request) {
  switch (combine_of(request)) {
    case Combine::kConcat:
      return {.runs = request.photos};
    case Combine::kSequence:
      return {.length = request.photos};
    case Combine::kAverage:
    case Combine::kNormAverage:
      break;
  }
  return {};
}

std::vector<float> empty_face(std::span<const float> embeddings, float noise) {
  std::vector<float> empty(embeddings.size());
  if (noise <= 0) return empty;
  // As Python's int() and %.
  constexpr std::int64_t kSeeds = 1'000'000'007;
  double sum = 0;
  for (const float value : embeddings) sum += static_cast<double>(value);
  const std::int64_t whole = static_cast<std::int64_t>(sum) % kSeeds;
  NoiseGenerator(static_cast<std::uint64_t>(whole < 0 ? whole + kSeeds : whole)).rand(empty);
  for (float& value : empty) value *= noise;
  return empty;
}

std::vector<float> combined_embeddings(const Request& request, std::span<const float> photos) {
  const Combine combine = combine_of(request);
  if (request.photos == 1 || combine == Combine::kConcat || combine == Combine::kSequence)
    return {photos.begin(), photos.end()};
  const auto count = static_cast<std::size_t>(request.photos);
  const std::size_t size = photos.size() / count;
  std::vector<float> mean(size);
  for (std::size_t i = 0; i < size; ++i) {
    double sum = 0;
    double squares = 0;
    for (std::size_t photo = 0; photo < count; ++photo) {
      const auto value = static_cast<double>(photos[photo * size + i]);
      sum += value;
      squares += value * value;
    }
    const double norm = combine == Combine::kNormAverage ? std::sqrt(squares) : 1;
    mean[i] = norm > 0 ? static_cast<float>(sum / norm / static_cast<double>(count)) : 0;
  }
  return mean;
}

}  // namespace semblance
