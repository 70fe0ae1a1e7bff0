// The last stage: a latent becomes a picture.
#pragma once

#include <span>
#include <stop_token>
#include <vector>

#include "image/image.h"
#include "pipeline/opened_models.h"
#include "runtime/backend.h"

namespace semblance {

/// latent f32 [c,h/8,w/8] as the sampler leaves it -> picture f32 [h,w,3], about -1..1.
std::vector<float> decode_latent(const OpenedModels& models, const Backend& backend,
                                 std::span<const float> latent, Size size, DType dtype,
                                 std::stop_token stop);

/// The same as to_image() makes of it, without a copy of the picture as f32: that is four times the
/// result, beside all that the decoder holds.
Image decode_picture(const OpenedModels& models, const Backend& backend,
                     std::span<const float> latent, Size size, DType dtype, std::stop_token stop);

/// -1..1 to 8 bits, as diffusers' image processor rounds; what is outside is cut off. `picture` is
/// [h,w,3] of `dtype`.
Image to_image(DType dtype, std::span<const std::byte> picture, Size size);

}  // namespace semblance
