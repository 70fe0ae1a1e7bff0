#include "app/initial_picture.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/stop.h"
#include "image/decode.h"
#include "image/photo_size.h"
#include "image/resize.h"
#include "pipeline/request.h"

namespace semblance {

Size initial_picture_size(const File& file, const SizeChoice& choice) {
  if (choice.rule == SizeRule::kFixed) return choice.fixed;
  const Size own = probe(file).upright();
  if (choice.rule == SizeRule::kReference) return published_size(own).final;
  if (std::max(own.w, own.h) > static_cast<int>(parameters::kWidth.most)) {
    fail(
        ErrorKind::kArgument,
        "cannot start from a picture of {}x{}: expected sides of at most {} pixels\n  give the new "
        "picture's size (--size, width and height): the other one is resized to it",
        own.w, own.h, parameters::kWidth.most);
  }
  const auto floored = [](int side, const Parameter& row) {
    return std::max(side / row.multiple_of * row.multiple_of, static_cast<int>(row.least));
  };
  return {floored(own.w, parameters::kWidth), floored(own.h, parameters::kHeight)};
}

Image open_initial_picture(const File& file, Size size, std::stop_token stop) {
  Image picture = decode(file, stop);
  check_stop(stop);
  return picture.size() == size ? std::move(picture) : resize(picture, size, Filter::kLanczos);
}

Stage initial_picture_stage(const File& file, Size size) {
  const auto bytes = [](Size of) {
    return 3 * static_cast<std::uint64_t>(of.w) * static_cast<std::uint64_t>(of.h);
  };
  const ImageInfo info = probe(file);
  const std::uint64_t resizing = bytes(info.upright()) + bytes(size);
  return {.id = StageId::kPhoto,
          .beside = {.added_bytes = std::max(info.decoding_bytes, resizing)}};
}

Keypoints initial_keypoints(const Identity& face, Size size) {
  Keypoints points = face.keypoints;
  for (auto& [x, y] : points) {
    x = x * static_cast<float>(size.w) / static_cast<float>(face.image_size.w);
    y = y * static_cast<float>(size.h) / static_cast<float>(face.image_size.h);
  }
  return points;
}

}  // namespace semblance
