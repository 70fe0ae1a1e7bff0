// The first stage of a run that starts from a picture: encodes it to a latent.
#pragma once

#include <span>
#include <stop_token>

#include "image/mask.h"
#include "pipeline/opened_models.h"
#include "pipeline/request.h"
#include "pipeline/stage.h"
#include "sampling/sampler_base.h"

namespace semblance {

/// A mask's values from here on are repainted.
inline constexpr int kCovered = 128;

/// What a run starts from beside noise; both of the new picture's size.
struct StartPicture {
  Image picture;
  Mask mask = {};  // what is at least kCovered is repainted; empty: everything
};

/// Throws Error(kArgument) unless there is a picture if, and only if, the request has a strength,
/// and a mask if it has one, and they have the new picture's size.
void check_picture(const Request& request, const StartPicture* start);

/// Memory beside the encoder's session: the picture, its mask, and the noise that becomes part of
/// the latent.
OtherMemory encoder_memory(const Request& request, const NamedType& latent);

/// The mask's values at the latent's places, `mask` [h/8,w/8]: 1 for what is repainted. As torch's
/// nearest interpolation, which diffusers uses.
void shrink_mask(const Mask& picture, std::int64_t fold, std::span<float> mask);

/// Where `mask`, [h/8,w/8], is 0, the latent becomes the picture's, with the noise of an
/// evaluation, or without noise after the last. As diffusers' inpainting pipelines between steps.
/// The spans have the latent's size, [c,h/8,w/8].
void keep_unmasked(const Sampler& sampler, int evaluation, std::span<const float> picture,
                   std::span<const float> noise, std::span<const float> mask,
                   std::span<float> latent);

/// `stage` is kEncoder. picture -> latent f32 [c,h/8,w/8] as the sampler takes it: a sample of the
/// VAE's posterior, its mean plus its deviation times `noise` (standard normal, of the latent's
/// size), scaled. As diffusers' retrieve_latents(). What `hidden` covers, if it is not empty, is
/// grey. Throws Error(kCancelled).
void encode_picture(const OpenedModels& models, const Workspace& workspace, const Stage& stage,
                    const Image& picture, const Mask& hidden, std::span<const float> noise,
                    std::span<float> latent, const std::stop_token& stop);

/// What a UNet made for inpainting reads beside the latent, [h/8,w/8,1+c]: the mask, then the
/// latent [c,h/8,w/8] of what it does not cover. And back.
void join_masked(std::span<const float> mask, std::span<const float> latent,
                 std::span<float> joined);
void split_masked(std::span<const float> joined, std::span<float> mask, std::span<float> latent);

}  // namespace semblance
