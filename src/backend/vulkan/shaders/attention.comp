#version 450
#extension GL_GOOGLE_include_directive : require
// Attention without a matrix of scores: a workgroup takes BR queries of one head and walks over the
// keys in blocks of BC. For each query it keeps the largest score so far, the sum of the
// probabilities relative to it, and the weighted sum of the values, all in f32.
//
// The walk, and so every sum's order, is the same whatever BR and the number of invocations.
#include "prelude.glsl"

CONSTANT(1, uint, BR, 64);  // queries of a workgroup
CONSTANT(2, uint, D, 64);   // channels of a head: of q and k
CONSTANT(3, uint, E, 64);   // of v and the result
CONSTANT(4, uint, TX, 16);  // invocations side by side along E: each has COLUMNS of it
CONSTANT(5, uint, COLUMNS, 4);
CONSTANT(6, uint, VALUE_ROWS, 32);  // rows of v in shared memory at once; divides BC
CONSTANT(7, bool, BY_FOUR, true);   // D and E are multiples of 4
CONSTANT(8, bool, CAUSAL, false);
STATIC const uint BC = 32;  // keys of a block
STATIC const uint BD = 32;  // channels of q and k in shared memory at once

SOURCE(0, STORED, q);
SOURCE(0, STORED4, q4);
SOURCE(1, STORED, k);
SOURCE(1, STORED4, k4);
SOURCE(2, STORED, v);
SOURCE(2, STORED4, v4);
RESULT(3, STORED, dst);
PUSH {
  uint queries;
  uint keys;
  uint heads;
  float scale;
};

// Scores are computed by a grid of invocations with 4 columns each; its rows hold the others.
STATIC const uint SCORE_TX = BC / 4;
STATIC const uint SCORE_TY = THREADS / SCORE_TX;
STATIC const uint SCORE_ROWS = BR / SCORE_TY;
STATIC const uint TY = THREADS / TX;
STATIC const uint ROWS = BR / TY;
STATIC const uint LDQ = BR + 2;
STATIC const uint LDK = BC + 2;
STATIC const uint LDS = BC + 1;
STATIC const uint LDV = TX * COLUMNS;
STATIC const uint TILE = BD * (LDQ + LDK) > VALUE_ROWS * LDV ? BD * (LDQ + LDK) : VALUE_ROWS * LDV;

SHARED(float, tile, TILE);  // of q and k, then of v
SHARED(float, scores, BR * LDS);
SHARED(float, largest, BR);
SHARED(float, shrinkage, BR);  // what the new largest score makes of earlier sums

INLINE vec4 load_q(uint first, uint c) {
  if (BY_FOUR) return c < D ? vec4(q4[(first + c) / 4]) : vec4(0.0f);
  vec4 values = vec4(0.0f);
  UNROLL for (uint i = 0; i < 4; ++i)
    if (c + i < D) values[i] = float(q[first + c + i]);
  return values;
}
INLINE vec4 load_k(uint first, uint c) {
  if (BY_FOUR) return c < D ? vec4(k4[(first + c) / 4]) : vec4(0.0f);
  vec4 values = vec4(0.0f);
  UNROLL for (uint i = 0; i < 4; ++i)
    if (c + i < D) values[i] = float(k[first + c + i]);
  return values;
}
INLINE vec4 load_v(uint first, uint c) {
  if (BY_FOUR) return c < E ? vec4(v4[(first + c) / 4]) : vec4(0.0f);
  vec4 values = vec4(0.0f);
  UNROLL for (uint i = 0; i < 4; ++i)
    if (c + i < E) values[i] = float(v[first + c + i]);
  return values;
}

// Fills `scores` for the queries from q0 and the keys from k0.
INLINE void compute_scores(uint q0, uint k0, uint head, uint picture) {
  const uint tx = INVOCATION % SCORE_TX, ty = INVOCATION / SCORE_TX;
  float sums[SCORE_ROWS * 4];
  UNROLL for (uint i = 0; i < SCORE_ROWS * 4; ++i) sums[i] = 0.0f;
  for (uint c0 = 0; c0 < D; c0 += BD) {
    for (uint i = INVOCATION; i < BR * BD / 4; i += THREADS) {
      const uint row = i / (BD / 4), c = i % (BD / 4) * 4;
      vec4 values = vec4(0.0f);
      if (q0 + row < queries)
        values = load_q(((picture * queries + q0 + row) * heads + head) * D, c0 + c);
      UNROLL for (uint j = 0; j < 4; ++j) tile[(c + j) * LDQ + row] = values[j];
    }
    for (uint i = INVOCATION; i < BC * BD / 4; i += THREADS) {
      const uint row = i / (BD / 4), c = i % (BD / 4) * 4;
      vec4 values = vec4(0.0f);
      if (k0 + row < keys)
        values = load_k(((picture * keys + k0 + row) * heads + head) * D, c0 + c);
      UNROLL for (uint j = 0; j < 4; ++j) tile[BD * LDQ + (c + j) * LDK + row] = values[j];
    }
    BARRIER();
    const uint depth = min(BD, D - c0);
    for (uint c = 0; c < depth; ++c) {
      float column[SCORE_ROWS];
      UNROLL for (uint i = 0; i < SCORE_ROWS; ++i)
        column[i] = tile[c * LDQ + ty + i * SCORE_TY];
      UNROLL for (uint j = 0; j < 4; ++j) {
        const float factor = tile[BD * LDQ + c * LDK + tx * 4 + j];
        UNROLL for (uint i = 0; i < SCORE_ROWS; ++i)
          sums[i * 4 + j] = fma(column[i], factor, sums[i * 4 + j]);
      }
    }
    BARRIER();
  }
  UNROLL for (uint i = 0; i < SCORE_ROWS; ++i)
    UNROLL for (uint j = 0; j < 4; ++j)
      scores[(ty + i * SCORE_TY) * LDS + tx * 4 + j] = sums[i * 4 + j] * scale;
}

// How many keys of the block a query sees.
INLINE uint seen_keys(uint query, uint k0) {
  const uint last = CAUSAL ? min(keys, query + 1) : keys;
  return last > k0 ? min(BC, last - k0) : 0;
}

// Turns scores into probabilities relative to the largest score so far.
INLINE void compute_probabilities(uint q0, uint k0) {
  for (uint row = INVOCATION; row < BR; row += THREADS) {
    const uint seen = seen_keys(q0 + row, k0);
    float most = largest[row];
    for (uint c = 0; c < seen; ++c) most = max(most, scores[row * LDS + c]);
    shrinkage[row] = exp(largest[row] - most);
    largest[row] = most;
  }
  BARRIER();
  for (uint i = INVOCATION; i < BR * BC; i += THREADS) {
    const uint row = i / BC, c = i % BC, at = row * LDS + c;
    scores[at] = c < seen_keys(q0 + row, k0) ? exp(scores[at] - largest[row]) : 0.0f;
  }
}

KERNEL {
  const uint q0 = GROUP.x * BR, head = GROUP.y, picture = GROUP.z;
  const uint tx = INVOCATION % TX, ty = INVOCATION / TX;
  for (uint row = INVOCATION; row < BR; row += THREADS) largest[row] = -3.0e38f;
  float sums[ROWS * COLUMNS];
  float totals[ROWS];
  UNROLL for (uint i = 0; i < ROWS * COLUMNS; ++i) sums[i] = 0.0f;
  UNROLL for (uint i = 0; i < ROWS; ++i) totals[i] = 0.0f;

  const uint last_key = CAUSAL ? min(keys, q0 + BR) : keys;
  for (uint k0 = 0; k0 < last_key; k0 += BC) {
    compute_scores(q0, k0, head, picture);
    BARRIER();
    compute_probabilities(q0, k0);
    BARRIER();
    UNROLL for (uint i = 0; i < ROWS; ++i) {
      const float factor = shrinkage[ty + i * TY];
      totals[i] *= factor;
      UNROLL for (uint j = 0; j < COLUMNS; ++j) sums[i * COLUMNS + j] *= factor;
    }
    for (uint r0 = 0; r0 < BC; r0 += VALUE_ROWS) {
      for (uint i = INVOCATION; i < VALUE_ROWS * LDV / 4; i += THREADS) {
        const uint row = i / (LDV / 4), c = i % (LDV / 4) * 4, key = k0 + r0 + row;
        vec4 values = vec4(0.0f);
        if (key < keys) values = load_v(((picture * keys + key) * heads + head) * E, c);
        UNROLL for (uint j = 0; j < 4; ++j) tile[row * LDV + c + j] = values[j];
      }
      BARRIER();
      for (uint r = 0; r < VALUE_ROWS; ++r) {
        float values[COLUMNS];
        UNROLL for (uint j = 0; j < COLUMNS; ++j)
          values[j] = tile[r * LDV + (j / 4 * TX + tx) * 4 + j % 4];
        UNROLL for (uint i = 0; i < ROWS; ++i) {
          const float probability = scores[(ty + i * TY) * LDS + r0 + r];
          totals[i] += probability;
          UNROLL for (uint j = 0; j < COLUMNS; ++j)
            sums[i * COLUMNS + j] = fma(probability, values[j], sums[i * COLUMNS + j]);
        }
      }
      BARRIER();
    }
  }
  UNROLL for (uint i = 0; i < ROWS; ++i) {
    const uint query = q0 + ty + i * TY;
    UNROLL for (uint j = 0; j < COLUMNS; ++j) {
      const uint c = (j / 4 * TX + tx) * 4 + j % 4;
      if (query < queries && c < E)
        dst[((picture * queries + query) * heads + head) * E + c] =
            STORED(sums[i * COLUMNS + j] / totals[i]);
    }
  }
}
