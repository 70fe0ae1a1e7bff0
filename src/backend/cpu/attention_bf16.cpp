#include <algorithm>
#include <cstring>

#include "backend/cpu/attention.h"
#include "core/error.h"
#include "core/integers.h"
#include "runtime/bf16-inl.h"

#if defined(__x86_64__)

namespace semblance::cpu {
namespace {

using namespace bf16;

constexpr std::int64_t kStep = 2 * kLanes;  // of keys: two vectors make one of bf16
constexpr std::size_t kAlignment = 64;

/// A tile's scratch. Elements of q, k, v and powers are pairs along the summed axis, padded with
/// zeros to an even length.
struct Places {
  std::uint32_t* q;       // [rows,pairs of channels]
  std::uint32_t* k;       // panels of [pairs of channels,kPanel keys]
  std::uint32_t* v;       // panels of [pairs of keys,kPanel channels]
  float* result;          // [rows,wide]
  float* sums;            // [rows,kLanes]
  float* maxima;          // [rows]
  float* scores;          // [kRows,keys]
  std::uint32_t* powers;  // [kRows,pairs of keys]
  std::int64_t bytes;     // of all
};

Places places_in(float* scratch, std::int64_t queries, std::int64_t all_keys, std::int64_t d,
                 std::int64_t e) {
  Places places{};
  auto* const begin = reinterpret_cast<std::byte*>(scratch);
  const auto take = [&](auto*& place, std::int64_t elements) {
    if (begin != nullptr)
      place = reinterpret_cast<std::decay_t<decltype(place)>>(begin + places.bytes);
    places.bytes += round_up(elements * 4, static_cast<std::int64_t>(kAlignment));
  };
  const std::int64_t rows = round_up(queries, kRows), keys = panel_keys(all_keys, d, e);
  const std::int64_t wide = round_up(e, kPanel);
  take(places.q, rows * ((d + 1) / 2));
  take(places.k, keys * ((d + 1) / 2));
  take(places.v, keys / 2 * wide);
  take(places.result, rows * wide);
  take(places.sums, rows * kLanes);
  take(places.maxima, rows);
  take(places.scores, kRows * keys);
  take(places.powers, kRows * keys / 2);
  return places;
}

/// Transposes up to 16 rows of up to 32 elements as pairs: dst[pair * kPanel + row].
SEMBLANCE_BF16 void transpose_pairs(const std::uint16_t* src, std::int64_t stride,
                                    std::int64_t rows, std::int64_t elements, std::uint32_t* dst) {
  __m512i a[kLanes], b[kLanes];
  const __mmask32 mask = first_elements(elements);
#pragma GCC unroll 16
  for (std::int64_t i = 0; i < kLanes; ++i)
    a[i] = _mm512_maskz_loadu_epi16(i < rows ? mask : 0, i < rows ? src + i * stride : src);
#pragma GCC unroll 16
  for (std::int64_t i = 0; i < kLanes; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
#pragma GCC unroll 4
  for (std::int64_t i = 0; i < kLanes; i += 4) {  // a[i + j]: column j of each lane's four
    a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
    a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
    a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
    a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
  }
#pragma GCC unroll 4
  for (std::int64_t j = 0; j < 4; ++j) {
    const __m512i low01 = _mm512_shuffle_i32x4(a[j], a[4 + j], 0x44);
    const __m512i high01 = _mm512_shuffle_i32x4(a[j], a[4 + j], 0xEE);
    const __m512i low23 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0x44);
    const __m512i high23 = _mm512_shuffle_i32x4(a[8 + j], a[12 + j], 0xEE);
    b[j] = _mm512_shuffle_i32x4(low01, low23, 0x88);
    b[4 + j] = _mm512_shuffle_i32x4(low01, low23, 0xDD);
    b[8 + j] = _mm512_shuffle_i32x4(high01, high23, 0x88);
    b[12 + j] = _mm512_shuffle_i32x4(high01, high23, 0xDD);
  }
  const std::int64_t pairs = std::min<std::int64_t>(kLanes, (elements + 1) / 2);
  for (std::int64_t i = 0; i < pairs; ++i) _mm512_storeu_si512(dst + i * kPanel, b[i]);
}

/// Keys beyond the last are zero, up to a whole kStep.
SEMBLANCE_BF16 void pack_keys(const std::uint16_t* k, std::int64_t stride, std::int64_t keys,
                              std::int64_t d, std::uint32_t* dst) {
  const std::int64_t pairs = (d + 1) / 2;
  for (std::int64_t key = 0; key < round_up(keys, kStep); key += kLanes) {
    std::uint32_t* const to = dst + key / kPanel * kPanel * pairs + key % kPanel;
    const std::int64_t rows = std::clamp<std::int64_t>(keys - key, 0, kLanes);
    for (std::int64_t c = 0; c < d; c += 2 * kLanes)
      transpose_pairs(k + (rows > 0 ? key * stride : 0) + c, stride, rows, d - c,
                      to + c / 2 * kPanel);
  }
}

/// Values of two keys side by side; channels and keys beyond the last are zero.
SEMBLANCE_BF16 void pack_values(const std::uint16_t* v, std::int64_t stride, std::int64_t keys,
                                std::int64_t e, std::uint32_t* dst) {
  for (std::int64_t panel = 0; panel < e; panel += kPanel) {
    for (std::int64_t key = 0; key < keys; key += 2) {
      const bool has_second = key + 1 < keys;
      for (std::int64_t c = panel; c < panel + kPanel; c += kLanes) {
        const auto mask = static_cast<__mmask16>(first_elements(std::min(e - c, kLanes)));
        const std::uint16_t* const src = v + key * stride + std::min(c, e);
        const __m256i first = _mm256_maskz_loadu_epi16(mask, src);
        const __m256i second =
            _mm256_maskz_loadu_epi16(has_second ? mask : 0, has_second ? src + stride : src);
        const __m512i upper = _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16);
        _mm512_storeu_si512(dst, _mm512_or_si512(_mm512_cvtepu16_epi32(first), upper));
        dst += kLanes;
      }
    }
  }
}

struct RowPlaces {
  const std::uint32_t* rows[kRows];
};
inline RowPlaces rows_of(const std::uint32_t* first, std::int64_t stride) {
  RowPlaces places{};
  for (std::int64_t r = 0; r < kRows; ++r) places.rows[r] = first + r * stride;
  return places;
}

/// Scores of kRows queries with kCount vectors of keys, and the rows' largest so far.
template <std::int64_t kCount>
SEMBLANCE_BF16 void score(const std::uint32_t* q, const std::uint32_t* k, std::int64_t pairs,
                          float scale, float* scores, std::int64_t stride, float* largest) {
  __m512 sum[kRows][kCount];
#pragma GCC unroll 6
  for (std::int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < kCount; ++j) sum[r][j] = _mm512_setzero_ps();
  }
  multiply(rows_of(q, pairs).rows, k, pairs, sum);
  const __m512 factor = _mm512_set1_ps(scale);
#pragma GCC unroll 6
  for (std::int64_t r = 0; r < kRows; ++r) {
    __m512 top = _mm512_loadu_ps(largest + r * kLanes);
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < kCount; ++j) {
      const __m512 scaled = _mm512_mul_ps(sum[r][j], factor);
      _mm512_storeu_ps(scores + r * stride + j * kLanes, scaled);
      top = _mm512_max_ps(top, scaled);
    }
    _mm512_storeu_ps(largest + r * kLanes, top);
  }
}

/// result[r] = result[r] * factor[r] + the values weighted by the powers, kPanel channels.
SEMBLANCE_BF16 void weigh(const std::uint32_t* powers, std::int64_t stride, const std::uint32_t* v,
                          std::int64_t pairs, const float* factor, float* result,
                          std::int64_t wide) {
  __m512 sum[kRows][kVectors];
#pragma GCC unroll 6
  for (std::int64_t r = 0; r < kRows; ++r) {
    const __m512 scale = _mm512_set1_ps(factor[r]);
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < kVectors; ++j)
      sum[r][j] = _mm512_mul_ps(_mm512_loadu_ps(result + r * wide + j * kLanes), scale);
  }
  multiply(rows_of(powers, stride).rows, v, pairs, sum);
#pragma GCC unroll 6
  for (std::int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (std::int64_t j = 0; j < kVectors; ++j)
      _mm512_storeu_ps(result + r * wide + j * kLanes, sum[r][j]);
  }
}

/// 2^x for x <= 0, relative error 5e-6: far below a bf16's.
SEMBLANCE_BF16 inline __m512 power_of_two(__m512 x) {
  // (2^f - 1) / f on [-1/2, 1/2].
  const __m512 whole = _mm512_roundscale_ps(x, 0);
  const __m512 f = _mm512_sub_ps(x, whole);
  __m512 fit = _mm512_set1_ps(0x1.3b2d4cp-7F);
  fit = _mm512_fmadd_ps(fit, f, _mm512_set1_ps(0x1.c6aee8p-5F));
  fit = _mm512_fmadd_ps(fit, f, _mm512_set1_ps(0x1.ebfbdcp-3F));
  fit = _mm512_fmadd_ps(fit, f, _mm512_set1_ps(0x1.62e43p-1F));
  fit = _mm512_fmadd_ps(fit, f, _mm512_set1_ps(1.0F));
  return _mm512_scalef_ps(fit, whole);
}

SEMBLANCE_BF16 inline float largest_of(__m512 values) {
  const __m256 half =
      _mm256_max_ps(_mm512_castps512_ps256(values), _mm512_extractf32x8_ps(values, 1));
  __m128 rest = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  rest = _mm_max_ps(rest, _mm_movehl_ps(rest, rest));
  return _mm_cvtss_f32(_mm_max_ss(rest, _mm_movehdup_ps(rest)));
}

/// Masks each row's scores from ends[r] on, and finds the largest again.
SEMBLANCE_BF16 void mask_scores(float* scores, std::int64_t stride, std::int64_t keys,
                                const std::int64_t* ends, float* largest) {
  const __m512 masked = _mm512_set1_ps(kMaskedScore);
  for (std::int64_t r = 0; r < kRows; ++r) {
    __m512 top = masked;
    for (std::int64_t i = 0; i < keys; i += kLanes) {
      const auto seen = static_cast<__mmask16>(first_elements(std::min(ends[r] - i, kLanes)));
      const __m512 row = _mm512_mask_loadu_ps(masked, seen, scores + r * stride + i);
      _mm512_storeu_ps(scores + r * stride + i, row);
      top = _mm512_max_ps(top, row);
    }
    _mm512_storeu_ps(largest + r * kLanes, top);
  }
}

/// Writes two to the power of (score - the row's running maximum), in bf16. Updates maximum and
/// sum, and sets the factor by which the row's result so far must be multiplied.
SEMBLANCE_BF16 void soften(const float* scores, std::int64_t stride, std::int64_t keys,
                           const float* largest, float* maxima, float* sums, float* factor,
                           std::uint32_t* powers) {
  for (std::int64_t r = 0; r < kRows; ++r) {
    const float before = maxima[r];
    maxima[r] = std::max(before, largest_of(_mm512_loadu_ps(largest + r * kLanes)));
    factor[r] = _mm512_cvtss_f32(power_of_two(_mm512_set1_ps(before - maxima[r])));
    const __m512 top = _mm512_set1_ps(maxima[r]);
    __m512 total = _mm512_mul_ps(_mm512_loadu_ps(sums + r * kLanes), _mm512_set1_ps(factor[r]));
    for (std::int64_t i = 0; i < keys; i += kStep) {
      const float* const row = scores + r * stride + i;
      const __m512 low = power_of_two(_mm512_sub_ps(_mm512_loadu_ps(row), top));
      const __m512 high = power_of_two(_mm512_sub_ps(_mm512_loadu_ps(row + kLanes), top));
      total = _mm512_add_ps(total, _mm512_add_ps(low, high));
      _mm512_storeu_si512(powers + (r * stride + i) / 2,
                          reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low)));
    }
    _mm512_storeu_ps(sums + r * kLanes, total);
  }
}

SEMBLANCE_BF16 float sum_of(const float* values) {
  const __m512 all = _mm512_loadu_ps(values);
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
  __m128 rest = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  rest = _mm_add_ps(rest, _mm_movehl_ps(rest, rest));
  return _mm_cvtss_f32(_mm_add_ss(rest, _mm_movehdup_ps(rest)));
}

/// dst = result / sum.
SEMBLANCE_BF16 void finish(const AttentionTile& tile, const Places& places, std::int64_t wide) {
  for (std::int64_t i = 0; i < tile.queries; ++i) {
    const __m512 factor = _mm512_set1_ps(1.0F / sum_of(places.sums + i * kLanes));
    auto* const dst = reinterpret_cast<std::uint16_t*>(tile.dst) + i * tile.dst_stride;
    for (std::int64_t c = 0; c < tile.e; c += kLanes) {
      const __m512 value = _mm512_mul_ps(_mm512_loadu_ps(places.result + i * wide + c), factor);
      _mm256_mask_storeu_epi16(dst + c,
                               static_cast<__mmask16>(first_elements(std::min(tile.e - c, kLanes))),
                               reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(value)));
    }
  }
}

}  // namespace

std::int64_t bf16_tile_bytes(std::int64_t queries, std::int64_t keys, std::int64_t d,
                             std::int64_t e) {
  return places_in(nullptr, queries, keys, d, e).bytes;
}

SEMBLANCE_BF16 void attend_bf16(const AttentionTile& tile) {
  const Places places = places_in(tile.scratch, tile.queries, tile.keys, tile.d, tile.e);
  const std::int64_t rows = round_up(tile.queries, kRows), pairs = (tile.d + 1) / 2;
  const std::int64_t wide = round_up(tile.e, kPanel), step = panel_keys(tile.keys, tile.d, tile.e);
  std::fill_n(places.q, rows * pairs, 0U);
  for (std::int64_t i = 0; i < tile.queries; ++i) {
    std::memcpy(places.q + i * pairs,
                reinterpret_cast<const std::uint16_t*>(tile.q) + i * tile.q_stride,
                static_cast<std::size_t>(tile.d) * 2);
  }
  std::fill_n(places.result, rows * wide, 0.0F);
  std::fill_n(places.sums, rows * kLanes, 0.0F);
  std::fill_n(places.maxima, rows, kMaskedScore);

  const std::int64_t last_key =
      tile.causal ? std::min(tile.keys, tile.first_query + tile.queries) : tile.keys;
  for (std::int64_t first = 0; first < last_key; first += step) {
    const std::int64_t keys = std::min(step, tile.keys - first), padded = round_up(keys, kStep);
    pack_keys(reinterpret_cast<const std::uint16_t*>(tile.k) + first * tile.k_stride, tile.k_stride,
              keys, tile.d, places.k);
    pack_values(reinterpret_cast<const std::uint16_t*>(tile.v) + first * tile.v_stride,
                tile.v_stride, keys, tile.e, places.v);
    const std::int64_t key_pairs = (keys + 1) / 2;
    for (std::int64_t row = 0; row < rows; row += kRows) {
      alignas(kAlignment) float largest[kRows * kLanes];
      float factor[kRows];
      std::fill_n(largest, kRows * kLanes, kMaskedScore);
      for (std::int64_t i = 0; i < padded; i += kPanel) {
        const auto chosen = padded - i >= kPanel ? score<kVectors> : score<kStep / kLanes>;
        chosen(places.q + row * pairs, places.k + i * pairs, pairs, tile.scale, places.scores + i,
               step, largest);
      }
      if (tile.causal || padded != keys) {
        std::int64_t ends[kRows];
        for (std::int64_t r = 0; r < kRows; ++r) {
          const std::int64_t seen = tile.first_query + row + r + 1 - first;
          ends[r] = tile.causal ? std::min(seen, keys) : keys;
        }
        mask_scores(places.scores, step, padded, ends, largest);
      }
      soften(places.scores, step, padded, largest, places.maxima + row, places.sums + row * kLanes,
             factor, places.powers);
      for (std::int64_t c = 0; c < tile.e; c += kPanel) {
        weigh(places.powers, step / 2, places.v + c * key_pairs, key_pairs, factor,
              places.result + row * wide + c, wide);
      }
    }
  }
  finish(tile, places, wide);
}

}  // namespace semblance::cpu

#else

namespace semblance::cpu {

std::int64_t bf16_tile_bytes(std::int64_t, std::int64_t, std::int64_t, std::int64_t) {
  SEMBLANCE_ASSERT(false);
}
void attend_bf16(const AttentionTile&) { SEMBLANCE_ASSERT(false); }

}  // namespace semblance::cpu

#endif
