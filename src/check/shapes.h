// The cases of tests/shapes (graph/op_case.h), which are part of the program.
#pragma once

#include <span>

namespace semblance {

/// Layers of SDXL at full size: sdxl.txt.
std::span<const unsigned char> layer_shapes();
/// All others, which are small and odd.
std::span<const unsigned char> small_shapes();

}  // namespace semblance
