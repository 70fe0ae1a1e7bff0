// The people of a picture as the pipeline reads them, and what their regions are to the steps.
// docs/reference.md, section 3, says what is computed.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "image/keypoints.h"
#include "image/mask.h"
#include "models/unet.h"
#include "pipeline/values.h"

namespace semblance {

struct OpenedModels;
struct Request;
struct StepKind;

struct People {
  std::vector<float> embeddings;     // of all photos, [sum of Request::photos,512]
  std::vector<Keypoints> keypoints;  // of each person, in pixels of the new picture
  /// Where each person is, of the new picture's size; nullptr for a person alone.
  std::shared_ptr<const std::vector<Mask>> regions = {};
  /// The box of each face in the new picture, for Request::region_mask; else it may be empty.
  std::vector<PixelBox> face_boxes = {};
};

/// The request with the number of photos of a person alone. Throws Error(kArgument) unless
/// `people` is what the request needs.
Request with_photos(const OpenedModels& models, Request request, const People& people);

/// A person's values that limit its face to a part of the picture, f32: for the attention at each
/// level of the UNet, [1,h*w,1].
struct PersonMasks {
  std::vector<NamedType> attention;
};
/// All masks of a request, by person; none if the people are not limited to a part.
struct MaskTypes {
  std::vector<PersonMasks> people;
  std::vector<NamedType> residuals;  // of IdentityNet at each level, f32 [p,h,w,1]
  std::optional<NamedType> blend;    // f32 [p,h/8,w/8]: how predictions are joined
  std::vector<LevelSize> levels;     // of the UNet

  Size size(std::size_t level) const {
    return {static_cast<int>(levels[level].w), static_cast<int>(levels[level].h)};
  }
};
MaskTypes mask_types(const OpenedModels& models, const Request& request);
/// Those that a step's graph reads.
std::vector<NamedType> masks_of_step(const MaskTypes& types, const StepKind& kind);
/// Makes the values.
void make_masks(Values& values, const MaskTypes& types, const Request& request,
                const People& people);

/// Joins the predictions of the people, [m,c,h,w] in the order of a step's batch, in place: to the
/// mean of the unconditional ones, the blend of the conditional ones, and that of the perturbed
/// ones. `blend` [p,h,w]; empty if there is one person. Returns what is left of `noise`.
std::span<float> join_people(std::span<float> noise, std::span<const float> blend,
                             std::size_t people, bool is_guided, std::size_t latent_size);

/// Mask values at a smaller size, 0 to 1, as torch's interpolation of that name without
/// antialiasing.
void shrink_bilinear(const Mask& mask, Size to, std::span<float> values);
void shrink_nearest(const Mask& mask, Size to, std::span<float> values);

}  // namespace semblance
