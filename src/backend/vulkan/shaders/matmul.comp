#version 450
#extension GL_GOOGLE_include_directive : require
// D[m, n] = sum over k of A[m, k] * W[n, k], then + bias[n], then + residual[m, n].
//
// A linear layer, or with CONV a convolution as an implicit product: m is a pixel of the result,
// n an output channel, k a position of the window and an input channel, channels fastest, and A is
// read from the picture where it lies. W is [outputs, k], k fastest, for both.
//
// A workgroup computes BM x BN results from tiles of A and W in shared memory, BK of k at a time.
// Each sum is one chain of fused multiply-adds in the order of k. So its bits depend neither on the
// tile nor on which other results are computed.
#include "prelude.glsl"

CONSTANT(1, uint, BM, 64);
CONSTANT(2, uint, BN, 64);
CONSTANT(3, uint, TM, 4);  // results of one invocation: multiples of 4
CONSTANT(4, uint, TN, 4);
CONSTANT(5, bool, BY_FOUR, true);  // k (linear) or the picture's channels are a multiple of 4
CONSTANT(6, uint, WINDOW_W, 1);
STATIC const uint BK = 16;

SOURCE(0, STORED, a);
SOURCE(0, STORED4, a4);
SOURCE(1, Y_STORED, w);
SOURCE(1, Y_STORED4, w4);
SOURCE(2, float, bias);
SOURCE(3, STORED, residual);
RESULT(4, STORED, dst);
#include "matmul_places.glsl"

// Tiles with k slowest. The two elements between rows keep stores of one column off one bank.
STATIC const uint LDA = BM + 2;
STATIC const uint LDW = BN + 2;
SHARED(float, tile_a, BK * LDA);
SHARED(float, tile_w, BK * LDW);

STATIC const uint FOURS = BK / 4;               // of a row of a tile
STATIC const uint ROW_STEP = THREADS / FOURS;   // rows of a tile that are loaded at once
STATIC const uint LOADS_A = BM / ROW_STEP;
STATIC const uint LOADS_W = BN / ROW_STEP;
STATIC const uint TX = BN / TN;

INLINE vec4 load_a(Row row, Column columns[4]) {
  if (BY_FOUR) {
    const int at = index_of(row, columns[0]);
    return at >= 0 ? vec4(a4[uint(at) / 4]) : vec4(0.0f);
  }
  vec4 values = vec4(0.0f);
  UNROLL for (uint i = 0; i < 4; ++i) {
    const int at = index_of(row, columns[i]);
    if (at >= 0) values[i] = float(a[uint(at)]);
  }
  return values;
}

INLINE vec4 load_w(uint n, uint k) {
  vec4 values = vec4(0.0f);
  if (n >= outputs) return values;
  if (BY_FOUR) return k < depth ? vec4(w4[(n * depth + k) / 4]) : values;
  UNROLL for (uint i = 0; i < 4; ++i)
    if (k + i < depth) values[i] = float(w[n * depth + k + i]);
  return values;
}

// The i-th of an invocation's rows or columns: fours that lie `step` fours apart.
INLINE uint spread(uint i, uint which, uint step) { return (i / 4 * step + which) * 4 + i % 4; }

KERNEL {
  const uint n0 = GROUP.x * BN, m0 = GROUP.y * BM;
  const uint load_row = INVOCATION / FOURS, load_k = INVOCATION % FOURS * 4;
  const uint tx = INVOCATION % TX, ty = INVOCATION / TX, TY = BM / TM;
  Row a_rows[LOADS_A];
  UNROLL for (uint i = 0; i < LOADS_A; ++i) a_rows[i] = row_of(m0 + load_row + i * ROW_STEP);
  float sums[TM * TN];
  UNROLL for (uint i = 0; i < TM * TN; ++i) sums[i] = 0.0f;

  for (uint k0 = 0; k0 < depth; k0 += BK) {
    Column columns[4];
    UNROLL for (uint i = 0; i < 4; ++i) columns[i] = column_of(k0 + load_k + i);
    UNROLL for (uint i = 0; i < LOADS_A; ++i) {
      const vec4 values = load_a(a_rows[i], columns);
      UNROLL for (uint j = 0; j < 4; ++j)
        tile_a[(load_k + j) * LDA + load_row + i * ROW_STEP] = values[j];
    }
    UNROLL for (uint i = 0; i < LOADS_W; ++i) {
      const vec4 values = load_w(n0 + load_row + i * ROW_STEP, k0 + load_k);
      UNROLL for (uint j = 0; j < 4; ++j)
        tile_w[(load_k + j) * LDW + load_row + i * ROW_STEP] = values[j];
    }
    BARRIER();
    for (uint k = 0; k < BK; ++k) {
      float column[TM];
      UNROLL for (uint i = 0; i < TM; ++i) column[i] = tile_a[k * LDA + spread(i, ty, TY)];
      UNROLL for (uint j = 0; j < TN; ++j) {
        const float factor = tile_w[k * LDW + spread(j, tx, TX)];
        UNROLL for (uint i = 0; i < TM; ++i)
          sums[i * TN + j] = fma(column[i], factor, sums[i * TN + j]);
      }
    }
    BARRIER();
  }
  if (has_bias != 0) {
    UNROLL for (uint j = 0; j < TN; ++j) {
      const uint n = n0 + spread(j, tx, TX);
      const float added = n < outputs ? bias[n] : 0.0f;
      UNROLL for (uint i = 0; i < TM; ++i) sums[i * TN + j] += added;
    }
  }
  UNROLL for (uint i = 0; i < TM; ++i) {
    const uint m = m0 + spread(i, ty, TY);
    if (m >= rows) continue;
    UNROLL for (uint j = 0; j < TN; ++j) {
      const uint n = n0 + spread(j, tx, TX);
      if (n >= outputs) continue;
      float value = sums[i * TN + j];
      if (has_residual != 0) value += float(residual[m * outputs + n]);
      dst[m * outputs + n] = STORED(value);
    }
  }
}
