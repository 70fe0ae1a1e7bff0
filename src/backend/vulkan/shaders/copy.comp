#version 450
#extension GL_GOOGLE_include_directive : require
// Moves words between two strided places: concat, slice, paste, transpose and plain copies. Axes
// are fastest first.
#include "prelude.glsl"

CONSTANT(1, uint, AXES, 1);  // 1 to 6
SOURCE(0, MOVED, x);
RESULT(1, MOVED, dst);
PUSH {
  uint count;
  uint x_first;
  uint dst_first;
  uint sizes[6];
  uint x_strides[6];
  uint dst_strides[6];
};

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  uint x_at = x_first, dst_at = dst_first, rest = at;
  UNROLL for (uint axis = 0; axis < AXES; ++axis) {
    const uint i = axis + 1 < AXES ? rest % sizes[axis] : rest;
    rest /= sizes[axis];
    x_at += i * x_strides[axis];
    dst_at += i * dst_strides[axis];
  }
  dst[dst_at] = x[x_at];
}
