#include "pipeline/photos.h"

#include <algorithm>
#include <cmath>

#include "pipeline/request.h"

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
