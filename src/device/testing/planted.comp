#version 450
// dst[i] = src[63 - i] through shared memory; with a bug, for tests of the validation layer.
layout(local_size_x = 64) in;
layout(constant_id = 0) const int kBug = 0;  // 1: no barrier in the work group, 2: writes past dst
layout(std430, binding = 0) readonly buffer Src { float src[]; };
layout(std430, binding = 1) buffer Dst { float dst[]; };
shared float tile[64];

void main() {
  const uint i = gl_LocalInvocationID.x;
  tile[i] = src[i];
  if (kBug != 1) barrier();
  dst[kBug == 2 ? i + 64 : i] = tile[63 - i];
}
