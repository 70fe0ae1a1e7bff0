// The macros of prelude.glsl, and GLSL's types and functions, in CUDA. A kernel becomes a struct
// that the launch passes by value: a pointer for each SOURCE and RESULT in their order, then the
// PUSH values. Its functions are the struct's. CONSTANTS is the list of specialization constants
// 0..
//
// Cooperative matrices are those of wmma, 16 x 16 x 16.
#pragma once

#include <cuda_fp16.h>
#include <mma.h>

#include <initializer_list>

using uint = unsigned int;
using uint16_t = unsigned short;
using float16_t = __half;

/// given[number], or `value` if there are fewer.
constexpr uint constant_of(uint number, uint value, std::initializer_list<uint> given) {
  return number < given.size() ? given.begin()[number] : value;
}

/// An array in shared memory that all functions of a kernel see; `id` tells arrays apart.
template <typename T, uint count, int id>
struct Shared {
  __device__ T& operator[](uint i) const {
    __shared__ alignas(32) T values[count];  // as wmma needs it
    return values[i];
  }
};

#define CONSTANT(number, type, name, value) \
  static constexpr type name = static_cast<type>(constant_of(number, value, {CONSTANTS}))
#define SOURCE(at, type, name) const type* name
#define RESULT(at, type, name) type* name
#define PUSH struct
#define SHARED(type, name, count) Shared<type, count, __COUNTER__> name
#define STATIC static
#define INLINE __device__ __forceinline__
#define KERNEL __device__ __forceinline__ void main()
#define BARRIER() __syncthreads()
#define UNROLL _Pragma("unroll")
#define INVOCATION threadIdx.x
#define GROUP blockIdx
#define GROUPS gridDim
#define gl_SubgroupSize 32u
#define gl_SubgroupID (INVOCATION / gl_SubgroupSize)
#define gl_SubgroupInvocationID (INVOCATION % gl_SubgroupSize)

struct uvec2 {
  uint x, y;
  uvec2() = default;
  __device__ uvec2(uint a, uint b) : x(a), y(b) {}
};
using uvec4 = uint4;

struct vec2 {
  float x, y;
  vec2() = default;
  __device__ vec2(float a, float b) : x(a), y(b) {}
};

struct f16vec4;
struct alignas(16) vec4 {
  float values[4];
  vec4() = default;
  __device__ explicit vec4(float a) : values{a, a, a, a} {}
  __device__ explicit vec4(const f16vec4& other);
  __device__ float& operator[](uint i) { return values[i]; }
  __device__ float operator[](uint i) const { return values[i]; }
};
struct alignas(8) f16vec4 {
  float16_t values[4];
  f16vec4() = default;
  __device__ explicit f16vec4(float a) : values{a, a, a, a} {}
  __device__ explicit f16vec4(const vec4& a) : values{a[0], a[1], a[2], a[3]} {}
  __device__ float16_t& operator[](uint i) { return values[i]; }
};
__device__ inline vec4::vec4(const f16vec4& a)
    : values{float(a.values[0]), float(a.values[1]), float(a.values[2]), float(a.values[3])} {}
__device__ inline vec4 operator*(vec4 a, const vec4& b) {
  for (uint i = 0; i < 4; ++i) a[i] *= b[i];
  return a;
}

__device__ inline uint floatBitsToUint(float value) { return __float_as_uint(value); }
__device__ inline float uintBitsToFloat(uint value) { return __uint_as_float(value); }
template <typename T>
__device__ T clamp(T value, T least, T most) {
  return min(max(value, least), most);
}

enum Use { gl_MatrixUseA, gl_MatrixUseB, gl_MatrixUseAccumulator };
enum Layout { gl_CooperativeMatrixLayoutRowMajor, gl_CooperativeMatrixLayoutColumnMajor };
constexpr int gl_ScopeSubgroup = 3;

template <typename T, int scope, uint rows, uint columns, Use use>
struct coopmat;

template <int scope>
struct coopmat<float, scope, 16, 16, gl_MatrixUseAccumulator> {
  nvcuda::wmma::fragment<nvcuda::wmma::accumulator, 16, 16, 16, float> values;
  coopmat() = default;
  __device__ explicit coopmat(float value) { nvcuda::wmma::fill_fragment(values, value); }
  __device__ coopmat operator*(const coopmat& other) const {
    coopmat product;
    for (int i = 0; i < values.num_elements; ++i)
      product.values.x[i] = values.x[i] * other.values.x[i];
    return product;
  }
};
template <int scope>
struct coopmat<float16_t, scope, 16, 16, gl_MatrixUseA> {
  nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, 16, 16, 16, float16_t, nvcuda::wmma::row_major>
      values;
};
// wmma's type says how the matrix lies in memory, GLSL's does not: one of both is used.
template <int scope>
struct coopmat<float16_t, scope, 16, 16, gl_MatrixUseB> {
  nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, 16, float16_t, nvcuda::wmma::row_major>
      by_rows;
  nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, 16, 16, 16, float16_t, nvcuda::wmma::col_major>
      by_columns;
  Layout layout;
};

template <int scope, typename T>
__device__ void coopMatLoad(coopmat<float, scope, 16, 16, gl_MatrixUseAccumulator>& matrix,
                            const T& from, uint at, uint stride, Layout) {
  nvcuda::wmma::load_matrix_sync(matrix.values, &from[at], stride, nvcuda::wmma::mem_row_major);
}
/// `at` and `stride` count the array's elements, which may be fours.
template <int scope, typename T>
__device__ void coopMatLoad(coopmat<float16_t, scope, 16, 16, gl_MatrixUseA>& matrix, const T& from,
                            uint at, uint stride, Layout) {
  const uint width = sizeof(from[0]) / sizeof(float16_t);
  nvcuda::wmma::load_matrix_sync(matrix.values, reinterpret_cast<const float16_t*>(&from[at]),
                                 stride * width);
}
template <int scope, typename T>
__device__ void coopMatLoad(coopmat<float16_t, scope, 16, 16, gl_MatrixUseB>& matrix, const T& from,
                            uint at, uint stride, Layout layout) {
  const uint width = sizeof(from[0]) / sizeof(float16_t);
  const auto* first = reinterpret_cast<const float16_t*>(&from[at]);
  matrix.layout = layout;
  if (layout == gl_CooperativeMatrixLayoutRowMajor)
    nvcuda::wmma::load_matrix_sync(matrix.by_rows, first, stride * width);
  else
    nvcuda::wmma::load_matrix_sync(matrix.by_columns, first, stride * width);
}
template <int scope, typename T>
__device__ void coopMatStore(const coopmat<float, scope, 16, 16, gl_MatrixUseAccumulator>& matrix,
                             const T& to, uint at, uint stride, Layout) {
  nvcuda::wmma::store_matrix_sync(&to[at], matrix.values, stride, nvcuda::wmma::mem_row_major);
}
template <int scope>
__device__ coopmat<float, scope, 16, 16, gl_MatrixUseAccumulator> coopMatMulAdd(
    const coopmat<float16_t, scope, 16, 16, gl_MatrixUseA>& a,
    const coopmat<float16_t, scope, 16, 16, gl_MatrixUseB>& b,
    const coopmat<float, scope, 16, 16, gl_MatrixUseAccumulator>& sums) {
  coopmat<float, scope, 16, 16, gl_MatrixUseAccumulator> result;
  if (b.layout == gl_CooperativeMatrixLayoutRowMajor)
    nvcuda::wmma::mma_sync(result.values, a.values, b.by_rows, sums.values);
  else
    nvcuda::wmma::mma_sync(result.values, a.values, b.by_columns, sums.values);
  return result;
}
