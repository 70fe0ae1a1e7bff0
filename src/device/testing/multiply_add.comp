#version 450
// dst = a * factor + b, for the tests of the device room.
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const int kRepeats = 1;
layout(std430, binding = 0) readonly buffer A { float a[]; };
layout(std430, binding = 1) readonly buffer B { float b[]; };
layout(std430, binding = 2) buffer Dst { float dst[]; };
layout(push_constant) uniform Push { uint count; float factor; };

void main() {
  const uint i = gl_GlobalInvocationID.x;
  if (i >= count) return;
  float sum = b[i];
  for (int repeat = 0; repeat < kRepeats; ++repeat) sum += a[i] * factor;
  dst[i] = sum;
}
