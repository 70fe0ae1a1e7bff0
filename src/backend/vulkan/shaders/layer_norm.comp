#version 450
#extension GL_GOOGLE_include_directive : require
// Normalises rows of c numbers: one row per group. Each invocation reads and writes the same
// elements, so dst may be x.
#include "prelude.glsl"
#include "reduce.glsl"

SOURCE(0, STORED, x);
SOURCE(1, float, weight);
SOURCE(2, float, bias);
RESULT(3, STORED, dst);
PUSH {
  uint rows;
  uint c;
  float eps;
};

KERNEL {
  const uint row = GROUP.y * GROUPS.x + GROUP.x;
  if (row >= rows) return;
  const uint first = row * c;
  float sum = 0.0f;
  for (uint i = INVOCATION; i < c; i += THREADS) sum += float(x[first + i]);
  const float mean = sum_of_all(sum) / float(c);
  float squares = 0.0f;
  for (uint i = INVOCATION; i < c; i += THREADS) {
    const float distance = float(x[first + i]) - mean;
    squares = fma(distance, distance, squares);
  }
  const float slope = 1.0f / sqrt(sum_of_all(squares) / float(c) + eps);
  for (uint i = INVOCATION; i < c; i += THREADS)
    dst[first + i] =
        STORED(fma((float(x[first + i]) - mean) * slope, weight[i], bias[i]));
}
