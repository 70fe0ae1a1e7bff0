#include "pipeline/hires.h"

#include <algorithm>
#include <cmath>

#include "image/resize.h"
#include "pipeline/picture_sampler.h"

namespace semblance {

int passes_of(const Request& whole) { return whole.hires > 1 ? 2 : 1; }

Size finished_size(const Request& whole) {
  if (passes_of(whole) == 1) return {whole.width, whole.height};
  const auto side = [&](int first, const Parameter& row) {
    return static_cast<int>(first * whole.hires) / row.multiple_of * row.multiple_of;
  };
  return {side(whole.width, parameters::kWidth), side(whole.height, parameters::kHeight)};
}

Request pass_of(const Request& whole, int pass) {
  Request request = whole;
  request.hires = 1;
  if (pass == 0) return request;
  const Size size = finished_size(whole);
  request.width = size.w;
  request.height = size.h;
  request.strength = whole.hires_strength;
  return request;
}

int evaluations_before(const Request& whole, int pass, const SchedulerConfig& config) {
  int evaluations = 0;
  for (int i = 0; i < pass; ++i)
    evaluations += make_picture_sampler(pass_of(whole, i), config).sampler->evaluations();
  return evaluations;
}

namespace {

/// A mask in another size, bilinear.
Mask resized_mask(const Mask& mask, Size size) {
  std::vector<float> values(static_cast<std::size_t>(size.w) * static_cast<std::size_t>(size.h));
  shrink_bilinear(mask, size, values);
  Mask made(size);
  std::ranges::transform(values, made.values().begin(), [](float value) {
    return static_cast<std::uint8_t>(std::lround(value * 255));
  });
  return made;
}

}  // namespace

People people_of_pass(const People& people, const Request& whole, int pass) {
  People all = people;
  if (pass == 0) return all;
  const Size size = finished_size(whole);
  const float across = static_cast<float>(size.w) / static_cast<float>(whole.width);
  const float down = static_cast<float>(size.h) / static_cast<float>(whole.height);
  for (Keypoints& points : all.keypoints) {
    for (auto& [x, y] : points) {
      x *= across;
      y *= down;
    }
  }
  for (PixelBox& box : all.face_boxes) {
    const auto scaled = [](int edge, float scale) {
      return static_cast<int>(std::lround(static_cast<float>(edge) * scale));
    };
    box = {scaled(box.left, across), scaled(box.top, down), scaled(box.right, across),
           scaled(box.bottom, down)};
  }
  if (!people.regions) return all;
  auto regions = std::make_shared<std::vector<Mask>>();
  for (const Mask& region : *people.regions) regions->push_back(resized_mask(region, size));
  all.regions = std::move(regions);
  return all;
}

ControlPictures control_pictures_in(const ControlPictures& pictures, const Request& pass) {
  const Size size{pass.width, pass.height};
  if (!pictures || pictures->empty() || pictures->front().size() == size) return pictures;
  auto resized = std::make_shared<std::vector<Image>>();
  for (const Image& picture : *pictures)
    resized->push_back(resize(picture, size, Filter::kLanczos));
  return resized;
}

}  // namespace semblance
