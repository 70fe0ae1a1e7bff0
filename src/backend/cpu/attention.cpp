// Attention in f32, or from bf16 on processors without products for it.
#include "backend/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "backend/cpu/cpu.h"
#include "backend/cpu/onednn.h"
#include "core/integers.h"
#include "core/parallel.h"
#include "runtime/bf16_products.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/attention.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "backend/cpu/vectors-inl.h"

#ifndef SEMBLANCE_ATTENTION_ONCE
#define SEMBLANCE_ATTENTION_ONCE
namespace semblance::cpu {

constexpr std::int64_t kRoundTo =
    64;  // channels of v in scratch: a multiple of every target's panel

/// Floats of scratch that a tile needs. `converts`: it is not f32.
constexpr std::int64_t tile_floats(std::int64_t queries, std::int64_t all_keys, std::int64_t d,
                                   std::int64_t e, bool converts) {
  const std::int64_t rows = round_up(queries, kAttentionRows);
  const std::int64_t wide = round_up(e, kRoundTo), keys = panel_keys(all_keys, d, e);
  return round_up(rows * d, 16) + keys * d + keys * wide + rows * wide + rows * 16 +
         round_up(rows, 16) + kAttentionRows * kMostPanelKeys +
         (converts ? keys * round_up(d, 16) : 0);
}

}  // namespace semblance::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace semblance::HWY_NAMESPACE {
using cpu::AttentionTile;
constexpr std::int64_t kKeys = cpu::kMostPanelKeys;  // of a row of scores
constexpr float kMasked = cpu::kMaskedScore;
constexpr std::int64_t kRows = cpu::kAttentionRows;

// Width of the inner kernel in vectors: kRows * kPanel sums stay in registers.
constexpr int kPanel = HWY_MAX_BYTES >= 64 ? 4 : 2;
constexpr std::int64_t kPanelFloats = kPanel * kFixedLanes;

/// dst[r][j] = (kAdd ? dst[r][j] * factor[r] : 0) + sum over i < depth of a[r][i] * b[i][j], for
/// kRows rows and kVectors vectors; b's rows are kVectors vectors long.
template <int kVectors, bool kAdd>
HWY_INLINE void product(const float* HWY_RESTRICT a, std::int64_t a_stride,
                        const float* HWY_RESTRICT b, std::int64_t depth,
                        const float* HWY_RESTRICT factor, float* HWY_RESTRICT dst,
                        std::int64_t dst_stride) {
  const Floats d;
  Vector sum[kRows][kVectors];
#pragma GCC unroll 8
  for (std::int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) {
      if constexpr (kAdd) {
        sum[r][j] = hn::Mul(load(dst + r * dst_stride + j * kFixedLanes), hn::Set(d, factor[r]));
      } else {
        sum[r][j] = hn::Zero(d);
      }
    }
  }
  for (std::int64_t i = 0; i < depth; ++i) {
    Vector row[kVectors];
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) {
      row[j] = load(b + (i * kVectors + j) * kFixedLanes);
    }
#pragma GCC unroll 8
    for (std::int64_t r = 0; r < kRows; ++r) {
      const Vector value = hn::Set(d, a[r * a_stride + i]);
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) sum[r][j] = hn::MulAdd(value, row[j], sum[r][j]);
    }
  }
#pragma GCC unroll 8
  for (std::int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) {
      store(sum[r][j], dst + r * dst_stride + j * kFixedLanes);
    }
  }
}

/// The same for any number of vectors; b consists of panels of kPanel vectors; the last may be
/// narrower.
template <bool kAdd>
HWY_INLINE void products(const float* a, std::int64_t a_stride, const float* b,
                         std::int64_t b_depth, std::int64_t depth, std::int64_t vectors,
                         const float* factor, float* dst, std::int64_t dst_stride) {
  while (vectors >= kPanel) {
    product<kPanel, kAdd>(a, a_stride, b, depth, factor, dst, dst_stride);
    b += b_depth * kPanelFloats;
    dst += kPanelFloats;
    vectors -= kPanel;
  }
  if constexpr (kPanel == 4) {
    if (vectors == 3) product<3, kAdd>(a, a_stride, b, depth, factor, dst, dst_stride);
    if (vectors == 2) product<2, kAdd>(a, a_stride, b, depth, factor, dst, dst_stride);
  }
  if (vectors == 1) product<1, kAdd>(a, a_stride, b, depth, factor, dst, dst_stride);
}

HWY_INLINE std::int64_t vectors_of(std::int64_t count) {
  return (count + kFixedLanes - 1) / kFixedLanes;
}

/// Writes `count` elements times scale as floats, then zeros up to a whole vector.
template <typename T>
HWY_INLINE void copy_scaled(const T* src, std::int64_t count, float scale, float* dst) {
  const Vector factor = hn::Set(Floats(), scale);
  std::int64_t i = 0;
  for (; i + kFixedLanes <= count; i += kFixedLanes) store(hn::Mul(load(src + i), factor), dst + i);
  if (i < count) store(hn::Mul(load_part(src + i, count - i), factor), dst + i);
}

/// Transposes keys into panels of [d][vectors of keys].
template <typename T>
HWY_INLINE void pack_keys(const T* k, std::int64_t stride, std::int64_t keys, std::int64_t d,
                          float* rows, float* dst) {
  const std::int64_t vectors = vectors_of(keys);
  const float* src = nullptr;
  std::int64_t src_stride = stride;
  if constexpr (std::is_same_v<T, float>) {
    src = k;
  } else {
    src_stride = vectors_of(d) * kFixedLanes;
    for (std::int64_t i = 0; i < keys; ++i)
      copy_scaled(k + i * stride, d, 1.0F, rows + i * src_stride);
    src = rows;
  }
  for (std::int64_t i = 0; i < vectors; ++i) {
    const std::int64_t panel = i / kPanel;
    const std::int64_t width = std::min<std::int64_t>(kPanel, vectors - panel * kPanel);
    transpose(src + i * kFixedLanes * src_stride, src_stride,
              std::min(kFixedLanes, keys - i * kFixedLanes), d,
              dst + panel * d * kPanelFloats + i % kPanel * kFixedLanes, width * kFixedLanes);
  }
}

/// Copies values into panels of [keys][vectors of channels].
template <typename T>
HWY_INLINE void pack_values(const T* v, std::int64_t stride, std::int64_t keys, std::int64_t e,
                            float* dst) {
  const std::int64_t vectors = vectors_of(e);
  for (std::int64_t first = 0; first < vectors; first += kPanel) {
    const std::int64_t width = std::min<std::int64_t>(kPanel, vectors - first) * kFixedLanes;
    const std::int64_t channel = first * kFixedLanes;
    for (std::int64_t i = 0; i < keys; ++i) {
      copy_scaled(v + i * stride + channel, std::min(width, e - channel), 1.0F, dst + i * width);
    }
    dst += keys * width;
  }
}

/// Replaces scores [kRows][keys of a panel] by two to the power of (score - the row's running
/// maximum). Updates maximum and sum (one vector per row), and sets the factor by which the row's
/// result so far must be multiplied.
HWY_INLINE void soften(float* scores, std::int64_t vectors, std::int64_t keys, float* maximum,
                       float* sum, float* factor) {
  const Floats d;
  HWY_ALIGN float change[kMaxLanes] = {};
  for (std::int64_t r = 0; r < kRows; ++r) {
    float* row = scores + r * kKeys;
    for (std::int64_t i = keys; i < vectors * kFixedLanes; ++i) row[i] = kMasked;
    Vector largest = load(row);
    for (std::int64_t j = 1; j < vectors; ++j) {
      largest = hn::Max(largest, load(row + j * kFixedLanes));
    }
    const float before = maximum[r];
    maximum[r] = std::max(before, hn::GetLane(hn::MaxOfLanes(d, largest)));
    change[r] = before - maximum[r];
  }
  for (std::int64_t i = 0; i < kRows; i += kFixedLanes) store(exp2(load(change + i)), change + i);
  for (std::int64_t r = 0; r < kRows; ++r) {
    float* row = scores + r * kKeys;
    factor[r] = change[r];
    const Vector top = hn::Set(d, maximum[r]);
    const Vector masked = hn::Set(d, kMasked);
    Vector total = hn::Mul(load(sum + r * kFixedLanes), hn::Set(d, change[r]));
    for (std::int64_t j = 0; j < vectors; ++j) {
      const Vector score = load(row + j * kFixedLanes);
      const Vector power = hn::IfThenZeroElse(hn::Le(score, masked), exp2(hn::Sub(score, top)));
      total = hn::Add(total, power);
      store(power, row + j * kFixedLanes);
    }
    store(total, sum + r * kFixedLanes);
  }
}

template <typename T>
void attend(const AttentionTile& tile) {
  const Floats d;
  const std::int64_t rows = round_up(tile.queries, kRows);
  const std::int64_t channels = vectors_of(tile.e);
  const std::int64_t wide = channels * kFixedLanes;
  float* place = tile.scratch;
  const auto take = [&place](std::int64_t floats) {
    float* taken = place;
    place += round_up(floats, 16);
    return taken;
  };
  float* q = take(rows * tile.d);
  const std::int64_t step = cpu::panel_keys(tile.keys, tile.d, tile.e);
  float* k = take(step * tile.d);
  float* v = take(step * wide);
  float* result = take(rows * wide);
  float* sums = take(rows * kFixedLanes);
  float* maxima = take(rows);
  float* scores = take(kRows * kKeys);
  float* converted = place;  // keys of a panel, unless f32

  std::fill(q, q + rows * tile.d, 0.0F);
  std::fill(result, result + rows * wide, 0.0F);
  std::fill(sums, sums + rows * kFixedLanes, 0.0F);
  std::fill(maxima, maxima + rows, kMasked);
  for (std::int64_t i = 0; i < tile.queries; ++i) {
    const T* src = reinterpret_cast<const T*>(tile.q) + i * tile.q_stride;
    std::int64_t c = 0;
    for (; c + kFixedLanes <= tile.d; c += kFixedLanes) {
      store(hn::Mul(load(src + c), hn::Set(d, tile.scale)), q + i * tile.d + c);
    }
    if (c < tile.d) {
      store_part(hn::Mul(load_part(src + c, tile.d - c), hn::Set(d, tile.scale)),
                 q + i * tile.d + c, tile.d - c);
    }
  }

  const std::int64_t last_key =
      tile.causal ? std::min(tile.keys, tile.first_query + tile.queries) : tile.keys;
  for (std::int64_t first = 0; first < last_key; first += step) {
    const std::int64_t keys = std::min(step, tile.keys - first);
    const std::int64_t vectors = vectors_of(keys);
    pack_keys(reinterpret_cast<const T*>(tile.k) + first * tile.k_stride, tile.k_stride, keys,
              tile.d, converted, k);
    pack_values(reinterpret_cast<const T*>(tile.v) + first * tile.v_stride, tile.v_stride, keys,
                tile.e, v);
    for (std::int64_t row = 0; row < rows; row += kRows) {
      float factor[kRows];
      products<false>(q + row * tile.d, tile.d, k, tile.d, tile.d, vectors, nullptr, scores, kKeys);
      if (tile.causal) {
        for (std::int64_t r = 0; r < kRows; ++r) {
          const std::int64_t seen = tile.first_query + row + r + 1 - first;
          for (std::int64_t i = std::max<std::int64_t>(seen, 0); i < keys; ++i) {
            scores[r * kKeys + i] = kMasked;
          }
        }
      }
      soften(scores, vectors, keys, maxima + row, sums + row * kFixedLanes, factor);
      products<true>(scores, kKeys, v, keys, keys, channels, factor, result + row * wide, wide);
    }
  }

  for (std::int64_t i = 0; i < tile.queries; ++i) {
    const float total = hn::GetLane(hn::SumOfLanes(d, load(sums + i * kFixedLanes)));
    const Vector factor = hn::Set(d, 1.0F / total);
    T* dst = reinterpret_cast<T*>(tile.dst) + i * tile.dst_stride;
    for (std::int64_t c = 0; c < tile.e; c += kFixedLanes) {
      const Vector value = hn::Mul(load(result + i * wide + c), factor);
      tile.e - c >= kFixedLanes ? store(value, dst + c) : store_part(value, dst + c, tile.e - c);
    }
  }
}

void attend_tile(const AttentionTile& tile) {
  tile.bf16 ? attend<std::uint16_t>(tile) : attend<float>(tile);
}

}  // namespace semblance::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace semblance {
HWY_EXPORT(attend_tile);
}  // namespace semblance

namespace semblance::cpu {
namespace {

class AttentionKernel : public HostKernel {
 public:
  explicit AttentionKernel(const NodeView& node)
      : HostKernel(node),
        op_(node.op<Attention>()),
        q_(node.src(0).shape),
        k_(node.src(1).shape),
        v_(node.src(2).shape),
        bf16_(node.src(0).dtype == DType::kBF16),
        d_(q_[2] / op_.heads),
        e_(v_[2] / op_.heads),
        queries_(std::min(tile_queries(d_, e_), q_[1])),
        workers_(threads()),
        in_bf16_(bf16_ && has_bf16_products() && onednn::multiplies_bf16()),
        tile_bytes_(in_bf16_ ? bf16_tile_bytes(queries_, k_[1], d_, e_)
                             : 4 * round_up(tile_floats(queries_, k_[1], d_, e_, bf16_), 16)) {}

  std::size_t scratch_bytes() const override {
    return static_cast<std::size_t>(workers_ * tile_bytes_);
  }

  void run(const KernelCall& call) const override {
    const std::int64_t tiles = (q_[1] + queries_ - 1) / queries_;
    const auto element = static_cast<std::int64_t>(bf16_ ? 2 : 4);
    const auto chosen = in_bf16_ ? attend_bf16 : HWY_DYNAMIC_DISPATCH(attend_tile);
    const float scale = op_.scale != 0.0F ? op_.scale : 1.0F / std::sqrt(static_cast<float>(d_));
    AttentionTile all{};
    all.q_stride = all.k_stride = q_[2];
    all.v_stride = all.dst_stride = v_[2];
    all.keys = k_[1];
    all.d = d_;
    all.e = e_;
    all.scale = scale * 1.44269504F;
    all.causal = op_.causal;
    all.bf16 = bf16_;
    parallel_items(q_[0] * op_.heads * tiles, [&](std::int64_t item, int worker) {
      const std::int64_t picture = item / (op_.heads * tiles);
      const std::int64_t head = item / tiles % op_.heads;
      const std::int64_t query = item % tiles * queries_;
      AttentionTile tile = all;
      tile.first_query = query;
      tile.queries = std::min(queries_, q_[1] - query);
      tile.q = call.src[0] + ((picture * q_[1] + query) * q_[2] + head * d_) * element;
      tile.k = call.src[1] + (picture * k_[1] * k_[2] + head * d_) * element;
      tile.v = call.src[2] + (picture * k_[1] * v_[2] + head * e_) * element;
      tile.dst = call.dst + ((picture * q_[1] + query) * v_[2] + head * e_) * element;
      tile.scratch = reinterpret_cast<float*>(call.scratch + worker * tile_bytes_);
      chosen(tile);
    });
  }

 private:
  Attention op_;
  Shape q_, k_, v_;
  bool bf16_;
  std::int64_t d_, e_;
  std::int64_t queries_;
  int workers_;
  bool in_bf16_;
  std::int64_t tile_bytes_;
};

}  // namespace

Made make_attention(const NodeView& node, const Device&) {
  const DType dtype = node.src(0).dtype;
  if (!is_computed(dtype)) return decline(fmt::format("q is {}, not f32 or bf16", name_of(dtype)));
  if (node.src(1).dtype != dtype || node.src(2).dtype != dtype) {
    return decline("q, k and v have different types");
  }
  return accept(std::make_unique<AttentionKernel>(node));
}

}  // namespace semblance::cpu
#endif
