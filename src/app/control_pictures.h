// The pictures of the ControlNets beside IdentityNet, read from files.
#pragma once

#include <stop_token>

#include "app/initial_picture.h"
#include "image/canny.h"
#include "image/image.h"
#include "memory/file.h"
#include "pipeline/controls.h"
#include "pipeline/stage.h"

namespace semblance {

/// Decodes the picture, resizes it to the request's size as diffusers' image processor does
/// (Lanczos; a different shape is stretched), and prepares it. `initial`: what the request starts
/// from, nullptr for nothing; where only its mask's surroundings are computed, the same part is
/// taken of this picture, as in AUTOMATIC1111's extension. Throws what decode() and
/// InitialPicture::open() throw, and Error(kCancelled).
Image open_control_picture(const File& file, const Request& request, Prepare prepare,
                           const InitialPicture* initial, std::stop_token stop = {},
                           const CannyThresholds& edges = {});

/// Those of a request, from the files that it names. Throws Error(kArgument) for a ControlNet
/// without one, and what open_control_picture() throws.
ControlPictures open_control_pictures(const Request& request, const InitialPicture* initial,
                                      std::stop_token stop = {});

/// The stage of open_control_picture(), for planning.
Stage control_picture_stage(const File& file, const Request& request, Prepare prepare,
                            const InitialPicture* initial);

}  // namespace semblance
