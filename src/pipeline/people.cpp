#include "pipeline/people.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "core/error.h"
#include "pipeline/opened_models.h"
#include "pipeline/person_choice.h"
#include "pipeline/request.h"
#include "pipeline/stage.h"
#include "pipeline/stage_graphs.h"

namespace semblance {
namespace {

void check_count(std::string_view what, std::size_t wanted, std::size_t got) {
  if (wanted == got) return;
  fail(ErrorKind::kArgument, "cannot take {}: expected {} of {} people, got {}",
       parameters::kPeople.name, what, wanted, got);
}

}  // namespace

Request with_photos(const OpenedModels& models, Request request, const People& people) {
  const auto size = static_cast<std::size_t>(models.resampler.embedding);
  const std::size_t count = people_in(request);
  const std::size_t photos = people.embeddings.size() / size;
  if (count == 1) request.photos = {static_cast<int>(photos)};
  const auto wanted =
      static_cast<std::size_t>(std::accumulate(request.photos.begin(), request.photos.end(), 0));
  if (people.embeddings.empty() || people.embeddings.size() != wanted * size) {
    fail(ErrorKind::kArgument,
         "cannot take the face's embedding: expected {} numbers for each photo, got {}", size,
         people.embeddings.size());
  }
  check_count("photos", count, request.photos.size());
  check_count("keypoints", count, people.keypoints.size());
  if (count > 1) check_count("regions", count, people.regions ? people.regions->size() : 0);
  if (request.region_mask) check_count("boxes of the faces", count, people.face_boxes.size());
  for (std::size_t i = 0; people.regions && i < people.regions->size(); ++i) {
    const Mask& region = (*people.regions)[i];
    if (region.size() == Size{request.width, request.height}) continue;
    fail(ErrorKind::kArgument,
         "cannot take {}: expected masks of {}x{}, as the new picture, got {}x{}",
         parameters::kPeople.name, request.width, request.height, region.size().w, region.size().h);
  }
  return request;
}

MaskTypes mask_types(const OpenedModels& models, const Request& request) {
  const auto people = static_cast<std::int64_t>(people_in(request));
  MaskTypes types;
  if (people == 1 && !request.region_mask) return types;
  const std::int64_t h = request.height / models.vae.fold();
  const std::int64_t w = request.width / models.vae.fold();
  types.levels = level_sizes(models.unet, h, w);
  const std::vector<LevelSize>& levels = types.levels;
  for (std::int64_t p = 0; p < people; ++p) {
    PersonMasks& masks = types.people.emplace_back();
    for (std::size_t i = 0; i < levels.size(); ++i) {
      masks.attention.push_back({fmt::format("attention_mask_{}_{}", p + 1, i),
                                 {DType::kF32, {1, levels[i].h * levels[i].w, 1}}});
    }
  }
  if (request.region_mask) {
    for (std::size_t i = 0; i < levels.size(); ++i) {
      types.residuals.push_back({fmt::format("residual_mask_{}", i),
                                 {DType::kF32, {people, levels[i].h, levels[i].w, 1}}});
    }
  }
  if (people > 1) types.blend = NamedType{"blend", {DType::kF32, {people, h, w}}};
  return types;
}

std::vector<NamedType> masks_of_step(const MaskTypes& types, const StepKind& kind) {
  std::vector<NamedType> read;
  for (std::size_t p = 0; p < types.people.size(); ++p) {
    if (!kind.has_adapter(p)) continue;
    const std::vector<NamedType>& masks = types.people[p].attention;
    read.insert(read.end(), masks.begin(), masks.end());
  }
  if (kind.with_identity()) read.insert(read.end(), types.residuals.begin(), types.residuals.end());
  return read;
}

void make_masks(Values& values, const MaskTypes& types, const Request& request,
                const People& people) {
  const Size picture{request.width, request.height};
  std::vector<Mask> faces;
  if (request.region_mask) {
    for (const PixelBox& box : people.face_boxes) faces.push_back(mask_of_box(box, picture));
  }
  std::vector<float> of_face;
  for (std::size_t p = 0; p < types.people.size(); ++p) {
    for (std::size_t i = 0; i < types.people[p].attention.size(); ++i) {
      const NamedType& type = types.people[p].attention[i];
      const Size size = types.size(i);
      const std::span<float> mask = values.make(type).f32();
      std::ranges::fill(mask, 1.0F);
      if (people.regions) shrink_bilinear((*people.regions)[p], size, mask);
      if (faces.empty()) continue;
      of_face.resize(mask.size());
      shrink_nearest(faces[p], size, of_face);
      std::ranges::transform(mask, of_face, mask.begin(), std::multiplies<>());
    }
  }
  for (std::size_t i = 0; i < types.residuals.size(); ++i) {
    const std::span<float> masks = values.make(types.residuals[i]).f32();
    const std::size_t each = masks.size() / faces.size();
    for (std::size_t p = 0; p < faces.size(); ++p)
      shrink_bilinear(faces[p], types.size(i), masks.subspan(p * each, each));
  }
  if (!types.blend) return;
  const std::span<float> blend = values.make(*types.blend).f32();
  const std::size_t pixels = blend.size() / people.regions->size();
  for (std::size_t p = 0; p < people.regions->size(); ++p)
    shrink_bilinear((*people.regions)[p], types.size(0), blend.subspan(p * pixels, pixels));
  for (std::size_t i = 0; i < pixels; ++i) {
    float sum = 0;
    for (std::size_t at = i; at < blend.size(); at += pixels) sum += blend[at];
    const auto each = 1 / static_cast<float>(people.regions->size());
    for (std::size_t at = i; at < blend.size(); at += pixels)
      blend[at] = sum > 0 ? blend[at] / sum : each;
  }
}

namespace {

/// dst = sum of the pictures, each times its weights [h,w], over all channels; dst may be the
/// first.
void blend_pictures(std::span<const float> pictures, std::span<const float> blend,
                    std::size_t people, std::span<float> dst) {
  const std::size_t pixels = blend.size() / people;
  for (std::size_t i = 0; i < dst.size(); ++i) {
    float sum = 0;
    for (std::size_t p = 0; p < people; ++p)
      sum += pictures[p * dst.size() + i] * blend[p * pixels + i % pixels];
    dst[i] = sum;
  }
}

void mean_of_pictures(std::span<const float> pictures, std::size_t people, std::span<float> dst) {
  for (std::size_t i = 0; i < dst.size(); ++i) {
    float sum = 0;
    for (std::size_t p = 0; p < people; ++p) sum += pictures[p * dst.size() + i];
    dst[i] = sum / static_cast<float>(people);
  }
}

}  // namespace

std::span<float> join_people(std::span<float> noise, std::span<const float> blend,
                             std::size_t people, bool is_guided, std::size_t latent_size) {
  if (people == 1) return noise;
  const std::size_t groups = noise.size() / latent_size / people;
  for (std::size_t group = 0; group < groups; ++group) {
    const std::span<const float> pictures =
        noise.subspan(group * people * latent_size, people * latent_size);
    const std::span<float> dst = noise.subspan(group * latent_size, latent_size);
    if (group == 0 && is_guided) {
      mean_of_pictures(pictures, people, dst);
    } else {
      blend_pictures(pictures, blend, people, dst);
    }
  }
  return noise.first(groups * latent_size);
}

void shrink_bilinear(const Mask& mask, Size to, std::span<float> values) {
  /// The two source pixels of a position, and the share of the second.
  struct Place {
    std::size_t first, second;
    float share;
  };
  const auto places = [](int from, int count) {
    std::vector<Place> all;
    const float scale = static_cast<float>(from) / static_cast<float>(count);
    for (int i = 0; i < count; ++i) {
      const float at = std::max(0.0F, (static_cast<float>(i) + 0.5F) * scale - 0.5F);
      const int first = std::min(static_cast<int>(at), from - 1);
      all.push_back({static_cast<std::size_t>(first),
                     static_cast<std::size_t>(std::min(first + 1, from - 1)),
                     at - static_cast<float>(first)});
    }
    return all;
  };
  const std::vector<Place> columns = places(mask.size().w, to.w);
  const std::vector<Place> rows = places(mask.size().h, to.h);
  const auto w = static_cast<std::size_t>(mask.size().w);
  const std::span<const std::uint8_t> from = mask.values();
  std::size_t i = 0;
  for (const Place& y : rows) {
    for (const Place& x : columns) {
      const auto across = [&](std::size_t row) {
        return static_cast<float>(from[row * w + x.first]) * (1 - x.share) +
               static_cast<float>(from[row * w + x.second]) * x.share;
      };
      values[i++] = (across(y.first) * (1 - y.share) + across(y.second) * y.share) / 255;
    }
  }
}

void shrink_nearest(const Mask& mask, Size to, std::span<float> values) {
  const auto place = [](int i, int from, int count) {
    const float scale = static_cast<float>(from) / static_cast<float>(count);
    return static_cast<std::size_t>(
        std::min(static_cast<int>(static_cast<float>(i) * scale), from - 1));
  };
  const auto w = static_cast<std::size_t>(mask.size().w);
  std::size_t i = 0;
  for (int y = 0; y < to.h; ++y) {
    const auto row = mask.values().subspan(place(y, mask.size().h, to.h) * w, w);
    for (int x = 0; x < to.w; ++x)
      values[i++] = static_cast<float>(row[place(x, mask.size().w, to.w)]) / 255;
  }
}

}  // namespace semblance
