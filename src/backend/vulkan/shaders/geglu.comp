#version 450
#extension GL_GOOGLE_include_directive : require
// x [rows, 2c] -> [rows, c]: the first half of each row times gelu of the second.
#include "prelude.glsl"
#include "functions.glsl"

SOURCE(0, STORED, x);
RESULT(1, STORED, dst);
PUSH {
  uint count;  // of the result
  uint c;
};

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  const uint from = at / c * 2 * c + at % c;
  dst[at] = STORED(float(x[from]) * gelu(float(x[from + c])));
}
