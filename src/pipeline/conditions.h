// What the denoiser is told at every step (the text, the face, the sizes), and how the stages that
// make it are fed. Computed once a picture.
#pragma once

#include <array>
#include <span>
#include <stop_token>

#include "image/image.h"
#include "image/keypoints.h"
#include "pipeline/opened_models.h"
#include "pipeline/values.h"

namespace semblance {

/// The types of a request's values (stages.h tells them).
struct ValueTypes {
  std::array<NamedType, 2> ids;
  NamedType embedding, face_points;
  NamedType text, pooled, face, keypoints, time_ids;
  NamedType latent, scaled, noise;
};
ValueTypes value_types(const OpenedModels& models, const Request& request);

/// Makes ids_1, ids_2, embedding, face_points and time_ids. Throws Error(kArgument) for a prompt
/// that is not UTF-8, an embedding of the wrong size or a keypoint that is no number;
/// Error(kCancelled).
void make_inputs(Values& values, const OpenedModels& models, const Request& request,
                 std::span<const float> embedding, const Keypoints& keypoints,
                 const std::stop_token& stop);

/// One encoder's columns of text; of the second one pooled, too.
void run_text_encoder(const OpenedModels& models, std::size_t encoder, const ValueTypes& types,
                      Session& session, Values& values, const std::stop_token& stop);
/// face. The unconditional half is the resampler on zeros, not zeros (docs/reference.md, 3.5).
void run_resampler(const ValueTypes& types, Session& session, Values& values,
                   const std::stop_token& stop);
/// keypoints.
void run_keypoints(const ValueTypes& types, Size size, Session& session, Values& values,
                   const std::stop_token& stop);

}  // namespace semblance
