#version 450
#extension GL_GOOGLE_include_directive : require
// x + scale * y, x - y, x * y, x / y with broadcasting. Axes are the result's, fastest first; a
// stride of 0 repeats a source.
#include "prelude.glsl"

CONSTANT(1, uint, FUNCTION, 0);  // as BinaryFn
CONSTANT(2, uint, AXES, 1);      // 1 to 6
CONSTANT(3, bool, BY_FOUR, true);  // along the first axis, on which x has stride 1 and y 1 or 0
CONSTANT(4, bool, Y_REPEATS, false);  // along the first axis
SOURCE(0, STORED, x);
SOURCE(0, STORED4, x4);
SOURCE(1, Y_STORED, y);
SOURCE(1, Y_STORED4, y4);
RESULT(2, STORED, dst);
RESULT(2, STORED4, dst4);
PUSH {
  uint count;  // of elements, or of fours; so are the sizes and strides
  float scale;
  uint sizes[6];
  uint x_strides[6];
  uint y_strides[6];
};

INLINE float apply(float a, float b) {
  switch (FUNCTION) {
    case 0: return fma(scale, b, a);
    case 1: return a - b;
    case 2: return a * b;
    default: return a / b;
  }
}

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  uint x_at = 0, y_at = 0, rest = at;
  UNROLL for (uint axis = 0; axis < AXES; ++axis) {
    const uint i = axis + 1 < AXES ? rest % sizes[axis] : rest;
    rest /= sizes[axis];
    x_at += i * x_strides[axis];
    y_at += i * y_strides[axis];
  }
  if (BY_FOUR) {
    const vec4 xs = vec4(x4[x_at]);
    const vec4 ys = Y_REPEATS ? vec4(float(y[y_at])) : vec4(y4[y_at]);
    vec4 values;
    UNROLL for (uint i = 0; i < 4; ++i) values[i] = apply(xs[i], ys[i]);
    dst4[at] = STORED4(values);
  } else {
    dst[at] = STORED(apply(float(x[x_at]), float(y[y_at])));
  }
}
