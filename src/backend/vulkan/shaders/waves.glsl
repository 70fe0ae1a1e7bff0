// The waves of the four lowest frequencies at a pixel: 1, then the cosine and sine of the
// frequencies (0,-1), (-1,0) and (-1,-1). Needs functions.glsl.
INLINE float wave_at(uint wave, uint y, uint x, uint h, uint w) {
  if (wave == 0) return 1.0f;
  const float turn = 6.28318531f;
  const float down = turn * (float(y) / float(h)), right = turn * (float(x) / float(w));
  const vec2 values = sine_and_cosine(wave < 3 ? right : wave < 5 ? down : down + right);
  return wave % 2 == 1 ? values.y : values.x;
}
