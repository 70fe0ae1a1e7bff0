// The denoiser's conditions (text, face, sizes), and the stages that compute them. Computed once
// per picture.
#pragma once

#include <array>
#include <span>
#include <stop_token>

#include "image/image.h"
#include "image/keypoints.h"
#include "pipeline/people.h"
#include "pipeline/prompts.h"
#include "pipeline/stage.h"
#include "pipeline/values.h"

namespace semblance {

/// The types of a request's values; stages.h describes them.
struct ValueTypes {
  PromptLayout prompts;
  std::array<NamedType, 2> ids;
  NamedType weights;
  NamedType embeddings, face_points;
  NamedType text, pooled, face, keypoints, time_ids;
  NamedType latent, scaled, noise;
  /// Only with a mask: what the unmasked part is made from, or what a UNet made for inpainting
  /// reads.
  std::vector<NamedType> kept;
  std::optional<NamedType> masked;
  MaskTypes masks;                    // of people's regions
  std::optional<NamedType> guidance;  // only for a UNet that takes the guidance scale
};
/// Throws what read_prompts() throws.
ValueTypes value_types(const OpenedModels& models, const Request& request);

/// Makes ids_1, ids_2, weights, embeddings, face_points, time_ids and the masks. `people`: as
/// with_photos() checked them. Throws Error(kArgument) for a prompt that is not UTF-8 or a
/// keypoint that is not finite; Error(kCancelled).
void make_inputs(Values& values, const OpenedModels& models, const Request& request,
                 const People& people, const std::stop_token& stop);

/// Computes one encoder's columns of `text`, one group of tokens after the other; the second
/// encoder also computes `pooled`.
void run_text_encoder(const OpenedModels& models, std::size_t encoder, const ValueTypes& types,
                      Session& session, Values& values, const std::stop_token& stop);
/// Computes `face`. `layout`: of the request's photos. The unconditional half is the resampler's
/// result for zeros, not zeros (docs/reference.md, 3.5), or for noise of this strength.
void run_resampler(const ValueTypes& types, const FaceLayout& layout, float noise, Session& session,
                   Values& values, const std::stop_token& stop);
/// Computes `keypoints` of each person, from a black picture if not `drawn`.
void run_keypoints(const ValueTypes& types, Size size, bool drawn, Session& session, Values& values,
                   const std::stop_token& stop);

/// Computes the features of a ControlNet's picture, the only result of `stage`.
void run_control(const Stage& stage, const Workspace& workspace, const Image& picture,
                 Values& values, const std::stop_token& stop);

}  // namespace semblance
