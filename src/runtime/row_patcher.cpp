#include "runtime/row_patcher.h"

#include <algorithm>
#include <array>

#include "core/convert.h"
#include "core/error.h"
#include "core/integers.h"
#include "core/parallel.h"
#include "runtime/bf16_products.h"
#include "runtime/patch_kernels.h"

namespace semblance {
namespace {

constexpr std::int64_t kBlockRows = 48;  // computed at once
constexpr std::int64_t kDepth = 256;     // of a product, computed at once
constexpr std::int64_t kTileFloats = kBlockRows * kPanelColumns;
constexpr std::uint64_t kAlignment = 64;
static_assert(sizeof(float) *
                  (2 * kBlockRows * kDepth + kDepth * kPanelColumns + 2 * kTileFloats) <=
              RowPatcher::kScratchBytes);

using Combine = WeightPatch::Combine;

bool maps_rows(const WeightPatch& patch) { return patch.combine != Combine::kKronecker; }

/// Whether only the weight's rows of the matrix's first tensor are needed.
bool is_cut(const WeightPatch& patch, const FactoredMatrix& matrix, std::size_t tensor) {
  return tensor == 0 && maps_rows(patch) && !matrix.up_is_turned;
}

std::uint64_t f32_bytes(std::int64_t rows, std::int64_t columns) {
  return round_up(static_cast<std::uint64_t>(rows * columns) * sizeof(float), kAlignment);
}

bool expands_down(const FactoredMatrix& matrix) {
  return !matrix.is_whole() && (matrix.has_mid() || !loads_panels_of(matrix.tensors[1].dtype));
}

/// The first factor of a Kronecker product is small; the second is one where it is a product.
bool expands_whole(const WeightPatch& patch, const FactoredMatrix& matrix) {
  return !maps_rows(patch) && (&matrix == &patch.first || !matrix.is_whole());
}

std::uint64_t shared_bytes_of(const WeightPatch& patch, const FactoredMatrix& matrix) {
  std::uint64_t bytes = 0;
  if (expands_down(matrix)) bytes += f32_bytes(matrix.rank, matrix.columns);
  if (expands_whole(patch, matrix)) bytes += f32_bytes(matrix.rows, matrix.columns);
  return bytes;
}

std::int64_t count_of(const Shape& shape, std::span<const RowRange> rows) {
  if (rows.empty()) return shape.rank() == 0 ? 1 : shape[0];
  std::int64_t sum = 0;
  for (const RowRange& range : rows) sum += range.count;
  return sum;
}

template <typename F>
void each_matrix(const WeightPatch& patch, F&& f) {
  f(patch.first);
  if (patch.second) f(*patch.second);
}

}  // namespace

/// What a thread computes with.
struct RowPatcher::Work {
  const std::byte* factors;
  const std::byte* shared;
  std::array<float*, 2> left;  // [kBlockRows,kDepth] of each matrix
  float* panel;                // [kDepth,kPanelColumns]
  std::array<float*, 2> tile;  // kTileFloats each

  Work(std::span<const std::byte> factors_, std::span<const std::byte> shared_,
       std::span<std::byte> scratch)
      : factors(factors_.data()), shared(shared_.data()) {
    SEMBLANCE_ASSERT(scratch.size() >= kScratchBytes);
    auto* next = reinterpret_cast<float*>(scratch.data());
    const auto take = [&next](std::int64_t count) {
      float* const place = next;
      next += count;
      return place;
    };
    left = {take(kBlockRows * kDepth), take(kBlockRows * kDepth)};
    panel = take(kDepth * kPanelColumns);
    tile = {take(kTileFloats), take(kTileFloats)};
  }
};

RowPatcher::Needs RowPatcher::needs(std::span<const WeightPatch> patches, const Shape& shape,
                                    std::span<const RowRange> rows) {
  Needs needs;
  const std::int64_t count = count_of(shape, rows);
  for (const WeightPatch& patch : patches) {
    needs.operations += patch.operations(count);
    each_matrix(patch, [&](const FactoredMatrix& matrix) {
      for (std::size_t i = 0; i < matrix.tensors.size(); ++i) {
        const StoredTensor& tensor = matrix.tensors[i];
        needs.factor_bytes += is_cut(patch, matrix, i)
                                  ? static_cast<std::uint64_t>(count) * tensor.row_bytes()
                                  : tensor.bytes();
      }
      needs.shared_bytes += shared_bytes_of(patch, matrix);
    });
  }
  return needs;
}

RowPatcher::RowPatcher(std::span<const WeightPatch> patches, const Shape& shape,
                       std::vector<RowRange> rows, DType dtype)
    : rows_(std::move(rows)),
      row_count_(count_of(shape, rows_)),
      columns_(shape.rank() == 0 ? 1 : shape.elements_from(1)),
      positions_(shape.rank() < 2 ? 1 : shape.elements_from(2)),
      in_bf16_(dtype == DType::kBF16 && has_bf16_products()) {
  if (rows_.empty()) rows_.push_back({0, row_count_});
  for (const WeightPatch& patch : patches) {
    Term& term = terms_.emplace_back();
    term.patch = &patch;
    each_matrix(patch, [&](const FactoredMatrix& matrix) { add_matrix(term, matrix); });
  }
}

void RowPatcher::add_matrix(Term& term, const FactoredMatrix& matrix) {
  Matrix& added = term.matrices.emplace_back();
  added.made_of = &matrix;
  added.has_tensor_rows = maps_rows(*term.patch);
  for (std::size_t i = 0; i < matrix.tensors.size(); ++i) {
    added.factors.push_back({&matrix.tensors[i], is_cut(*term.patch, matrix, i), factor_bytes_});
    add_pieces(added.factors.back());
  }
  if (expands_down(matrix)) {
    added.down_offset = shared_bytes_;
    shared_bytes_ += f32_bytes(matrix.rank, matrix.columns);
  }
  if (expands_whole(*term.patch, matrix)) {
    added.whole_offset = shared_bytes_;
    shared_bytes_ += f32_bytes(matrix.rows, matrix.columns);
  }
}

void RowPatcher::add_pieces(const Factor& factor) {
  const StoredTensor& tensor = *factor.tensor;
  const auto add = [&](std::uint64_t offset, std::uint64_t bytes) {
    const bool goes_on = !pieces_.empty() && pieces_.back().file == tensor.file &&
                         pieces_.back().offset + pieces_.back().bytes == offset;
    goes_on ? void(pieces_.back().bytes += bytes) : pieces_.push_back({tensor.file, offset, bytes});
    factor_bytes_ += bytes;
  };
  if (!factor.is_cut) return add(tensor.offset, tensor.bytes());
  for (const RowRange& range : rows_) {
    add(tensor.offset + static_cast<std::uint64_t>(range.first) * tensor.row_bytes(),
        static_cast<std::uint64_t>(range.count) * tensor.row_bytes());
  }
}

void RowPatcher::read_factors(std::span<std::byte> factors) const {
  SEMBLANCE_ASSERT(factors.size() >= factor_bytes_);
  for (const Piece& piece : pieces_) {
    if (piece.bytes > 0) piece.file->read(piece.offset, factors.first(piece.bytes));
    factors = factors.subspan(piece.bytes);
  }
}

/// The tensor's row of the weight's.
std::int64_t RowPatcher::tensor_row(std::int64_t row) const {
  for (const RowRange& range : rows_) {
    if (row < range.count) return range.first + row;
    row -= range.count;
  }
  SEMBLANCE_ASSERT(false);
  return 0;
}

/// dst [rows,depth] of up, which is stored as [rank,rows].
void RowPatcher::load_turned(const Matrix& matrix, const Work& work, std::int64_t first_row,
                             std::int64_t rows, std::int64_t first_depth, std::int64_t depth,
                             float* dst) const {
  const FactoredMatrix& made_of = *matrix.made_of;
  const DType dtype = made_of.tensors[0].dtype;
  const auto size = static_cast<std::int64_t>(size_of(dtype));
  const std::byte* const up = work.factors + matrix.factors[0].offset;
  const auto stored_row = [&](std::int64_t r) {
    return matrix.has_tensor_rows ? tensor_row(first_row + r) : first_row + r;
  };
  std::array<float, kBlockRows> run;  // of rows that are neighbours in the tensor
  for (std::int64_t r = 0; r < rows;) {
    const std::int64_t first = stored_row(r);
    std::int64_t count = 1;
    while (r + count < rows && stored_row(r + count) == first + count) ++count;
    for (std::int64_t k = 0; k < depth; ++k) {
      const std::byte* const src = up + ((first_depth + k) * made_of.rows + first) * size;
      to_f32(dtype, {src, at(count * size)}, {run.data(), at(count)});
      for (std::int64_t i = 0; i < count; ++i) dst[(r + i) * depth + k] = run[at(i)];
    }
    r += count;
  }
}

/// dst [rows,depth]: a part of up, times scale.
void RowPatcher::load_left(const Matrix& matrix, const Work& work, std::int64_t first_row,
                           std::int64_t rows, std::int64_t first_depth, std::int64_t depth,
                           float scale, float* dst) const {
  const FactoredMatrix& made_of = *matrix.made_of;
  if (made_of.up_is_turned) {
    load_turned(matrix, work, first_row, rows, first_depth, depth, dst);
  } else {
    const DType dtype = made_of.tensors[0].dtype;
    const auto size = static_cast<std::int64_t>(size_of(dtype));
    const std::byte* const up = work.factors + matrix.factors[0].offset;
    const bool whole_rows = depth == made_of.rank;  // then all are one run
    const std::int64_t count = whole_rows ? rows * depth : depth;
    for (std::int64_t r = 0; r < (whole_rows ? 1 : rows); ++r) {
      const std::byte* const src = up + ((first_row + r) * made_of.rank + first_depth) * size;
      to_f32(dtype, {src, at(count * size)}, {dst + r * depth, at(count)});
    }
  }
  if (scale == 1.0F) return;
  for (std::int64_t i = 0; i < rows * depth; ++i) dst[i] *= scale;
}

/// panel [depth,kPanelColumns]: a part of down.
void RowPatcher::load_right(const Matrix& matrix, const Work& work, std::int64_t first_depth,
                            std::int64_t depth, std::int64_t column, std::int64_t columns,
                            float* panel) const {
  const bool is_shared = matrix.down_offset != kNone;
  const DType dtype = is_shared ? DType::kF32 : matrix.made_of->tensors[1].dtype;
  const std::byte* const down =
      is_shared ? work.shared + matrix.down_offset : work.factors + matrix.factors[1].offset;
  const auto size = static_cast<std::int64_t>(size_of(dtype));
  const std::int64_t stride = matrix.made_of->columns;
  load_panel(dtype, down + (first_depth * stride + column) * size, stride * size, depth, columns,
             panel);
}

/// One panel of up times down, times scale, for rows of the weight. The panels of a block of rows
/// follow each other from the first on: its part of up stays in work.left[side].
void RowPatcher::multiply(const Matrix& matrix, const Work& work, std::size_t side,
                          std::int64_t first_row, std::int64_t rows, std::int64_t column,
                          float scale, bool adds, float* dst, std::int64_t dst_stride) const {
  const std::int64_t rank = matrix.made_of->rank;
  const std::int64_t columns = std::min(kPanelColumns, matrix.made_of->columns - column);
  for (std::int64_t first = 0; first < rank; first += kDepth) {
    const std::int64_t depth = std::min(kDepth, rank - first);
    float* const left = work.left[side];
    const auto left_pairs = reinterpret_cast<std::uint32_t*>(left);
    if (column == 0 || rank > kDepth) {
      load_left(matrix, work, first_row, rows, first, depth, scale, left);
      if (in_bf16_) pair_columns(left, rows, depth, left_pairs);
    }
    load_right(matrix, work, first, depth, column, columns, work.panel);
    if (in_bf16_) {
      const auto panel_pairs = reinterpret_cast<std::uint32_t*>(work.panel);
      pair_rows(work.panel, depth, panel_pairs);
      multiply_pairs(left_pairs, rows, panel_pairs, (depth + 1) / 2, adds || first > 0, dst,
                     dst_stride);
    } else {
      multiply_panel(left, depth, rows, work.panel, depth, adds || first > 0, dst, dst_stride);
    }
  }
}

/// Adds `src`, a part of D's row, to the weight's.
void RowPatcher::combine(const WeightPatch& patch, const Work& work, std::int64_t row,
                         std::int64_t column, std::int64_t count, float scale, const float* src,
                         float* dst) const {
  if (!patch.norm) return add_scaled(src, scale, dst, count);
  const WeightPatch::Norm& norm = *patch.norm;
  const float* ratio = norm.ratio.data();
  if (norm.of_rows) {
    ratio += tensor_row(row);
  } else if (positions_ == 1) {
    ratio += column;
  } else {
    for (std::int64_t i = 0; i < count; ++i)
      work.tile[1][i] = norm.ratio[at((column + i) / positions_)];
    ratio = work.tile[1];
  }
  blend_scaled(src, scale, ratio, norm.of_rows, norm.blend, dst, count);
}

/// For D = up down, or the product of two such matrices. `dst`: whole rows.
void RowPatcher::apply_product(const Term& term, const Work& work, std::int64_t first_row,
                               std::int64_t rows, float* dst) const {
  const WeightPatch& patch = *term.patch;
  const bool one = patch.combine == Combine::kOne;
  const bool adds = one && !patch.norm;  // then scale is part of up
  for (std::int64_t column = 0; column < columns_; column += kPanelColumns) {
    const std::int64_t columns = std::min(kPanelColumns, columns_ - column);
    const float scale = adds ? patch.scale : 1.0F;
    if (adds && columns == kPanelColumns) {
      multiply(term.matrices[0], work, 0, first_row, rows, column, scale, true, dst + column,
               columns_);
      continue;
    }
    multiply(term.matrices[0], work, 0, first_row, rows, column, scale, false, work.tile[0],
             kPanelColumns);
    if (!one) {
      multiply(term.matrices[1], work, 1, first_row, rows, column, 1.0F, false, work.tile[1],
               kPanelColumns);
      multiply_by(work.tile[1], work.tile[0], rows * kPanelColumns);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      combine(patch, work, first_row + r, column, columns, adds ? 1.0F : patch.scale,
              work.tile[0] + r * kPanelColumns, dst + r * columns_ + column);
    }
  }
}

/// For D that is stored whole, or a Kronecker product. `dst`: whole rows.
void RowPatcher::apply_rows(const Term& term, const Work& work, std::int64_t first_row,
                            std::int64_t rows, float* dst) const {
  const WeightPatch& patch = *term.patch;
  const bool is_kronecker = patch.combine == Combine::kKronecker;
  const Matrix& inner = term.matrices.back();
  const std::int64_t inner_columns = inner.made_of->columns;
  const StoredTensor& stored = inner.made_of->tensors[0];
  const auto size = static_cast<std::int64_t>(size_of(stored.dtype));
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t row = first_row + r;
    const std::int64_t outer_row = is_kronecker ? tensor_row(row) / inner.made_of->rows : 0;
    const std::int64_t inner_row = is_kronecker ? tensor_row(row) % inner.made_of->rows : row;
    for (std::int64_t column = 0; column < columns_;) {
      const std::int64_t inner_column = column % inner_columns;
      const std::int64_t count = std::min(inner_columns - inner_column, kTileFloats);
      const std::int64_t element = inner_row * inner_columns + inner_column;
      const float* src = work.tile[0];
      if (inner.whole_offset != kNone) {
        src = reinterpret_cast<const float*>(work.shared + inner.whole_offset) + element;
      } else {
        const std::byte* const raw = work.factors + inner.factors[0].offset + element * size;
        to_f32(stored.dtype, {raw, at(count * size)}, {work.tile[0], at(count)});
      }
      float scale = patch.scale;
      if (is_kronecker) {
        const Matrix& outer = term.matrices.front();
        const auto* factor = reinterpret_cast<const float*>(work.shared + outer.whole_offset);
        scale *= factor[outer_row * outer.made_of->columns + column / inner_columns];
      }
      combine(patch, work, row, column, count, scale, src, dst + r * columns_ + column);
      column += count;
    }
  }
}

void RowPatcher::apply(std::int64_t first_row, std::int64_t count,
                       std::span<const std::byte> factors, std::span<const std::byte> shared,
                       std::span<std::byte> scratch, std::span<float> dst) const {
  SEMBLANCE_ASSERT(first_row >= 0 && count >= 0 && first_row <= row_count_ - count);
  SEMBLANCE_ASSERT(dst.size() == at(count * columns_) && factors.size() >= factor_bytes_ &&
                   shared.size() >= shared_bytes_);
  const Work work(factors, shared, scratch);
  for (std::int64_t row = 0; row < count; row += kBlockRows) {
    const std::int64_t rows = std::min(kBlockRows, count - row);
    float* const place = dst.data() + row * columns_;
    for (const Term& term : terms_) {
      const bool by_rows =
          term.patch->combine == Combine::kKronecker || term.matrices[0].made_of->is_whole();
      by_rows ? apply_rows(term, work, first_row + row, rows, place)
              : apply_product(term, work, first_row + row, rows, place);
    }
  }
}

/// Columns [first, first + kPanelColumns) of down as f32.
void RowPatcher::expand_down(const Matrix& matrix, const Work& work, std::int64_t first,
                             float* dst) const {
  const FactoredMatrix& made_of = *matrix.made_of;
  const StoredTensor& down = made_of.tensors[1];
  const auto size = static_cast<std::int64_t>(size_of(down.dtype));
  const std::int64_t columns = std::min(kPanelColumns, made_of.columns - first);
  for (std::int64_t p = 0; p < made_of.rank; ++p) {
    const std::int64_t element = p * made_of.columns + first;
    const std::byte* const src = work.factors + matrix.factors[1].offset + element * size;
    to_f32(down.dtype, {src, at(columns * size)}, {dst + element, at(columns)});
  }
}

/// The sum over q of mid[p,q,k] down[q,i] as dst[p,(i,k)], for kPanelColumns channels i from
/// `first` on.
void RowPatcher::expand_mid(const Matrix& matrix, const Work& work, std::int64_t first,
                            float* dst) const {
  const FactoredMatrix& made_of = *matrix.made_of;
  const StoredTensor& down = made_of.tensors[1];
  const StoredTensor& mid = made_of.tensors[2];
  const auto down_size = static_cast<std::int64_t>(size_of(down.dtype));
  const auto mid_size = static_cast<std::int64_t>(size_of(mid.dtype));
  const std::int64_t positions = made_of.positions;
  const std::int64_t channels = made_of.columns / positions;
  const std::int64_t columns = std::min(kPanelColumns, channels - first);
  const std::int64_t most_depth =
      std::min(kDepth, std::max<std::int64_t>(1, kTileFloats / positions));
  const auto load_part = [&](std::int64_t q, std::int64_t depth) {
    std::fill(work.panel, work.panel + depth * kPanelColumns, 0.0F);
    for (std::int64_t i = 0; i < depth; ++i) {
      const std::byte* const src =
          work.factors + matrix.factors[1].offset + ((q + i) * channels + first) * down_size;
      to_f32(down.dtype, {src, at(columns * down_size)},
             {work.panel + i * kPanelColumns, at(columns)});
    }
  };
  const auto load_mid = [&](std::int64_t p, std::int64_t rows, std::int64_t q, std::int64_t depth,
                            std::int64_t k) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t element = ((p + r) * made_of.inner + q) * positions;
      const std::byte* const src = work.factors + matrix.factors[2].offset + element * mid_size;
      to_f32(mid.dtype, {src, at(depth * positions * mid_size)},
             {work.tile[1], at(depth * positions)});
      for (std::int64_t i = 0; i < depth; ++i)
        work.left[0][r * depth + i] = work.tile[1][i * positions + k];
    }
  };
  for (std::int64_t p = 0; p < made_of.rank; p += kBlockRows) {
    const std::int64_t rows = std::min(kBlockRows, made_of.rank - p);
    for (std::int64_t k = 0; k < positions; ++k) {
      for (std::int64_t q = 0; q < made_of.inner; q += most_depth) {
        const std::int64_t depth = std::min(most_depth, made_of.inner - q);
        if (made_of.inner > most_depth || (p == 0 && k == 0)) load_part(q, depth);
        load_mid(p, rows, q, depth, k);
        multiply_panel(work.left[0], depth, rows, work.panel, depth, q > 0, work.tile[0],
                       kPanelColumns);
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        float* const row = dst + (p + r) * made_of.columns;
        for (std::int64_t i = 0; i < columns; ++i)
          row[(first + i) * positions + k] = work.tile[0][r * kPanelColumns + i];
      }
    }
  }
}

/// Rows of the matrix as f32.
void RowPatcher::expand_rows(const Matrix& matrix, const Work& work, std::int64_t first_row,
                             std::int64_t rows, float* dst) const {
  const FactoredMatrix& made_of = *matrix.made_of;
  const std::int64_t columns = made_of.columns;
  if (made_of.is_whole()) {
    const DType dtype = made_of.tensors[0].dtype;
    const auto size = static_cast<std::int64_t>(size_of(dtype));
    const std::byte* const src =
        work.factors + matrix.factors[0].offset + first_row * columns * size;
    to_f32(dtype, {src, at(rows * columns * size)},
           {dst + first_row * columns, at(rows * columns)});
    return;
  }
  for (std::int64_t column = 0; column < columns; column += kPanelColumns) {
    multiply(matrix, work, 0, first_row, rows, column, 1.0F, false, work.tile[0], kPanelColumns);
    const std::int64_t count = std::min(kPanelColumns, columns - column);
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* const src = work.tile[0] + r * kPanelColumns;
      std::copy(src, src + count, dst + (first_row + r) * columns + column);
    }
  }
}

void RowPatcher::expand(std::span<const std::byte> factors, std::span<std::byte> shared,
                        std::span<std::byte> scratch) const {
  SEMBLANCE_ASSERT(factors.size() >= factor_bytes_ && shared.size() >= shared_bytes_);
  SEMBLANCE_ASSERT(scratch.size() >= kScratchBytes * at(threads()));
  // f(work, first, count) for parts of `count` things, `step` at once.
  const auto in_parts = [&](std::int64_t count, std::int64_t step, const auto& f) {
    parallel_ranges((count + step - 1) / step, 1,
                    [&](std::int64_t begin, std::int64_t end, int worker) {
                      const Work work(factors, shared,
                                      scratch.subspan(at(worker) * kScratchBytes, kScratchBytes));
                      for (std::int64_t i = begin; i < end; ++i)
                        f(work, i * step, std::min(step, count - i * step));
                    });
  };
  for (const Term& term : terms_) {
    for (const Matrix& matrix : term.matrices) {
      const FactoredMatrix& made_of = *matrix.made_of;
      if (matrix.down_offset != kNone) {
        auto* const dst = reinterpret_cast<float*>(shared.data() + matrix.down_offset);
        const bool has_mid = made_of.has_mid();
        in_parts(has_mid ? made_of.columns / made_of.positions : made_of.columns, kPanelColumns,
                 [&](const Work& work, std::int64_t first, std::int64_t) {
                   has_mid ? expand_mid(matrix, work, first, dst)
                           : expand_down(matrix, work, first, dst);
                 });
      }
      if (matrix.whole_offset != kNone) {
        auto* const dst = reinterpret_cast<float*>(shared.data() + matrix.whole_offset);
        in_parts(made_of.rows, kBlockRows,
                 [&](const Work& work, std::int64_t first, std::int64_t count) {
                   expand_rows(matrix, work, first, count, dst);
                 });
      }
    }
  }
}

}  // namespace semblance
