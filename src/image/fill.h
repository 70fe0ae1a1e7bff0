// Fills the masked part of a picture with the colours around it.
#pragma once

#include <cstdint>

#include "image/mask.h"

namespace semblance {

/// Where `mask`, of the picture's size, is white, the picture becomes its surroundings, blurred
/// into it; where it is black, the picture stays; between them a blend. As AUTOMATIC1111's fill
/// (modules/masking.py), with Pillow's arithmetic. A picture that is masked all over stays.
void fill_masked(Image& picture, const Mask& mask);

/// What fill_masked() takes beside the picture and its mask.
std::uint64_t fill_bytes(Size size);

}  // namespace semblance
