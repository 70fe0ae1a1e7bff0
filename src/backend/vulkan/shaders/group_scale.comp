#version 450
#extension GL_GOOGLE_include_directive : require
// (x - mean) * slope * weight + bias, then SiLU if wanted, with the groups' merged statistics.
#include "prelude.glsl"
#include "functions.glsl"

CONSTANT(1, bool, SILU, false);
CONSTANT(2, bool, BY_FOUR, true);
SOURCE(0, STORED, x);
SOURCE(0, STORED4, x4);
SOURCE(1, vec2, merged);
SOURCE(2, float, weight);
SOURCE(3, float, bias);
RESULT(4, STORED, dst);
RESULT(4, STORED4, dst4);
PUSH {
  uint count;             // elements or fours
  uint picture_elements;  // elements or fours
  uint c;
  uint groups;
};

INLINE float scaled(float value, uint picture, uint channel) {
  const vec2 statistics = merged[picture * groups + channel / (c / groups)];
  const float result = fma((value - statistics.x) * statistics.y, weight[channel], bias[channel]);
  return SILU ? silu(result) : result;
}

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  const uint picture = at / picture_elements;
  if (BY_FOUR) {
    const uint channel = at % (c / 4) * 4;
    vec4 values = vec4(x4[at]);
    UNROLL for (uint i = 0; i < 4; ++i) values[i] = scaled(values[i], picture, channel + i);
    dst4[at] = STORED4(values);
  } else {
    dst[at] = STORED(scaled(float(x[at]), picture, at % c));
  }
}
