// Keypoints of a face that is seen from another side, or larger or smaller in the picture, from the
// person's own proportions.
#pragma once

#include "face/identity.h"
#include "pipeline/request.h"

namespace semblance {

/// The request's keypoints: those of `place`, which the person or a pose photo gives, in pixels of
/// the new picture; with Request::view those of the person's face turned to it, of the same size
/// and at the same place; with Request::framing of its size and at its place.
Keypoints seen_keypoints(const Identity& person, const Keypoints& place, const Request& request);

}  // namespace semblance
