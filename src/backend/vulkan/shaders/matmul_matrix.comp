#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
// matmul.comp with cooperative matrices, f16 with f32 sums: the same product, of the same places.
// A subgroup computes SM x SN results as matrices of MM x MN; k is walked in steps of MK, in the
// same order for every result of every shape, and padded with zeros.
//
// Compiled by tools/build_matrix_shaders.sh into prebuilt/, because Debian 12's compiler does not know
// cooperative matrices.
#define HALF 1
#define Y_HALF 1
#include "prelude.glsl"

CONSTANT(1, uint, BM, 64);
CONSTANT(2, uint, BN, 64);
CONSTANT(3, uint, SM, 32);
CONSTANT(4, uint, SN, 32);
CONSTANT(5, bool, BY_FOUR, true);  // k (linear) or the picture's channels are a multiple of 4
CONSTANT(6, uint, WINDOW_W, 1);
CONSTANT(7, uint, MM, 16);
CONSTANT(8, uint, MN, 16);
CONSTANT(9, uint, MK, 16);
CONSTANT(10, uint, SUBGROUPS, 4);
STATIC const uint BK = 32;

SOURCE(0, STORED, a);
SOURCE(0, STORED4, a4);
SOURCE(1, STORED, w);
SOURCE(1, STORED4, w4);
SOURCE(2, float, bias);
SOURCE(3, STORED, residual);
RESULT(4, STORED, dst);
#include "matmul_places.glsl"

#define SUM_MATRIX coopmat<float, gl_ScopeSubgroup, MM, MN, gl_MatrixUseAccumulator>
#define A_MATRIX coopmat<float16_t, gl_ScopeSubgroup, MM, MK, gl_MatrixUseA>
#define W_MATRIX coopmat<float16_t, gl_ScopeSubgroup, MK, MN, gl_MatrixUseB>

// Rows of the tiles are k, padded so that they begin at other banks.
STATIC const uint FOURS = BK / 4;
STATIC const uint LD = FOURS + 2;  // in fours
SHARED(f16vec4, tile_a, BM * LD);
SHARED(f16vec4, tile_w, BN * LD);
SHARED(float, results, SUBGROUPS * MM * MN);
#if CONV
SHARED(Row, rows_of_tile, BM);
#endif

INLINE f16vec4 load_a(Row row, Column columns[4]) {
  if (BY_FOUR) {
    const int at = index_of(row, columns[0]);
    return at >= 0 ? a4[uint(at) / 4] : f16vec4(0.0f);
  }
  f16vec4 values = f16vec4(0.0f);
  UNROLL for (uint i = 0; i < 4; ++i) {
    const int at = index_of(row, columns[i]);
    if (at >= 0) values[i] = a[uint(at)];
  }
  return values;
}

INLINE f16vec4 load_w(uint n, uint k) {
  f16vec4 values = f16vec4(0.0f);
  if (n >= outputs) return values;
  if (BY_FOUR) return k < depth ? w4[(n * depth + k) / 4] : values;
  UNROLL for (uint i = 0; i < 4; ++i)
    if (k + i < depth) values[i] = w[n * depth + k + i];
  return values;
}

KERNEL {
  const uint n0 = GROUP.x * BN, m0 = GROUP.y * BM;
  const uint down = SM / MM, across = SN / MN;
  const uint first_m = gl_SubgroupID % (BM / SM) * SM, first_n = gl_SubgroupID / (BM / SM) * SN;
  SUM_MATRIX sums[down * across];
  UNROLL for (uint i = 0; i < down * across; ++i) sums[i] = SUM_MATRIX(0.0f);
#if CONV
  for (uint i = INVOCATION; i < BM; i += THREADS) rows_of_tile[i] = row_of(m0 + i);
  BARRIER();
#endif

  // Each invocation loads the same columns of its rows. THREADS is a multiple of FOURS.
  const uint four = INVOCATION % FOURS;
  for (uint k0 = 0; k0 < depth; k0 += BK) {
    Column columns[4];
    UNROLL for (uint i = 0; i < 4; ++i) columns[i] = column_of(k0 + four * 4 + i);
    for (uint row = INVOCATION / FOURS; row < BM; row += THREADS / FOURS) {
#if CONV
      tile_a[row * LD + four] = load_a(rows_of_tile[row], columns);
#else
      tile_a[row * LD + four] = load_a(row_of(m0 + row), columns);
#endif
    }
    for (uint row = INVOCATION / FOURS; row < BN; row += THREADS / FOURS)
      tile_w[row * LD + four] = load_w(n0 + row, k0 + four * 4);
    BARRIER();
    for (uint k = 0; k < BK; k += MK) {
      A_MATRIX columns[down];
      UNROLL for (uint i = 0; i < down; ++i)
        coopMatLoad(columns[i], tile_a, (first_m + i * MM) * LD + k / 4, LD,
                    gl_CooperativeMatrixLayoutRowMajor);
      UNROLL for (uint j = 0; j < across; ++j) {
        W_MATRIX factors;
        coopMatLoad(factors, tile_w, (first_n + j * MN) * LD + k / 4, LD,
                    gl_CooperativeMatrixLayoutColumnMajor);
        UNROLL for (uint i = 0; i < down; ++i)
          sums[i * across + j] = coopMatMulAdd(columns[i], factors, sums[i * across + j]);
      }
    }
    BARRIER();
  }

  // Through shared memory, one matrix of each subgroup at a time. Only constants index `sums`, or
  // drivers would move it to memory: they do not unroll loops with loops inside.
  const uint own = gl_SubgroupID * MM * MN;
  for (uint i = 0; i < down * across; ++i) {
    UNROLL for (uint j = 0; j < down * across; ++j) {
      if (i == j) coopMatStore(sums[j], results, own, MN, gl_CooperativeMatrixLayoutRowMajor);
    }
    BARRIER();
    const uint m1 = m0 + first_m + i / across * MM, n1 = n0 + first_n + i % across * MN;
    for (uint e = gl_SubgroupInvocationID; e < MM * MN; e += gl_SubgroupSize) {
      const uint m = m1 + e / MN, n = n1 + e % MN;
      if (m < rows && n < outputs) {
        float value = results[own + e];
        if (has_bias != 0) value += bias[n];
        if (has_residual != 0) value += float(residual[m * outputs + n]);
        dst[m * outputs + n] = STORED(value);
      }
    }
    BARRIER();
  }
}
