// The graphs of a picture's stages, for running and planning.
//
// Sizes are in pixels of the picture unless stated otherwise; n is 2 for each person with guidance
// (unconditional first), else 1.
#pragma once

#include "graph/graph.h"
#include "image/image.h"
#include "pipeline/controls.h"
#include "pipeline/opened_models.h"
#include "pipeline/request.h"
#include "pipeline/stage.h"

namespace semblance {

/// 2 if the request's steps compute both halves of the guidance, else 1. A UNet that takes the
/// guidance scale as an input computes one.
int guidance_halves(const OpenedModels& models, const Request& request);
/// What a step computes. Windows of steps are rounded as in the published pipeline
/// (docs/reference.md, 3.8).
StepKind kind_of_step(const OpenedModels& models, const Request& request, int step, int steps);
/// The pictures that a step of this kind computes: of each person guidance's halves, then the
/// perturbed one.
int pictures_of(const Request& request, const StepKind& kind);
/// Whether a picture is decoded in several tiles. Throws what check_tiling() throws.
bool decodes_in_tiles(const VaeConfig& vae, Size size, bool tiling);

/// "ids" i32 [n,l] -> "hidden" f32 [n,l,width]; the second encoder also has "ends" i32 [n] ->
/// "pooled" f32 [n,projection]. With vectors also "vectors" f32 [n,l,width] and "keep" f32 [n,l,1]:
/// where `keep` is 0, the vector stands in place of the token's, elsewhere it must be zeros.
Graph text_encoder_graph(const OpenedModels& models, std::size_t encoder, std::int64_t n,
                         int clip_skip = 0, bool with_vectors = false);
/// "embeddings" f32 [length,embedding] -> "tokens" f32 [1,tokens,output], for one run of
/// face_layout().
Graph resampler_graph(const OpenedModels& models, std::int64_t length);
/// "picture" f32 [1,h,w,3] in 0..1 -> "features" f32 [1,h/8,w/8,c].
Graph keypoint_graph(const OpenedModels& models, Size size, DType dtype);
/// The same for another ControlNet.
Graph control_graph(const Control& control, Size size, DType dtype);
/// "latent", "timestep", "pooled", "time_ids", "text", "face", with IdentityNet "keypoints", with
/// other ControlNets their values, those of masks_of_step(), for a UNet with guidance channels
/// "guidance" -> "noise" f32 [n,h/8,w/8,c], n as pictures_of() says. Without the adapter if its
/// strength is 0. If steps share deep features, also "deep" of `dtype`, [n,h/8,w/8,c]: a result, or
/// an input with kind.from_deep. `text_tokens`: of "text", PromptLayout::tokens. `controls`: the
/// request's, nullptr for none.
Graph step_graph(const OpenedModels& models, const Request& request, std::int64_t text_tokens,
                 const StepKind& kind, DType dtype, const AppliedControls* controls = nullptr);
/// "picture" f32 [1,h,w,3] in -1..1 -> "moments" f32 [1,h/8,w/8,2c]: mean, then log variance.
Graph encoder_graph(const OpenedModels& models, Size size, DType dtype);
/// "latent" f32 [1,h/8,w/8,c], divided by the scaling factor -> "picture" [1,h,w,3] of `dtype`.
Graph decoder_graph(const OpenedModels& models, Size size, DType dtype);

}  // namespace semblance
