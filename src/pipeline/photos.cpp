#include "pipeline/photos.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "pipeline/request.h"
#include "sampling/noise.h"

namespace semblance {
namespace {

/// Of one photo all ways are the same.
Combine combine_of(const Request& request, int photos) {
  if (photos == 1) return Combine::kAverage;
  const auto found = std::ranges::find(kCombineNames, request.combine.name);
  return static_cast<Combine>(found - kCombineNames.begin());
}

/// How many photos there are of each person; before they are read, as many as the request says.
std::vector<int> photos_of_each(const Request& request) {
  if (request.photos.size() == people_in(request)) return request.photos;
  std::vector<int> counts;
  for (const std::string& text : request.people) counts.push_back(parse_person(text).photos);
  return counts;
}

/// The mean of a person's photos, [photos,e].
std::vector<float> mean_of_photos(std::span<const float> photos, std::size_t count,
                                  Combine combine) {
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

}  // namespace

FaceLayout face_layout(const Request& request) {
  FaceLayout layout;
  for (const int photos : photos_of_each(request)) {
    const Combine combine = combine_of(request, photos);
    layout.runs.push_back(combine == Combine::kConcat ? photos : 1);
    const std::int64_t length = combine == Combine::kSequence ? photos : 1;
    if (layout.runs.size() > 1 && length != layout.length) {
      fail(ErrorKind::kArgument,
           "cannot take {} {}: expected as many photos of each person, got {} and {}\n  use {}",
           parameters::kCombine.name, request.combine.name, layout.length, length,
           kCombineNames[0]);
    }
    layout.length = length;
  }
  return layout;
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
  std::vector<float> combined;
  const std::vector<int> counts = photos_of_each(request);
  const auto all = static_cast<std::size_t>(std::accumulate(counts.begin(), counts.end(), 0));
  const std::size_t size = photos.size() / all;
  for (const int each : counts) {
    const auto count = static_cast<std::size_t>(each);
    const std::span<const float> own = photos.first(count * size);
    photos = photos.subspan(count * size);
    const Combine combine = combine_of(request, each);
    if (each == 1 || combine == Combine::kConcat || combine == Combine::kSequence) {
      combined.insert(combined.end(), own.begin(), own.end());
    } else {
      const std::vector<float> mean = mean_of_photos(own, count, combine);
      combined.insert(combined.end(), mean.begin(), mean.end());
    }
  }
  return combined;
}

}  // namespace semblance
