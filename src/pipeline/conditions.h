// What the denoiser is told at every step: the text, the face, the sizes. Computed once a picture.
#pragma once

#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "image/image.h"
#include "image/keypoints.h"
#include "pipeline/opened_models.h"
#include "runtime/workspace.h"

namespace semblance {

/// With guidance n = 2, unconditional first; else n = 1. All f32, row-major.
struct Conditions {
  int n = 1;
  int text_tokens = 0;
  std::vector<float> text;       // [n,text_tokens,cross]
  std::vector<float> pooled;     // [n,pooled]
  std::vector<float> time_ids;   // [n*6]
  std::vector<float> face;       // [n,tokens,cross]
  std::vector<float> keypoints;  // IdentityNet's first features of the keypoint picture,
                                 // [1,h/8,w/8,c]; empty when it is off
};

/// Encodes prompts, face and keypoints, each model released before the next. Throws
/// Error(kArgument) for a prompt that is not UTF-8 or an embedding of the wrong size, before
/// anything large is read; Error(kCancelled).
Conditions encode_conditions(const OpenedModels& models, const Workspace& workspace,
                             const Request& request, std::span<const float> embedding,
                             const Keypoints& keypoints, DType dtype, std::stop_token stop);

/// Conditions::keypoints of a face whose keypoints are in pixels of the picture.
std::vector<float> keypoint_features(const OpenedModels& models, const Workspace& workspace,
                                     const Request& request, const Keypoints& keypoints,
                                     DType dtype, std::stop_token stop);

/// IdentityNet's first features, f32 [h/8,w/8,c], of a keypoint picture: the same at every step.
/// `draw` writes the picture, [h,w,3] in 0..1, to where it is read.
std::vector<float> keypoint_features(const OpenedModels& models, const Workspace& workspace,
                                     const HeldBeside& beside,
                                     const std::function<void(std::span<float>)>& draw, Size size,
                                     DType dtype, std::stop_token stop);

}  // namespace semblance
