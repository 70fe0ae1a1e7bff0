#version 450
#extension GL_GOOGLE_include_directive : require
// Nearest-neighbour resizing, as graph/ops/upsample.h. A pixel is `words` words.
#include "prelude.glsl"

SOURCE(0, MOVED, x);
RESULT(1, MOVED, dst);
PUSH {
  uint count;  // words of the result
  uint words;
  uint h;
  uint w;
  uint height;
  uint width;
};

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  const uint word = at % words, pixel = at / words;
  const uint column = pixel % width, row = pixel / width % height, picture = pixel / width / height;
  const uint from = (picture * h + row * h / height) * w + column * w / width;
  dst[at] = x[from * words + word];
}
