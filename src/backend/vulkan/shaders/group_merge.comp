#version 450
#extension GL_GOOGLE_include_directive : require
// Merges the chunks' moments of each group of each picture, in order: mean and
// 1 / sqrt(var + eps).
#include "prelude.glsl"
#include "doubles.glsl"

SOURCE(0, uvec2, moments);
RESULT(1, vec2, merged);
PUSH {
  uint count;  // pictures * groups
  uint groups;
  uint chunks;
  float eps;
};

float moment(uint picture, uint chunk, uint group, uint i) {
  return f32_of(moments[((picture * chunks + chunk) * groups + group) * 3 + i]);
}

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  const uint picture = at / groups, group = at % groups;
  float numbers = 0.0;
  for (uint i = 0; i < chunks; ++i) numbers += moment(picture, i, group, 0);
  float mean = 0.0;
  for (uint i = 0; i < chunks; ++i)
    mean = fma(moment(picture, i, group, 0) / numbers, moment(picture, i, group, 1), mean);
  float squares = 0.0;
  for (uint i = 0; i < chunks; ++i) {
    const float distance = moment(picture, i, group, 1) - mean;
    squares += fma(moment(picture, i, group, 0) * distance, distance,
                   moment(picture, i, group, 2));
  }
  merged[at] = vec2(mean, 1.0 / sqrt(squares / numbers + eps));
}
