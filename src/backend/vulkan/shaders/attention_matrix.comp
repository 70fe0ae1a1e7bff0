#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
// attention.comp with cooperative matrices, for f16 and heads of a multiple of 16 channels, at most
// 128. A subgroup has ROWS queries of its workgroup's BR. Probabilities are rounded to f16 before
// they weigh the values; scores, sums and the result's accumulation are f32.
//
// Compiled by tools/build_matrix_shaders.sh into prebuilt/.
#define HALF 1
#include "prelude.glsl"

CONSTANT(1, uint, BR, 64);
CONSTANT(2, uint, D, 64);
CONSTANT(3, bool, CAUSAL, false);
CONSTANT(4, uint, MM, 16);
CONSTANT(5, uint, MN, 16);
CONSTANT(6, uint, MK, 16);
STATIC const uint ROWS = 16;
STATIC const uint BC = 32;    // keys of a block
STATIC const uint PARTS = 4;  // of a row of scores, for the softmax

SOURCE(0, STORED4, q4);
SOURCE(1, STORED4, k4);
SOURCE(2, STORED4, v4);
RESULT(3, STORED, dst);
PUSH {
  uint queries;
  uint keys;
  uint heads;
  float scale;
};

#define SUM_MATRIX coopmat<float, gl_ScopeSubgroup, MM, MN, gl_MatrixUseAccumulator>
#define LEFT_MATRIX coopmat<float16_t, gl_ScopeSubgroup, MM, MK, gl_MatrixUseA>
#define RIGHT_MATRIX coopmat<float16_t, gl_ScopeSubgroup, MK, MN, gl_MatrixUseB>

// Rows are padded so that they begin at other banks.
STATIC const uint LD = D / 4 + 2;  // in fours
STATIC const uint LDS = BC + 4;
STATIC const uint LDP = BC + 8;
SHARED(f16vec4, tile_q, BR * LD);
SHARED(f16vec4, tile, BC * LD);  // of k, then of v
SHARED(float, scores, BR * LDS);
SHARED(float16_t, probabilities, BR * LDP);
SHARED(float, part_most, BR * PARTS);
SHARED(float, part_sums, BR * PARTS);
SHARED(float, largest, BR);
SHARED(float, totals, BR);

INLINE f16vec4 load_k(uint key, uint head, uint picture, uint four) {
  return key < keys ? k4[((picture * keys + key) * heads + head) * (D / 4) + four] : f16vec4(0.0f);
}
INLINE f16vec4 load_v(uint key, uint head, uint picture, uint four) {
  return key < keys ? v4[((picture * keys + key) * heads + head) * (D / 4) + four] : f16vec4(0.0f);
}

// How many keys of the block a query sees.
INLINE uint seen_keys(uint query, uint k0) {
  const uint last = CAUSAL ? min(keys, query + 1) : keys;
  return last > k0 ? min(BC, last - k0) : 0;
}

// The scores of the subgroup's queries, from tile_q and tile.
INLINE void compute_scores(uint first_row) {
  SUM_MATRIX sums[ROWS / MM * (BC / MN)];
  UNROLL for (uint i = 0; i < ROWS / MM * (BC / MN); ++i) sums[i] = SUM_MATRIX(0.0f);
  for (uint c = 0; c < D; c += MK) {
    LEFT_MATRIX left[ROWS / MM];
    UNROLL for (uint i = 0; i < ROWS / MM; ++i)
      coopMatLoad(left[i], tile_q, (first_row + i * MM) * LD + c / 4, LD,
                  gl_CooperativeMatrixLayoutRowMajor);
    UNROLL for (uint j = 0; j < BC / MN; ++j) {
      RIGHT_MATRIX right;
      coopMatLoad(right, tile, j * MN * LD + c / 4, LD, gl_CooperativeMatrixLayoutColumnMajor);
      UNROLL for (uint i = 0; i < ROWS / MM; ++i)
        sums[i * (BC / MN) + j] = coopMatMulAdd(left[i], right, sums[i * (BC / MN) + j]);
    }
  }
  UNROLL for (uint i = 0; i < ROWS / MM; ++i)
    UNROLL for (uint j = 0; j < BC / MN; ++j)
      coopMatStore(sums[i * (BC / MN) + j], scores, (first_row + i * MM) * LDS + j * MN, LDS,
                   gl_CooperativeMatrixLayoutRowMajor);
}

// Turns scores into probabilities relative to the largest score so far. Leaves in the first columns
// of `scores` what the new largest score makes of earlier sums.
INLINE void compute_probabilities(uint q0, uint k0) {
  const uint columns = BC / PARTS;
  for (uint i = INVOCATION; i < BR * PARTS; i += THREADS) {
    const uint row = i / PARTS, first = i % PARTS * columns;
    const uint seen = seen_keys(q0 + row, k0);
    float most = largest[row];
    for (uint c = first; c < first + columns; ++c)
      if (c < seen) most = max(most, scores[row * LDS + c] * scale);
    part_most[i] = most;
  }
  BARRIER();
  for (uint i = INVOCATION; i < BR * PARTS; i += THREADS) {
    const uint row = i / PARTS, first = i % PARTS * columns;
    const uint seen = seen_keys(q0 + row, k0);
    float most = part_most[row * PARTS];
    for (uint part = 1; part < PARTS; ++part) most = max(most, part_most[row * PARTS + part]);
    float sum = 0.0f;
    for (uint c = first; c < first + columns; ++c) {
      const float probability = c < seen ? exp(scores[row * LDS + c] * scale - most) : 0.0f;
      probabilities[row * LDP + c] = float16_t(probability);
      sum += probability;
    }
    part_sums[i] = sum;
  }
  BARRIER();
  for (uint row = INVOCATION; row < BR; row += THREADS) {
    float most = part_most[row * PARTS], sum = part_sums[row * PARTS];
    for (uint part = 1; part < PARTS; ++part) {
      most = max(most, part_most[row * PARTS + part]);
      sum += part_sums[row * PARTS + part];
    }
    const float factor = exp(largest[row] - most);
    largest[row] = most;
    totals[row] = fma(totals[row], factor, sum);
    for (uint c = 0; c < MN; ++c) scores[row * LDS + c] = factor;
  }
}

KERNEL {
  const uint q0 = GROUP.x * BR, head = GROUP.y, picture = GROUP.z;
  const uint first_row = gl_SubgroupID * ROWS;
  for (uint i = INVOCATION; i < BR * D / 4; i += THREADS) {
    const uint row = i / (D / 4), four = i % (D / 4);
    tile_q[row * LD + four] =
        q0 + row < queries
            ? q4[((picture * queries + q0 + row) * heads + head) * (D / 4) + four]
            : f16vec4(0.0f);
  }
  for (uint row = INVOCATION; row < BR; row += THREADS) {
    largest[row] = -3.0e38f;
    totals[row] = 0.0f;
  }
  SUM_MATRIX sums[ROWS / MM * (D / MN)];
  UNROLL for (uint i = 0; i < ROWS / MM * (D / MN); ++i) sums[i] = SUM_MATRIX(0.0f);

  const uint last_key = CAUSAL ? min(keys, q0 + BR) : keys;
  for (uint k0 = 0; k0 < last_key; k0 += BC) {
    for (uint i = INVOCATION; i < BC * D / 4; i += THREADS)
      tile[i / (D / 4) * LD + i % (D / 4)] = load_k(k0 + i / (D / 4), head, picture, i % (D / 4));
    BARRIER();
    compute_scores(first_row);
    BARRIER();
    for (uint i = INVOCATION; i < BC * D / 4; i += THREADS)
      tile[i / (D / 4) * LD + i % (D / 4)] = load_v(k0 + i / (D / 4), head, picture, i % (D / 4));
    compute_probabilities(q0, k0);
    BARRIER();
    UNROLL for (uint i = 0; i < ROWS / MM; ++i) {
      SUM_MATRIX factors;
      coopMatLoad(factors, scores, (first_row + i * MM) * LDS, LDS,
                  gl_CooperativeMatrixLayoutRowMajor);
      UNROLL for (uint j = 0; j < D / MN; ++j)
        sums[i * (D / MN) + j] = sums[i * (D / MN) + j] * factors;
    }
    for (uint key = 0; key < BC; key += MK) {
      LEFT_MATRIX left[ROWS / MM];
      UNROLL for (uint i = 0; i < ROWS / MM; ++i)
        coopMatLoad(left[i], probabilities, (first_row + i * MM) * LDP + key, LDP,
                    gl_CooperativeMatrixLayoutRowMajor);
      UNROLL for (uint j = 0; j < D / MN; ++j) {
        RIGHT_MATRIX right;
        coopMatLoad(right, tile, key * LD + j * MN / 4, LD, gl_CooperativeMatrixLayoutRowMajor);
        UNROLL for (uint i = 0; i < ROWS / MM; ++i)
          sums[i * (D / MN) + j] = coopMatMulAdd(left[i], right, sums[i * (D / MN) + j]);
      }
    }
    BARRIER();
  }

  // Through the places of the scores, a column of matrices at a time.
  UNROLL for (uint j = 0; j < D / MN; ++j) {
    UNROLL for (uint i = 0; i < ROWS / MM; ++i)
      coopMatStore(sums[i * (D / MN) + j], scores, (first_row + i * MM) * LDS, LDS,
                   gl_CooperativeMatrixLayoutRowMajor);
    BARRIER();
    for (uint i = INVOCATION; i < BR * MN; i += THREADS) {
      const uint row = i / MN, c = i % MN;
      if (q0 + row < queries)
        dst[((picture * queries + q0 + row) * heads + head) * D + j * MN + c] =
            STORED(scores[row * LDS + c] / totals[row]);
    }
    BARRIER();
  }
}
