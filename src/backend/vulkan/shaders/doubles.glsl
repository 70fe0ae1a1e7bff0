// f64 numbers in memory, as two words, low word first, on devices that cannot compute with them.

// Exact for normal numbers; f32's smallest numbers, which are not normal, become 0.
INLINE uvec2 f64_of(float value) {
  const uint bits = floatBitsToUint(value);
  const uint sign = bits & 0x80000000u, exponent = bits >> 23 & 0xffu, fraction = bits & 0x7fffffu;
  if (exponent == 0) return uvec2(0, sign);
  const uint wide = exponent == 0xffu ? 0x7ffu : exponent + 896;
  return uvec2(fraction << 29, sign | wide << 20 | fraction >> 3);
}

// Rounded to nearest; numbers too small for f32 become 0, those too large infinite.
INLINE float f32_of(uvec2 value) {
  const uint sign = value.y & 0x80000000u;
  const int exponent = int(value.y >> 20 & 0x7ffu) - 896;
  if (exponent >= 255) {
    const bool is_nan = (value.y >> 20 & 0x7ffu) == 0x7ffu && ((value.y << 12) | value.x) != 0;
    return uintBitsToFloat(sign | 0x7f800000u | (is_nan ? 0x400000u : 0u));
  }
  if (exponent <= 0) return uintBitsToFloat(sign);
  const uint fraction = (value.y & 0xfffffu) << 3 | value.x >> 29;
  // Carries into the exponent if it must.
  const uint rest = value.x & 0x1fffffffu;
  const bool up = rest > 0x10000000u || (rest == 0x10000000u && (fraction & 1u) != 0);
  return uintBitsToFloat((sign | uint(exponent) << 23 | fraction) + (up ? 1u : 0u));
}
