#version 450
#extension GL_GOOGLE_include_directive : require
// A function of one number for every element: unary, affine and convert. HALF: x; Y_HALF: result.
#include "prelude.glsl"
#include "functions.glsl"

CONSTANT(1, uint, FUNCTION, 0);  // as UnaryFn; after it, affine
CONSTANT(2, bool, BY_FOUR, true);
SOURCE(0, STORED, x);
SOURCE(0, STORED4, x4);
RESULT(1, Y_STORED, dst);
RESULT(1, Y_STORED4, dst4);
PUSH {
  uint count;  // of elements, or of fours
  float scale;
  float shift;
};

INLINE float apply(float v) {
  switch (FUNCTION) {
    case 0: return silu(v);
    case 1: return gelu(v);
    case 2: return v * sigmoid(1.702f * v);
    case 3: return sigmoid(v);
    case 4: return v < 0.0f ? 0.0f : v;  // NaN stays NaN
    case 5: return 1.0f - 2.0f / (exp(2.0f * min(v, 20.0f)) + 1.0f);
    default: return fma(v, scale, shift);
  }
}

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  if (BY_FOUR) {
    vec4 values = vec4(x4[at]);
    UNROLL for (uint i = 0; i < 4; ++i) values[i] = apply(values[i]);
    dst4[at] = Y_STORED4(values);
  } else {
    dst[at] = Y_STORED(apply(float(x[at])));
  }
}
