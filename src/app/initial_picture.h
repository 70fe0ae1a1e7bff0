// The picture that a new one starts from (image to image), read from a file.
#pragma once

#include <stop_token>

#include "app/subject.h"
#include "image/image.h"
#include "memory/file.h"

namespace semblance {

/// The new picture's size: the given one, or else the file's own with its sides floored to
/// multiples of 8, as in diffusers; with SizeRule::kReference, the size by the published rule.
/// Throws Error(kArgument) for sides that are too large, and what probe() throws.
Size initial_picture_size(const File& file, const SizeChoice& choice);

/// Decodes the picture and resizes it to `size`, as diffusers' image processor does (Lanczos; a
/// different shape is stretched). Throws what decode() throws, and Error(kCancelled).
Image open_initial_picture(const File& file, Size size, std::stop_token stop = {});

/// The stage of open_initial_picture(), for planning.
Stage initial_picture_stage(const File& file, Size size);

/// Where a face found in the file's frame (PhotoOptions) is in the new picture, which has the whole
/// file in it, stretched.
Keypoints initial_keypoints(const Identity& face, Size size);

}  // namespace semblance
