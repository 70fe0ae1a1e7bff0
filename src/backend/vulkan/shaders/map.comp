#version 450
#extension GL_GOOGLE_include_directive : require
// A function of one number for every element: unary, affine and convert. HALF: x; Y_HALF: result.
#include "prelude.glsl"
#include "functions.glsl"

CONSTANT(1, uint, FUNCTION, 0);  // as MapFunction in elementwise.cpp
CONSTANT(2, uint, EACH, 4);      // elements of one invocation
SOURCE(0, STORED, x);
RESULT(1, Y_STORED, dst);
PUSH {
  uint count;
  float scale;
  float shift;
};

float apply(float v) {
  switch (FUNCTION) {
    case 0: return silu(v);
    case 1: return gelu(v);
    case 2: return v * sigmoid(1.702 * v);
    case 3: return sigmoid(v);
    case 4: return v < 0.0 ? 0.0 : v;  // NaN stays NaN
    case 5: return 1.0 - 2.0 / (exp(2.0 * min(v, 20.0)) + 1.0);
    default: return fma(v, scale, shift);
  }
}

KERNEL {
  // Neighbouring invocations take neighbouring elements.
  const uint first = (GROUP.y * GROUPS.x + GROUP.x) * THREADS * EACH + INVOCATION;
  for (uint i = 0; i < EACH; ++i) {
    const uint at = first + i * THREADS;
    if (at < count) dst[at] = Y_STORED(apply(float(x[at])));
  }
}
