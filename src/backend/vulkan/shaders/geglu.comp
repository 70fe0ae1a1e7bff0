#version 450
#extension GL_GOOGLE_include_directive : require
// x [rows, 2c] -> [rows, c]: the first half of each row times gelu of the second.
#include "prelude.glsl"
#include "functions.glsl"

CONSTANT(1, bool, BY_FOUR, true);
SOURCE(0, STORED, x);
SOURCE(0, STORED4, x4);
RESULT(1, STORED, dst);
RESULT(1, STORED4, dst4);
PUSH {
  uint count;  // of the result; elements or fours, as c
  uint c;
};

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  const uint from = at / c * 2 * c + at % c;
  if (BY_FOUR) {
    vec4 gates = vec4(x4[from + c]);
    UNROLL for (uint i = 0; i < 4; ++i) gates[i] = gelu(gates[i]);
    dst4[at] = STORED4(vec4(x4[from]) * gates);
  } else {
    dst[at] = STORED(float(x[from]) * gelu(float(x[from + c])));
  }
}
