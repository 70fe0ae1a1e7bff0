// What the kernels of attention share: a tile of queries processes the keys panel by panel, with a
// running maximum and sum of its softmax (Milakov and Gimelshein 2018; Dao 2022), and never holds
// the score matrix.
//
// A query's row is computed in the same way wherever its tile begins, so that slices of rows and
// heads have the bits of the whole.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/integers.h"

namespace semblance::cpu {

/// A tile of queries of one head of one picture.
struct AttentionTile {
  const std::byte* q;  // at the tile's first query and the head's first channel; k, v, dst likewise
  const std::byte* k;
  const std::byte* v;
  std::byte* dst;
  std::int64_t q_stride, k_stride, v_stride, dst_stride;  // elements between positions
  std::int64_t queries, keys;
  std::int64_t first_query;  // of the tile, for the causal mask
  std::int64_t d, e;         // channels of a head in q and k, in v
  float scale;               // of scores, including log2(e): softmax in powers of two
  bool causal;
  bool bf16;
  float* scratch;
};

constexpr std::int64_t kAttentionRows = 6;  // queries of the inner kernel
constexpr float kMaskedScore = -1e30F;

/// Queries per tile: more of them amortise the packing of keys and values, fewer fit in the cache.
constexpr std::int64_t tile_queries(std::int64_t d, std::int64_t e) {
  return (d > 160 || e > 160 ? 32 : 64) * kAttentionRows;
}

/// Keys of a panel, whose scores a row holds at once: more of them amortise the maximum and the
/// result's scaling, fewer fit in the cache with their values.
constexpr std::int64_t kMostPanelKeys = 256;
constexpr std::int64_t panel_keys(std::int64_t keys, std::int64_t d, std::int64_t e) {
  constexpr std::int64_t kWhole = 64;  // a multiple of every kernel's panel of columns
  return std::min(d > 160 || e > 160 ? kMostPanelKeys / 2 : kMostPanelKeys, round_up(keys, kWhole));
}

/// attend_tile() with products in bf16, on processors with instructions for them (AVX-512 BF16):
/// sums and softmax are f32, its powers are rounded to bf16 before they weight the values. Needs
/// has_bf16_products(); scratch has bf16_tile_bytes().
void attend_bf16(const AttentionTile& tile);
std::int64_t bf16_tile_bytes(std::int64_t queries, std::int64_t keys, std::int64_t d,
                             std::int64_t e);

}  // namespace semblance::cpu
