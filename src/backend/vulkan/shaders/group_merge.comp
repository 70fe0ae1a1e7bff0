#version 450
#extension GL_GOOGLE_include_directive : require
// Merges the chunks' moments of each group of each picture: mean and 1 / sqrt(var + eps). One group
// of one picture per workgroup.
#include "prelude.glsl"
#include "reduce.glsl"
#include "doubles.glsl"

SOURCE(0, uvec2, moments);
RESULT(1, vec2, merged);
PUSH {
  uint groups;
  uint chunks;
  float eps;
};

KERNEL {
  const uint group = GROUP.x, picture = GROUP.y;
  const uint first = (picture * chunks * groups + group) * 3, stride = groups * 3;
  float count = 0.0f;
  for (uint i = INVOCATION; i < chunks; i += THREADS) count += f32_of(moments[first + i * stride]);
  const float numbers = sum_of_all(count);
  float part = 0.0f;
  for (uint i = INVOCATION; i < chunks; i += THREADS)
    part = fma(f32_of(moments[first + i * stride]) / numbers,
               f32_of(moments[first + i * stride + 1]), part);
  const float mean = sum_of_all(part);
  float squares = 0.0f;
  for (uint i = INVOCATION; i < chunks; i += THREADS) {
    const float distance = f32_of(moments[first + i * stride + 1]) - mean;
    squares += fma(f32_of(moments[first + i * stride]) * distance, distance,
                   f32_of(moments[first + i * stride + 2]));
  }
  const float all_squares = sum_of_all(squares);
  if (INVOCATION != 0) return;
  merged[picture * groups + group] = vec2(mean, 1.0f / sqrt(all_squares / numbers + eps));
}
