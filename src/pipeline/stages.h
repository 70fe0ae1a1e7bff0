// The stages of a picture, in the order they run.
//
// Values (n is 2 with guidance, the unconditional half first, else 1; all row-major):
//
//   ids_1, ids_2  i32 [prompts,l]       the prompts' tokens, for each encoder
//   embedding     f32 [1,512]           of the face
//   face_points   f32 [5,2]             its keypoints, in pixels of the picture
//   text          f32 [n,l,cross]       both encoders' results, joined by channels
//   pooled        f32 [n,pooled]        of the second encoder
//   face          f32 [n,tokens,cross]  of the resampler
//   keypoints     f32 [1,h/8,w/8,c]     IdentityNet's first features of the keypoint picture: the
//                                       same at every step
//   time_ids      f32 [n*6]             SDXL's size conditioning
//   latent        f32 [c,h/8,w/8]
//   scaled        f32 [c,h/8,w/8]       the latent as last given to the model
//   noise         f32 [n,c,h/8,w/8]     the model's prediction for it
//   kept, drawn   f32 [k,c,h/8,w/8]     of the sampler (pipeline/picture_sampler.h)
#pragma once

#include <optional>
#include <vector>

#include "image/decode.h"
#include "pipeline/opened_models.h"
#include "pipeline/stage.h"

namespace semblance {

/// All stages from the prompt to the file. `format`: the picture's, absent if no file is written;
/// `first_step`: above 0 when resuming. `models` must outlive the stages. Throws what
/// check_tiling() and make_picture_sampler() throw.
std::vector<Stage> stages_of(const OpenedModels& models, const Request& request, DType dtype,
                             std::optional<ImageFormat> format, int first_step = 0);

/// The decoder for a picture or tile of `size`.
Stage decoder_stage(const OpenedModels& models, Size size, DType dtype);

}  // namespace semblance
