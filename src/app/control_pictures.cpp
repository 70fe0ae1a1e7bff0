#include "app/control_pictures.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/stop.h"
#include "image/canny.h"
#include "image/decode.h"
#include "image/resize.h"

namespace semblance {
namespace {

std::uint64_t rgb_bytes(Size size) {
  return 3 * static_cast<std::uint64_t>(size.w) * static_cast<std::uint64_t>(size.h);
}

Image open_resized(const File& file, Size size, const std::stop_token& stop) {
  Image picture = decode(file, stop);
  check_stop(stop);
  return picture.size() == size ? std::move(picture) : resize(picture, size, Filter::kLanczos);
}

}  // namespace

Image open_control_picture(const File& file, const Request& request, Prepare prepare,
                           const InitialPicture* initial, std::stop_token stop,
                           const CannyThresholds& edges) {
  Image picture = initial != nullptr ? initial->open_alike(file, request, stop)
                                     : open_resized(file, {request.width, request.height}, stop);
  check_stop(stop);
  return prepare == Prepare::kCanny ? canny(picture, edges) : std::move(picture);
}

ControlPictures open_control_pictures(const Request& request, const InitialPicture* initial,
                                      std::stop_token stop) {
  if (request.controls.empty()) return {};
  auto pictures = std::make_shared<std::vector<Image>>();
  for (const ControlChoice& choice : parse_controls(request.controls)) {
    if (choice.image.empty()) {
      fail(ErrorKind::kArgument,
           "cannot take {}: the ControlNet {} has no picture\n  add image=FILE",
           parameters::kControls.name, choice.model);
    }
    pictures->push_back(
        open_control_picture(*open_file(choice.image), request, choice.prepare, initial, stop));
  }
  return pictures;
}

Stage control_picture_stage(const File& file, const Request& request, Prepare prepare,
                            const InitialPicture* initial) {
  const Size size{request.width, request.height};
  std::uint64_t needed = 0;
  if (initial != nullptr) {
    needed = initial->bytes_alike(file, request);
  } else {
    const ImageInfo info = probe(file);
    needed = std::max(info.decoding_bytes, rgb_bytes(info.upright()) + rgb_bytes(size));
  }
  if (prepare == Prepare::kCanny)
    needed = std::max(needed, 2 * rgb_bytes(size) + canny_bytes(size));
  return {.id = StageId::kPhoto, .beside = {.added_bytes = needed}};
}

}  // namespace semblance
