// The first stage of a run that starts from a picture: encodes it to a latent.
#pragma once

#include <span>
#include <stop_token>

#include "image/image.h"
#include "pipeline/opened_models.h"
#include "pipeline/request.h"
#include "pipeline/stage.h"

namespace semblance {

/// Throws Error(kArgument) unless there is a picture if, and only if, the request has a strength,
/// and it has the new picture's size.
void check_picture(const Request& request, const Image* picture);

/// Memory beside the encoder's session: the picture, and the noise that becomes part of the latent.
OtherMemory encoder_memory(const NamedType& latent, Size size);

/// `stage` is kEncoder. picture -> latent f32 [c,h/8,w/8] as the sampler takes it: a sample of the
/// VAE's posterior, its mean plus its deviation times `noise` (standard normal, of the latent's
/// size), scaled. As diffusers' retrieve_latents(). Throws Error(kCancelled).
void encode_picture(const OpenedModels& models, const Workspace& workspace, const Stage& stage,
                    const Image& picture, std::span<const float> noise, std::span<float> latent,
                    const std::stop_token& stop);

}  // namespace semblance
