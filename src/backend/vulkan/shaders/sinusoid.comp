#version 450
#extension GL_GOOGLE_include_directive : require
// Sines and cosines of x * exp(-ln(10000) i / divisor), as graph/ops/sinusoid.h.
#include "prelude.glsl"
#include "functions.glsl"

SOURCE(0, float, x);
RESULT(1, float, dst);
PUSH {
  uint count;  // of angles: rows * half_dim
  uint half_dim;
  uint flip;  // 1: cosines first
  float divisor;
};

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  const uint row = at / half_dim, i = at % half_dim;
  // The frequency is rounded like the reference's: its error shows at large x.
  const float exponent = -9.21034037f * float(i) / divisor;
  const vec2 waves = sine_and_cosine(x[row] * exact_exp(exponent));
  const uint first = row * 2 * half_dim + i;
  dst[first + (flip != 0 ? half_dim : 0)] = waves.x;
  dst[first + (flip != 0 ? 0 : half_dim)] = waves.y;
}
