#version 450
#extension GL_GOOGLE_include_directive : require
// (x - mean) * slope * weight + bias, then SiLU if wanted, with the groups' merged statistics.
#include "prelude.glsl"
#include "functions.glsl"

CONSTANT(1, bool, SILU, false);
SOURCE(0, STORED, x);
SOURCE(1, vec2, merged);
SOURCE(2, float, weight);
SOURCE(3, float, bias);
RESULT(4, STORED, dst);
PUSH {
  uint count;
  uint picture_elements;
  uint c;
  uint groups;
};

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  const uint channel = at % c;
  const vec2 statistics = merged[at / picture_elements * groups + channel / (c / groups)];
  const float value =
      fma((float(x[at]) - statistics.x) * statistics.y, weight[channel], bias[channel]);
  dst[at] = STORED(SILU ? silu(value) : value);
}
