// What the kernels use of the language: every kernel is written in these macros and in the C-like
// core that GLSL and CUDA share. prelude.cuh gives the macros and GLSL's types in CUDA.
//
// HALF: x and the result are stored as f16, else as f32. Y_HALF: the same for the second operand
// (a weight or y). All arithmetic is f32; f16 is only a way to store numbers, so no shader needs
// f16 arithmetic from the device.
#if HALF
#define STORED float16_t
#define STORED4 f16vec4
#else
#define STORED float
#define STORED4 vec4
#endif
#if Y_HALF
#define Y_STORED float16_t
#define Y_STORED4 f16vec4
#else
#define Y_STORED float
#define Y_STORED4 vec4
#endif

// WORD: bytes of the unit that a kernel moves without looking at it.
#if WORD == 2
#define MOVED uint16_t
#elif WORD == 8
#define MOVED uvec2
#elif WORD == 16
#define MOVED uvec4
#else
#define MOVED uint
#endif

#ifndef __CUDACC__
#extension GL_EXT_control_flow_attributes : require
#if HALF || Y_HALF || WORD == 2
#extension GL_EXT_shader_16bit_storage : require
#endif

// Specialization constant 0 is the number of invocations in every shader.
layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint THREADS = 64;
#define CONSTANT(number, type, name, value) layout(constant_id = number) const type name = value
#define SOURCE(at, type, name) \
  layout(set = 0, binding = at) readonly buffer name##_place { type name[]; }
#define RESULT(at, type, name) \
  layout(set = 0, binding = at) writeonly buffer name##_place { type name[]; }
#define PUSH layout(push_constant) uniform push_values
#define SHARED(type, name, count) shared type name[count]
#define STATIC  // before a constant of all functions
#define INLINE  // before a function
#define KERNEL void main()
#define BARRIER() barrier()
#define UNROLL [[unroll]]
#define INVOCATION gl_LocalInvocationIndex
#define GROUP gl_WorkGroupID
#define GROUPS gl_NumWorkGroups
#endif

// The place of this invocation in a grid of one dimension, which is launched in two because a
// dimension can be limited to 65535 groups.
#define GRID_INDEX ((GROUP.y * GROUPS.x + GROUP.x) * THREADS + INVOCATION)
