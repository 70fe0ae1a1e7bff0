#include "backend/cpu/packing.h"

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/half.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/cpu/packing.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
//
#include "backend/cpu/vectors-inl.h"

#ifndef SEMBLANCE_PACKING_ONCE
#define SEMBLANCE_PACKING_ONCE
namespace semblance::onednn {

/// One block of `width` output channels by up to `inputs` input channels and all positions of the
/// kernel. Output channels are the layout's innermost block, except for pairs of input channels in
/// bf16.
struct PackBlock {
  const float* src;         // [rows, c, positions], at the block's first row and input channel
  std::int64_t row_stride;  // c * positions
  std::int64_t rows;        // of the weight, at most width; the others are zero
  std::int64_t inputs;      // of the weight, at most padded_inputs; the others are zero
  std::int64_t padded_inputs;
  std::int64_t positions;        // kh * kw
  std::int64_t position_stride;  // elements of dst from one kernel position to the next
  std::int64_t input_stride;     // elements of dst from one input channel (pair) to the next
  std::byte* dst;                // of the block
  std::int64_t width;
};

// Input channels times kernel positions that are transposed at once; their buffer stays in the L1
// cache.
constexpr std::int64_t kTurned = 256;

}  // namespace semblance::onednn
#endif

HWY_BEFORE_NAMESPACE();
namespace semblance::HWY_NAMESPACE {
using onednn::kTurned;

/// Packs lanes() output channels of a block, f32. `turned` holds kTurned * 16 floats.
void pack_lanes_f32(const onednn::PackBlock& block, std::int64_t lane, float* turned) {
  const Floats d;
  float* dst = reinterpret_cast<float*>(block.dst) + lane;
  const float* src = block.src + lane * block.row_stride;
  const std::int64_t rows = std::clamp<std::int64_t>(block.rows - lane, 0, lanes());
  if (block.positions == 1) {
    transpose(src, block.row_stride, rows, block.inputs, dst, block.input_stride);
  } else {
    const std::int64_t together = std::max<std::int64_t>(1, kTurned / block.positions);
    for (std::int64_t first = 0; first < block.inputs; first += together) {
      const std::int64_t inputs = std::min(together, block.inputs - first);
      transpose(src + first * block.positions, block.row_stride, rows, inputs * block.positions,
                turned, lanes());
      for (std::int64_t position = 0; position < block.positions; ++position) {
        float* out = dst + position * block.position_stride + first * block.input_stride;
        const float* in = turned + position * lanes();
        for (std::int64_t i = 0; i < inputs; ++i) {
          hn::StoreU(hn::LoadU(d, in + i * block.positions * lanes()), d,
                     out + i * block.input_stride);
        }
      }
    }
  }
  for (std::int64_t position = 0; position < block.positions; ++position) {
    for (std::int64_t i = block.inputs; i < block.padded_inputs; ++i) {
      hn::StoreU(hn::Zero(d), d, dst + position * block.position_stride + i * block.input_stride);
    }
  }
}

/// The same in bf16, where two input channels are adjacent.
void pack_lanes_bf16(const onednn::PackBlock& block, std::int64_t lane, float* turned) {
  const Floats d;
  const Words words;
  auto* dst = reinterpret_cast<std::uint32_t*>(block.dst) + lane;
  const float* src = block.src + lane * block.row_stride;
  const auto mask = hn::Set(words, 0xffff0000U);
  const std::int64_t rows = std::clamp<std::int64_t>(block.rows - lane, 0, lanes());
  const std::int64_t together = std::max<std::int64_t>(2, kTurned / block.positions / 2 * 2);
  for (std::int64_t first = 0; first < block.padded_inputs; first += together) {
    const std::int64_t inputs = std::clamp<std::int64_t>(block.inputs - first, 0, together);
    const std::int64_t pairs = (std::min(together, block.padded_inputs - first) + 1) / 2;
    transpose(src + first * block.positions, block.row_stride, rows, inputs * block.positions,
              turned, lanes());
    for (std::int64_t position = 0; position < block.positions; ++position) {
      // Strides count bf16; a pair is one 32-bit word.
      std::uint32_t* out =
          dst + position * (block.position_stride / 2) + first / 2 * (block.input_stride / 2);
      const float* in = turned + position * lanes();
      const std::int64_t step = block.positions * lanes();
      for (std::int64_t pair = 0; pair < pairs; ++pair) {
        const auto low = 2 * pair < inputs ? hn::LoadU(d, in + 2 * pair * step) : hn::Zero(d);
        const auto high =
            2 * pair + 1 < inputs ? hn::LoadU(d, in + (2 * pair + 1) * step) : hn::Zero(d);
        const auto low_bits = hn::ShiftRight<16>(rounded_to_bf16(low));
        const auto high_bits = hn::And(rounded_to_bf16(high), mask);
        hn::StoreU(hn::Or(low_bits, high_bits), words, out + pair * (block.input_stride / 2));
      }
    }
  }
}

/// How many output channels are transposed at once.
std::int64_t pack_lanes() { return lanes(); }

void pack_block(const onednn::PackBlock& block, bool bf16) {
  HWY_ALIGN float turned[kTurned * 16 + 16];
  for (std::int64_t lane = 0; lane < block.width; lane += lanes()) {
    bf16 ? pack_lanes_bf16(block, lane, turned) : pack_lanes_f32(block, lane, turned);
  }
}

}  // namespace semblance::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace semblance {
HWY_EXPORT(pack_block);
HWY_EXPORT(pack_lanes);
}  // namespace semblance
namespace semblance::onednn {
namespace {

constexpr int kGroup = 0;
constexpr int kO = 1;
constexpr int kC = 2;

/// Offset of an element, in elements.
std::int64_t offset_of(const WeightLayout& layout, const std::array<std::int64_t, 5>& index) {
  std::int64_t offset = 0;
  std::array<std::int64_t, 5> rest = index;
  std::int64_t scale = 1;
  for (int i = layout.inner_count - 1; i >= 0; --i) {
    const auto block = static_cast<std::size_t>(i);
    const auto axis = static_cast<std::size_t>(layout.inner_axes[block]);
    offset += rest[axis] % layout.inner_blocks[block] * scale;
    rest[axis] /= layout.inner_blocks[block];
    scale *= layout.inner_blocks[block];
  }
  for (std::size_t axis = 0; axis < 5; ++axis) offset += rest[axis] * layout.strides[axis];
  return offset;
}

void put(const WeightLayout& layout, std::byte* packed, std::int64_t offset, float value) {
  if (layout.dtype == DType::kBF16) {
    reinterpret_cast<std::uint16_t*>(packed)[offset] = f32_to_bf16(value);
  } else {
    reinterpret_cast<float*>(packed)[offset] = value;
  }
}

/// Any layout, one element at a time.
void pack_any(const WeightLayout& layout, std::int64_t first_row, std::int64_t rows,
              std::span<const float> plain, std::byte* packed) {
  const std::int64_t o = layout.sizes[kO];
  const std::int64_t last_row = first_row + rows;
  const std::int64_t group_end =
      last_row == layout.sizes[kGroup] * o ? layout.padded[kGroup] : (last_row + o - 1) / o;
  for (std::int64_t group = first_row / o; group < group_end; ++group) {
    const std::int64_t begin = std::max<std::int64_t>(0, first_row - group * o);
    const std::int64_t end = last_row >= (group + 1) * o || group >= layout.sizes[kGroup]
                                 ? layout.padded[kO]
                                 : last_row - group * o;
    for (std::int64_t row = begin; row < end; ++row) {
      for (std::int64_t c = 0; c < layout.padded[kC]; ++c) {
        for (std::int64_t y = 0; y < layout.sizes[3]; ++y) {
          for (std::int64_t x = 0; x < layout.sizes[4]; ++x) {
            float value = 0.0F;
            if (group < layout.sizes[kGroup] && row < o && c < layout.sizes[kC]) {
              const std::int64_t source =
                  (((group * o + row - first_row) * layout.sizes[kC] + c) * layout.sizes[3] + y) *
                      layout.sizes[4] +
                  x;
              value = plain[static_cast<std::size_t>(source)];
            }
            put(layout, packed, offset_of(layout, {group, row, c, y, x}), value);
          }
        }
      }
    }
  }
}

/// Whether pack_block() supports the layout: one group; inner blocks [Mc,] No [, 2c], pairs only in
/// bf16.
bool is_simple(const WeightLayout& layout) {
  const bool pairs = layout.dtype == DType::kBF16;
  int i = 0;
  const auto is = [&](int axis) {
    return i < layout.inner_count && layout.inner_axes[static_cast<std::size_t>(i)] == axis;
  };
  if (layout.sizes[kGroup] != 1 || layout.block(kGroup) != 1) return false;
  if (layout.sizes[3] * layout.sizes[4] > kTurned / 2) return false;
  if (is(kC)) ++i;
  if (!is(kO) ||
      layout.inner_blocks[static_cast<std::size_t>(i)] % HWY_DYNAMIC_DISPATCH(pack_lanes)() != 0) {
    return false;
  }
  ++i;
  if (pairs) {
    if (!is(kC) || layout.inner_blocks[static_cast<std::size_t>(i)] != 2) return false;
    ++i;
  }
  // Kernel positions at one stride.
  const bool even =
      layout.sizes[3] == 1 || layout.strides[3] == layout.sizes[4] * layout.strides[4];
  return i == layout.inner_count && even;
}

}  // namespace

std::int64_t pack_rows(const WeightLayout& layout) {
  if (layout.sizes[kGroup] > 1) return layout.block(kGroup) * layout.sizes[kO];
  return layout.block(kO);
}

void pack_weight(const WeightLayout& layout, std::int64_t first_row, std::int64_t rows,
                 std::span<const float> plain, std::span<std::byte> packed) {
  SEMBLANCE_ASSERT(packed.size() >= layout.bytes && first_row % pack_rows(layout) == 0);
  if (!is_simple(layout)) return pack_any(layout, first_row, rows, plain, packed.data());

  const std::int64_t width = layout.block(kO);
  const std::int64_t c = layout.sizes[kC];
  const std::int64_t positions = layout.sizes[3] * layout.sizes[4];
  const std::int64_t inner_c = layout.block(kC);
  const std::int64_t pair = layout.dtype == DType::kBF16 ? 2 : 1;
  // Without a block of input channels (except for pairs), all of them are one run.
  const bool one_run = inner_c == pair;
  const std::int64_t c_block = one_run ? layout.padded[kC] : inner_c;
  for (std::int64_t row = 0; row < rows; row += width) {
    for (std::int64_t first_c = 0; first_c < layout.padded[kC]; first_c += c_block) {
      PackBlock block{};
      block.src = plain.data() + (row * c + first_c) * positions;
      block.row_stride = c * positions;
      block.rows = std::min(width, rows - row);
      block.inputs = std::clamp<std::int64_t>(c - first_c, 0, c_block);
      block.padded_inputs = c_block;
      block.positions = positions;
      block.position_stride = layout.sizes[4] > 1 ? layout.strides[4] : layout.strides[3];
      block.input_stride = one_run ? layout.strides[kC] : width * pair;
      block.width = width;
      block.dst = packed.data() +
                  static_cast<std::size_t>(offset_of(layout, {0, first_row + row, first_c, 0, 0})) *
                      size_of(layout.dtype);
      HWY_DYNAMIC_DISPATCH(pack_block)(block, pair == 2);
    }
  }
}

}  // namespace semblance::onednn
#endif
