#version 450
#extension GL_GOOGLE_include_directive : require
// Sums of a picture's channels over seven waves, as graph/ops/scale_low_frequencies.h needs them:
// sums [n,7,c].
#include "prelude.glsl"
#include "functions.glsl"
#include "waves.glsl"

SOURCE(0, STORED, x);
RESULT(1, float, sums);
PUSH {
  uint count;  // n * 7 * c
  uint h;
  uint w;
  uint c;
};

// Frequencies -1 and 0 are one in a direction of one pixel, so that they are scaled once.
INLINE bool is_one_of_two(uint wave) {
  const bool moves_right = wave == 1 || wave == 2 || wave >= 5;
  return (moves_right && w == 1) || (wave >= 3 && h == 1);
}

KERNEL {
  const uint at = GRID_INDEX;
  if (at >= count) return;
  const uint channel = at % c, wave = at / c % 7, picture = at / c / 7;
  float sum = 0.0f;
  if (!is_one_of_two(wave)) {
    for (uint y = 0; y < h; ++y) {
      float row = 0.0f;  // sums of rows first, so that many pixels lose no digits
      for (uint i = 0; i < w; ++i)
        row = fma(wave_at(wave, y, i, h, w), float(x[((picture * h + y) * w + i) * c + channel]),
                  row);
      sum += row;
    }
  }
  sums[at] = sum;
}
