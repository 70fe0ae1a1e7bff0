// Functions that devices compute too roughly or do not have.

// exp(x) with a relative error of about 1e-7, whatever the device's own exp() does.
INLINE float exact_exp(float x) {
  x = clamp(x, -87.0f, 88.0f);
  const float n = round(x * 1.44269504f);
  // x - n ln 2, in two parts so that the product is exact
  float r = fma(n, -0.693359375f, x);
  r = fma(n, 2.12194440e-4f, r);
  float p = 1.9875691500e-4f;
  p = fma(p, r, 1.3981999507e-3f);
  p = fma(p, r, 8.3334519073e-3f);
  p = fma(p, r, 4.1665795894e-2f);
  p = fma(p, r, 1.6666665459e-1f);
  p = fma(p, r, 5.0000001201e-1f);
  p = fma(p, r * r, r + 1.0f);
  return ldexp(p, int(n));
}

// The error function, by Abramowitz and Stegun 7.1.26: absolute error 1.5e-7.
INLINE float erf(float x) {
  const float a = abs(x);
  const float t = 1.0f / fma(0.3275911f, a, 1.0f);
  float p = 1.061405429f;
  p = fma(p, t, -1.453152027f);
  p = fma(p, t, 1.421413741f);
  p = fma(p, t, -0.284496736f);
  p = fma(p, t, 0.254829592f);
  const float y = 1.0f - p * t * exp(-a * a);
  return x < 0.0f ? -y : y;
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }
INLINE float silu(float x) { return x / (1.0f + exp(-x)); }
INLINE float gelu(float x) { return 0.5f * x * (1.0f + erf(x * 0.70710678f)); }

// Sine and cosine of an angle of up to some 1e5, with an absolute error of about 1e-7.
INLINE vec2 sine_and_cosine(float angle) {
  const float n = round(angle * 0.636619772f);
  // angle - n pi / 2, in three parts
  float r = fma(n, -1.5703125f, angle);
  r = fma(n, -4.837512969970703e-4f, r);
  r = fma(n, -7.549789948768648e-8f, r);
  const float z = r * r;
  float s = fma(-1.9515295891e-4f, z, 8.3321608736e-3f);
  s = fma(s, z, -1.6666654611e-1f);
  s = fma(s * z, r, r);
  float c = fma(2.443315711809948e-5f, z, -1.388731625493765e-3f);
  c = fma(c, z, 4.166664568298827e-2f);
  c = fma(c, z * z, fma(-0.5f, z, 1.0f));
  const int quarter = int(n) & 3;
  const vec2 turned = (quarter & 1) == 0 ? vec2(s, c) : vec2(c, s);
  return vec2((quarter & 2) == 0 ? turned.x : -turned.x,
              ((quarter + 1) & 2) == 0 ? turned.y : -turned.y);
}
