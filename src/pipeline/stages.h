// The stages of a picture, in the order they run.
//
// Values (p is the number of people; n is 2p with guidance, the unconditional half first, else p;
// all row-major):
//
//   ids_1, ids_2  i32 [g*prompts,77]    the prompts' tokens in g groups, for each encoder
//   weights       f32 [g*prompts,77]    theirs
//   embeddings    f32 [r,k,512]         of the faces: r runs of the resampler, which read k each
//                                       (face_layout())
//   face_points   f32 [5p,2]            their keypoints, in pixels of the picture
//   text          f32 [n,l,cross]       of all groups: both encoders' results, joined by channels
//   pooled        f32 [n,pooled]        of the second encoder
//   face          f32 [n,r*tokens,cross]  of the resampler
//   keypoints     f32 [p,h/8,w/8,c]     IdentityNet's first features of the keypoint pictures: the
//                                       same at every step
//   attention_mask_1_0..., residual_mask_0..., blend   where each person is (pipeline/people.h)
//   control_1...  f32 [1,h/8,w/8,c]     the same of each other ControlNet
//   time_ids      f32 [n*6]             SDXL's size conditioning
//   latent        f32 [c,h/8,w/8]       begins as noise, or as the picture to start from with noise
//   scaled        f32 [c,h/8,w/8]       the latent as last given to the model
//   noise         f32 [m,c,h/8,w/8]     the model's prediction for it; m is n, or n + p with
//                                       perturbed guidance
//   picture, first_noise  f32 [c,h/8,w/8]  with a mask: the latent of the picture to start from,
//                                       and the noise that it began with
//   mask          f32 [h/8,w/8]         1 for what is repainted, else 0
//   masked        f32 [h/8,w/8,1+c]     in place of these three for a UNet made for inpainting: the
//                                       mask, and the latent of what it does not cover
//   kept, drawn   f32 [k,c,h/8,w/8]     of the sampler (pipeline/picture_sampler.h)
//   guidance      f32 [1]               for a UNet that takes the guidance scale as an input
//   deep          [m,h/8,w/8,c]         features that later steps share (Request::reuse), in the
//                                       type that is computed in
//   restart       f32 [1+k,c,h/8,w/8]   then also: the latent and `kept` before the step that made
//                                       `deep`, from which a saved run goes on
#pragma once

#include <optional>
#include <vector>

#include "image/decode.h"
#include "pipeline/controls.h"
#include "pipeline/loras.h"
#include "pipeline/opened_models.h"
#include "pipeline/request.h"
#include "pipeline/stage.h"
#include "sampling/sampler.h"

namespace semblance {

/// Where a run begins: above 0 when resuming.
struct RunStart {
  int pass = 0;
  int step = 0;  // of the pass
};

/// All stages from the prompt, or the picture to start from, to the file, in all passes. `format`:
/// the picture's, absent if no file is written; `loras`: the request's, nullptr for none; so are
/// `controls`. `models` must outlive the stages. Throws what check_tiling(), read_prompts() and
/// make_picture_sampler() throw.
std::vector<Stage> stages_of_passes(const OpenedModels& models, const Request& whole, DType dtype,
                                    std::optional<ImageFormat> format, RunStart start = {},
                                    const std::shared_ptr<const AppliedLoras>& loras = {},
                                    const std::shared_ptr<const AppliedControls>& controls = {});
/// The same of a single pass, without enlarging its picture. `first_step`: as RunStart::step.
std::vector<Stage> stages_of(const OpenedModels& models, const Request& request, DType dtype,
                             std::optional<ImageFormat> format, int first_step = 0,
                             const std::shared_ptr<const AppliedLoras>& loras = {},
                             const std::shared_ptr<const AppliedControls>& controls = {});

/// The values `deep` and `restart`, if the request's steps share features. `latent`: the type of
/// the latent, [n,c,h,w].
struct SharedValues {
  NamedType deep;
  NamedType restart;
};
std::optional<SharedValues> shared_values(const OpenedModels& models, const Request& request,
                                          const TensorType& latent, DType dtype,
                                          const Sampler& sampler);

/// The decoder for a picture or tile of `size`; in f32 if `dtype` is f16.
Stage decoder_stage(const OpenedModels& models, Size size, DType dtype);

}  // namespace semblance
