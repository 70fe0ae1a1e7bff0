#version 450
#extension GL_GOOGLE_include_directive : require
// Count, mean and sum of squared distances of each group of channels in each chunk of pixels: one
// chunk of one group per workgroup. The moments are stored as f64, which is written here without
// f64 arithmetic.
#include "prelude.glsl"
#include "reduce.glsl"
#include "doubles.glsl"

SOURCE(0, STORED, x);
RESULT(1, uvec2, moments);
PUSH {
  uint pixels;
  uint c;
  uint groups;
  uint chunk_pixels;
  uint chunks;
};

KERNEL {
  const uint group = GROUP.x, chunk = GROUP.y, picture = GROUP.z;
  const uint width = c / groups;
  const uint first_pixel = chunk * chunk_pixels;
  const uint count = min(chunk_pixels, pixels - first_pixel) * width;
  const uint first = (picture * pixels + first_pixel) * c + group * width;
  float sum = 0.0f;
  for (uint i = INVOCATION; i < count; i += THREADS)
    sum += float(x[first + i / width * c + i % width]);
  const float mean = sum_of_all(sum) / float(count);
  float squares = 0.0f;
  for (uint i = INVOCATION; i < count; i += THREADS) {
    const float distance = float(x[first + i / width * c + i % width]) - mean;
    squares = fma(distance, distance, squares);
  }
  const float all_squares = sum_of_all(squares);
  if (INVOCATION != 0) return;
  const uint at = ((picture * chunks + chunk) * groups + group) * 3;
  moments[at] = f64_of(float(count));
  moments[at + 1] = f64_of(mean);
  moments[at + 2] = f64_of(all_squares);
}
