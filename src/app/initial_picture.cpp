#include "app/initial_picture.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/stop.h"
#include "image/decode.h"
#include "image/fill.h"
#include "image/photo_size.h"
#include "image/resize.h"

namespace semblance {
namespace {

std::uint64_t pixels_of(Size size) {
  return static_cast<std::uint64_t>(size.w) * static_cast<std::uint64_t>(size.h);
}

Image resized(Image picture, Size size) {
  return picture.size() == size ? std::move(picture) : resize(picture, size, Filter::kLanczos);
}

PixelBox all_of(Size size) { return {0, 0, size.w, size.h}; }

Size extended(Size size, const Request& request) {
  return {request.extend_left + size.w + request.extend_right,
          request.extend_top + size.h + request.extend_bottom};
}

/// In the larger picture, where the smaller one is.
PixelBox place_in_extended(Size size, const Request& request) {
  return {request.extend_left, request.extend_top, request.extend_left + size.w,
          request.extend_top + size.h};
}

/// What is new around a picture has no colours of its own.
bool fills(const Request& request) {
  const std::string& content = request.masked_content.name;
  return content == "fill" || (content == "original" && request.extends());
}

/// The sides in one direction between a face's frame and the pixels that are computed.
struct Axis {
  int frame, own, grown, added;  // the frame; the picture, extended to `grown` by `added` before it
  int whole;                     // the extended picture, scaled
  int part_begin, part_size;     // what of that is computed, in `made` pixels
  int made;

  /// A coordinate of the frame in what is computed.
  float place(float at) const {
    const float share = static_cast<float>(whole) / static_cast<float>(grown);
    const float side = own == grown ? static_cast<float>(whole) : static_cast<float>(own) * share;
    const float in_whole =
        at * side / static_cast<float>(frame) + static_cast<float>(added) * share;
    return (in_whole - static_cast<float>(part_begin)) * static_cast<float>(made) /
           static_cast<float>(part_size);
  }
};

}  // namespace

InitialPicture::InitialPicture(std::shared_ptr<const File> picture,
                               std::shared_ptr<const File> mask)
    : picture_(std::move(picture)), mask_(std::move(mask)), info_(probe(*picture_)) {
  if (!mask_) return;
  mask_info_ = probe(*mask_);
  const Size size = info_.upright();
  const Size given = mask_info_.upright();
  if (given == size) return;
  fail(ErrorKind::kArgument,
       "cannot take the mask: expected one of {}x{}, as the picture, got {}x{}", size.w, size.h,
       given.w, given.h);
}

InitialPicture InitialPicture::with_face_covered(std::shared_ptr<const File> picture) {
  InitialPicture initial(std::move(picture));
  initial.covers_face_ = true;
  initial.mask_info_.decoding_bytes = 3 * pixels_of(initial.info_.upright());
  return initial;
}

void InitialPicture::cover(const Identity& face) {
  if (!face.box) {
    fail(ErrorKind::kArgument,
         "cannot cover the face: the identity does not say how large it is\n  give a photo");
  }
  const Size own = info_.upright();
  const float x = static_cast<float>(own.w) / static_cast<float>(face.image_size.w);
  const float y = static_cast<float>(own.h) / static_cast<float>(face.image_size.h);
  const auto& [left, top, right, bottom] = *face.box;
  faces_.push_back({left * x, top * y, right * x, bottom * y});
}

Size InitialPicture::own_size(const Request& request) const {
  return extended(info_.upright(), request);
}

/// The picture with what it is extended by, which is black.
Image InitialPicture::own_picture(const Request& request, const std::stop_token& stop) const {
  Image picture = decode(*picture_, stop);
  if (!request.extends()) return picture;
  Image whole(own_size(request));
  const PixelBox place = place_in_extended(picture.size(), request);
  for (int y = 0; y < picture.height(); ++y) {
    std::copy_n(picture.row(y), picture.row_bytes(),
                whole.row(place.top + y) + std::ptrdiff_t{3} * place.left);
  }
  return whole;
}

/// The mask in the size of the picture.
Image InitialPicture::mask_picture(const Request& request, const std::stop_token& stop) const {
  if (mask_) return decode(*mask_, stop);
  if (request.extends()) {
    Image mask(own_size(request));
    std::ranges::fill(mask.pixels(), std::uint8_t{255});
    const PixelBox place = place_in_extended(info_.upright(), request);
    for (int y = place.top; y < place.bottom; ++y) {
      std::fill(mask.row(y) + std::ptrdiff_t{3} * place.left,
                mask.row(y) + std::ptrdiff_t{3} * place.right, std::uint8_t{0});
    }
    return mask;
  }
  SEMBLANCE_ASSERT(!faces_.empty());
  Image mask(info_.upright());
  for (const auto& [left, top, right, bottom] : faces_) {
    const float rx = 0.75F * (right - left), ry = 0.75F * (bottom - top);
    for (int y = 0; y < mask.height(); ++y) {
      const float v = (static_cast<float>(y) + 0.5F - (top + bottom) / 2) / ry;
      if (v * v > 1) continue;
      const float reach = rx * std::sqrt(1 - v * v), middle = (left + right) / 2;
      const auto column = [&](float at) {
        return std::clamp(static_cast<int>(std::lround(at)), 0, mask.width());
      };
      std::fill(mask.row(y) + std::ptrdiff_t{3} * column(middle - reach),
                mask.row(y) + std::ptrdiff_t{3} * column(middle + reach), std::uint8_t{255});
    }
  }
  return mask;
}

/// Whether only the mask's surroundings are computed.
bool InitialPicture::takes_part(const Request& request) const {
  return request.has_mask && request.inpaint_area.name == "masked";
}

Size InitialPicture::size(const SizeChoice& choice, const Request& request, int native_side) const {
  if (request.extends() && has_mask()) {
    fail(ErrorKind::kArgument,
         "cannot take the mask: the picture is extended, and what is new is the mask\n  leave out "
         "one");
  }
  const Size own = own_size(request);
  if (choice.rule == SizeRule::kFixed) return choice.fixed;
  if (takes_part(request)) return picture_size(choice, own, native_side);
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

/// The mask in the size of the finished picture. Refuses one of a single colour.
Mask InitialPicture::whole_mask(const Request& request, const std::stop_token& stop) const {
  Mask mask = grey(resized(mask_picture(request, stop), finished_size(request)));
  check_stop(stop);
  const auto repainted =
      std::ranges::count_if(mask.values(), [](int value) { return value >= kCovered; });
  const bool is_white = repainted == std::ssize(mask.values());
  if (repainted == 0 || is_white) {
    fail(ErrorKind::kArgument, "cannot take the mask: it is {}",
         is_white ? "white all over\n  leave it out to redraw the whole picture"
                  : "black all over\n  paint white what is to be repainted");
  }
  return mask;
}

/// The same with its edge blurred: 255 inside, and fading out beyond the edge. As AUTOMATIC1111's
/// overlay.
Mask InitialPicture::soft_mask(const Request& request, const std::stop_token& stop) const {
  Mask mask = whole_mask(request, stop);
  blur(mask, request.mask_blur);
  if (request.mask_blur == 0) return mask;
  for (std::uint8_t& value : mask.values())
    value = static_cast<std::uint8_t>(std::min(2 * value, 255));
  return mask;
}

/// The part of the finished picture that is computed.
PixelBox InitialPicture::part_around(const Mask& soft_mask, const Request& request) const {
  if (!takes_part(request)) return all_of(soft_mask.size());
  return region_around(bounds(soft_mask).value(), request.inpaint_padding,
                       {request.width, request.height}, soft_mask.size());
}
PixelBox InitialPicture::part_of(const Request& request, const std::stop_token& stop) const {
  if (!takes_part(request)) return all_of(finished_size(request));
  return part_around(soft_mask(request, stop), request);
}

Size InitialPicture::finished_size(const Request& request) const {
  return takes_part(request) ? own_size(request) : Size{request.width, request.height};
}

/// What is computed of a picture of the whole.
Image InitialPicture::framed(Image picture, const PixelBox& part, const Request& request,
                             const std::stop_token& stop) const {
  check_stop(stop);
  if (takes_part(request)) picture = crop(picture, part);
  return resized(std::move(picture), {request.width, request.height});
}

StartPicture InitialPicture::open(const Request& request, std::stop_token stop) const {
  const PixelBox part = part_of(request, stop);
  StartPicture start{.picture = framed(own_picture(request, stop), part, request, stop)};
  if (!request.has_mask) return start;
  start.mask = takes_part(request) ? grey(framed(mask_picture(request, stop), part, request, stop))
                                   : whole_mask(request, stop);
  if (fills(request)) fill_masked(start.picture, start.mask);
  return start;
}

Image InitialPicture::open_alike(const File& other, const Request& request,
                                 std::stop_token stop) const {
  const PixelBox part = part_of(request, stop);
  return framed(resized(decode(other, stop), finished_size(request)), part, request, stop);
}

Keypoints InitialPicture::keypoints(const Identity& face, const Request& request,
                                    std::stop_token stop) const {
  const Size whole = finished_size(request);
  const PixelBox part = part_of(request, stop);
  const Size own = info_.upright(), grown = own_size(request);
  const Axis across{.frame = face.image_size.w,
                    .own = own.w,
                    .grown = grown.w,
                    .added = request.extend_left,
                    .whole = whole.w,
                    .part_begin = part.left,
                    .part_size = part.size().w,
                    .made = request.width};
  const Axis down{.frame = face.image_size.h,
                  .own = own.h,
                  .grown = grown.h,
                  .added = request.extend_top,
                  .whole = whole.h,
                  .part_begin = part.top,
                  .part_size = part.size().h,
                  .made = request.height};
  Keypoints points = face.keypoints;
  for (auto& [x, y] : points) {
    x = across.place(x);
    y = down.place(y);
  }
  return points;
}

Image InitialPicture::finish(const Image& made, const Request& request,
                             std::stop_token stop) const {
  SEMBLANCE_ASSERT(request.has_mask);
  Image picture = resized(own_picture(request, stop), finished_size(request));
  check_stop(stop);
  const Mask mask = soft_mask(request, stop);
  const PixelBox part = part_around(mask, request);
  if (made.size() == part.size()) {
    blend(picture, part, made, mask);
  } else {
    blend(picture, part, resize(made, part.size(), Filter::kLanczos), mask);
  }
  return picture;
}

/// Of making the mask's edge soft.
std::uint64_t InitialPicture::softening_bytes(const Request& request) const {
  return std::max(mask_info_.decoding_bytes,
                  3 * (pixels_of(own_size(request)) + pixels_of(finished_size(request))));
}

std::uint64_t InitialPicture::bytes_alike(const File& other, const Request& request) const {
  const ImageInfo info = probe(other);
  const std::uint64_t made = pixels_of(Size{request.width, request.height});
  const std::uint64_t whole = pixels_of(finished_size(request));
  const std::uint64_t opening =
      std::max(info.decoding_bytes, 3 * (pixels_of(info.upright()) + whole));
  if (!takes_part(request)) return opening;
  return std::max({opening, softening_bytes(request), 3 * whole + 3 * std::max(whole, made)});
}

Stage InitialPicture::stage(const Request& request) const {
  const std::uint64_t own = pixels_of(own_size(request));
  const std::uint64_t decoding = std::max(
      info_.decoding_bytes, request.extends() ? 3 * (pixels_of(info_.upright()) + own) : 0);
  const std::uint64_t made = pixels_of(Size{request.width, request.height});
  const std::uint64_t whole = pixels_of(finished_size(request));
  // Beside a picture of `made`: decode one, then take a part of it and resize that.
  std::uint64_t bytes = std::max(decoding, 3 * (own + made));
  if (request.has_mask) {
    const std::uint64_t softening = softening_bytes(request);
    const std::uint64_t opening = std::max(decoding, std::max(softening, 2 * 3 * own)) + 3 * made;
    const std::uint64_t finishing =
        3 * made + 3 * whole + std::max({decoding, softening, 3 * (own + whole)});
    bytes = std::max(opening, finishing);
    if (fills(request))
      bytes = std::max(bytes, 4 * made + fill_bytes({request.width, request.height}));
  }
  return {.id = StageId::kPhoto, .beside = {.added_bytes = bytes}};
}

}  // namespace semblance
