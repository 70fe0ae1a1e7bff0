// Functions that devices compute too roughly or do not have.

// exp(x) with a relative error of about 1e-7, whatever the device's own exp() does.
float exact_exp(float x) {
  x = clamp(x, -87.0, 88.0);
  const float n = round(x * 1.44269504);
  // x - n ln 2, in two parts so that the product is exact
  float r = fma(n, -0.693359375, x);
  r = fma(n, 2.12194440e-4, r);
  float p = 1.9875691500e-4;
  p = fma(p, r, 1.3981999507e-3);
  p = fma(p, r, 8.3334519073e-3);
  p = fma(p, r, 4.1665795894e-2);
  p = fma(p, r, 1.6666665459e-1);
  p = fma(p, r, 5.0000001201e-1);
  p = fma(p, r * r, r + 1.0);
  return ldexp(p, int(n));
}

// The error function, by Abramowitz and Stegun 7.1.26: absolute error 1.5e-7.
float erf(float x) {
  const float a = abs(x);
  const float t = 1.0 / fma(0.3275911, a, 1.0);
  float p = 1.061405429;
  p = fma(p, t, -1.453152027);
  p = fma(p, t, 1.421413741);
  p = fma(p, t, -0.284496736);
  p = fma(p, t, 0.254829592);
  const float y = 1.0 - p * t * exp(-a * a);
  return x < 0.0 ? -y : y;
}

float sigmoid(float x) { return 1.0 / (1.0 + exp(-x)); }
float silu(float x) { return x / (1.0 + exp(-x)); }
float gelu(float x) { return 0.5 * x * (1.0 + erf(x * 0.70710678)); }

// Sine and cosine of an angle of up to some 1e5, with an absolute error of about 1e-7.
vec2 sine_and_cosine(float angle) {
  const float n = round(angle * 0.636619772);
  // angle - n pi / 2, in three parts
  float r = fma(n, -1.5703125, angle);
  r = fma(n, -4.837512969970703e-4, r);
  r = fma(n, -7.549789948768648e-8, r);
  const float z = r * r;
  float s = fma(-1.9515295891e-4, z, 8.3321608736e-3);
  s = fma(s, z, -1.6666654611e-1);
  s = fma(s * z, r, r);
  float c = fma(2.443315711809948e-5, z, -1.388731625493765e-3);
  c = fma(c, z, 4.166664568298827e-2);
  c = fma(c, z * z, fma(-0.5, z, 1.0));
  const int quarter = int(n) & 3;
  const vec2 turned = (quarter & 1) == 0 ? vec2(s, c) : vec2(c, s);
  return vec2((quarter & 2) == 0 ? turned.x : -turned.x,
              ((quarter + 1) & 2) == 0 ? turned.y : -turned.y);
}
