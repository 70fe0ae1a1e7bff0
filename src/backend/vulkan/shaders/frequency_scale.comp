#version 450
#extension GL_GOOGLE_include_directive : require
// x + factor * (the waves' share at this pixel), with the sums of frequency_sums.comp.
#include "prelude.glsl"
#include "functions.glsl"
#include "waves.glsl"

SOURCE(0, STORED, x);
SOURCE(1, float, sums);
RESULT(2, STORED, dst);
PUSH {
  uint count;
  uint h;
  uint w;
  uint c;
  float factor;  // (scale - 1) / (h w)
};

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  const uint channel = at % c, pixel = at / c, column = pixel % w, row = pixel / w % h;
  const uint picture = pixel / w / h;
  float share = 0.0f;
  for (uint wave = 0; wave < 7; ++wave)
    share = fma(wave_at(wave, row, column, h, w), sums[(picture * 7 + wave) * c + channel], share);
  dst[at] = STORED(fma(factor, share, float(x[at])));
}
