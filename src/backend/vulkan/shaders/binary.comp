#version 450
#extension GL_GOOGLE_include_directive : require
// x + scale * y, x - y, x * y, x / y with broadcasting. Axes are the result's, fastest first; a
// stride of 0 repeats a source.
#include "prelude.glsl"

CONSTANT(1, uint, FUNCTION, 0);  // as BinaryFn
CONSTANT(2, uint, AXES, 1);      // 1 to 6
SOURCE(0, STORED, x);
SOURCE(1, Y_STORED, y);
RESULT(2, STORED, dst);
PUSH {
  uint count;
  float scale;
  uint sizes[6];
  uint x_strides[6];
  uint y_strides[6];
};

float apply(float a, float b) {
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
  dst[at] = STORED(apply(float(x[x_at]), float(y[y_at])));
}
