#include "pipeline/hires.h"

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

Keypoints keypoints_in(const Keypoints& keypoints, const Request& whole, int pass) {
  Keypoints points = keypoints;
  if (pass == 0) return points;
  const Size size = finished_size(whole);
  for (auto& [x, y] : points) {
    x = x * static_cast<float>(size.w) / static_cast<float>(whole.width);
    y = y * static_cast<float>(size.h) / static_cast<float>(whole.height);
  }
  return points;
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
