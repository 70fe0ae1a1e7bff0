// Adds a weight's patches (weights/weight_patch.h) to rows that were just read and are f32, before
// a kernel packs them. No merged copy exists: the factors are read with the weight and dropped with
// it.
//
//   factors   the bytes of pieces(), in their files' types
//   shared    f32 matrices that all rows need, computed from the factors by expand()
//   scratch   kScratchBytes for each thread
//
// An element's bits do not depend on the rows that are computed with it, nor on the number of
// threads. Const use is thread-safe; nothing is allocated after the constructor.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "weights/weight_patch.h"

namespace semblance {

class RowPatcher {
 public:
  struct Needs {
    std::uint64_t factor_bytes = 0;
    std::uint64_t shared_bytes = 0;
    double operations = 0;
  };
  struct Piece {
    std::shared_ptr<const File> file;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  static constexpr std::uint64_t kScratchBytes = 192 << 10;

  /// `shape`: of the whole tensor; `rows`: those of it that the weight has, empty for all.
  static Needs needs(std::span<const WeightPatch> patches, const Shape& shape,
                     std::span<const RowRange> rows);

  /// The patches must outlive this. Their matrices must fit the tensor: build_patches() of
  /// weights/lora.h checks that. For rows that will be used as `dtype`: factors of bf16 weights are
  /// multiplied in bf16 where the processor can.
  RowPatcher(std::span<const WeightPatch> patches, const Shape& shape, std::vector<RowRange> rows,
             DType dtype = DType::kF32);

  std::uint64_t factor_bytes() const { return factor_bytes_; }
  std::uint64_t shared_bytes() const { return shared_bytes_; }
  /// Where the factors are in their files, in order.
  const std::vector<Piece>& pieces() const { return pieces_; }
  /// Reads all pieces. Throws what File::read throws.
  void read_factors(std::span<std::byte> factors) const;

  /// On all threads; `scratch` is that of all of them.
  void expand(std::span<const std::byte> factors, std::span<std::byte> shared,
              std::span<std::byte> scratch) const;
  /// Adds the patches to `dst`: rows [first_row, first_row + count) of the weight. On the calling
  /// thread, with its scratch.
  void apply(std::int64_t first_row, std::int64_t count, std::span<const std::byte> factors,
             std::span<const std::byte> shared, std::span<std::byte> scratch,
             std::span<float> dst) const;

 private:
  /// A stored factor among the factors' bytes.
  struct Factor {
    const StoredTensor* tensor = nullptr;
    bool is_cut = false;  // has only this weight's rows
    std::uint64_t offset = 0;
  };
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};
  struct Matrix {
    const FactoredMatrix* made_of = nullptr;
    bool has_tensor_rows = false;  // its rows are the tensor's
    std::vector<Factor> factors;
    std::uint64_t down_offset = kNone;   // in `shared`: down in f32, with mid multiplied in
    std::uint64_t whole_offset = kNone;  // in `shared`: all of the matrix in f32
  };
  struct Term {
    const WeightPatch* patch = nullptr;
    std::vector<Matrix> matrices;
  };
  struct Work;

  void add_matrix(Term& term, const FactoredMatrix& matrix);
  void add_pieces(const Factor& factor);
  std::int64_t tensor_row(std::int64_t row) const;
  void load_turned(const Matrix& matrix, const Work& work, std::int64_t first_row,
                   std::int64_t rows, std::int64_t first_depth, std::int64_t depth,
                   float* dst) const;
  void load_left(const Matrix& matrix, const Work& work, std::int64_t first_row, std::int64_t rows,
                 std::int64_t first_depth, std::int64_t depth, float scale, float* dst) const;
  void load_right(const Matrix& matrix, const Work& work, std::int64_t first_depth,
                  std::int64_t depth, std::int64_t column, std::int64_t columns,
                  float* panel) const;
  void multiply(const Matrix& matrix, const Work& work, std::size_t side, std::int64_t first_row,
                std::int64_t rows, std::int64_t column, float scale, bool adds, float* dst,
                std::int64_t dst_stride) const;
  void apply_product(const Term& term, const Work& work, std::int64_t first_row, std::int64_t rows,
                     float* dst) const;
  void apply_rows(const Term& term, const Work& work, std::int64_t first_row, std::int64_t rows,
                  float* dst) const;
  void combine(const WeightPatch& patch, const Work& work, std::int64_t row, std::int64_t column,
               std::int64_t count, float scale, const float* src, float* dst) const;
  void expand_down(const Matrix& matrix, const Work& work, std::int64_t first, float* dst) const;
  void expand_mid(const Matrix& matrix, const Work& work, std::int64_t first, float* dst) const;
  void expand_rows(const Matrix& matrix, const Work& work, std::int64_t first_row,
                   std::int64_t rows, float* dst) const;

  std::vector<RowRange> rows_;  // never empty
  std::int64_t row_count_ = 0;
  std::int64_t columns_ = 0;
  std::int64_t positions_ = 1;  // columns of one channel of the second axis
  bool in_bf16_ = false;
  std::vector<Term> terms_;
  std::vector<Piece> pieces_;
  std::uint64_t factor_bytes_ = 0;
  std::uint64_t shared_bytes_ = 0;
};

}  // namespace semblance
