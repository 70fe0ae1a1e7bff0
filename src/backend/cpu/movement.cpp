// Ops that only move elements of any type (concat, slice, paste, copy, transpose), and convert.
#include <algorithm>
#include <array>
#include <cstring>

#include "backend/cpu/cpu.h"
#include "core/convert.h"
#include "core/parallel.h"

namespace semblance::cpu {
namespace {

std::int64_t bytes_from(const TensorType& type, int axis) {
  return type.shape.elements_from(axis) * static_cast<std::int64_t>(size_of(type.dtype));
}

/// The fewest bytes that a worker takes.
constexpr std::int64_t kGrainBytes = 1 << 14;

std::int64_t grain_of(std::int64_t row_bytes) {
  return std::max<std::int64_t>(1, kGrainBytes / std::max<std::int64_t>(row_bytes, 1));
}

class ConcatKernel : public HostKernel {
 public:
  explicit ConcatKernel(const NodeView& node) : HostKernel(node) {
    const int axis = node.dst().shape.place_of(node.op<Concat>().axis);
    rows_ = node.dst().shape.elements_before(axis);
    for (int i = 0; i < node.src_count(); ++i) parts_.push_back(bytes_from(node.src(i), axis));
    row_bytes_ = bytes_from(node.dst(), axis);
  }

  void run(const KernelCall& call) const override {
    // Few long rows are split into pieces; many short ones are distributed whole.
    const std::int64_t pieces = rows_ >= 64 ? 1 : std::max<std::int64_t>(1, row_bytes_ >> 18);
    parallel_ranges(rows_ * pieces, grain_of(row_bytes_),
                    [&](std::int64_t begin, std::int64_t end, int) {
                      for (std::int64_t i = begin; i < end; ++i)
                        copy(call, i / pieces, i % pieces, pieces);
                    });
  }

 private:
  void copy(const KernelCall& call, std::int64_t row, std::int64_t piece,
            std::int64_t pieces) const {
    std::int64_t offset = row * row_bytes_;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const std::int64_t first = parts_[i] * piece / pieces;
      const std::int64_t last = parts_[i] * (piece + 1) / pieces;
      std::memcpy(call.dst + offset + first, call.src[i] + row * parts_[i] + first,
                  static_cast<std::size_t>(last - first));
      offset += parts_[i];
    }
  }

  std::int64_t rows_ = 0;
  std::int64_t row_bytes_ = 0;
  std::vector<std::int64_t> parts_;  // bytes per row of each source
};

class SliceKernel : public HostKernel {
 public:
  explicit SliceKernel(const NodeView& node) : HostKernel(node), op_(node.op<Slice>()) {
    const Shape& shape = node.src(0).shape;
    const int axis = shape.place_of(op_.axis);
    element_bytes_ = bytes_from(node.src(0), axis + 1);
    src_row_ = bytes_from(node.src(0), axis);
    count_ = node.dst().shape[axis];
    rows_ = shape.elements_before(axis);
  }

  void run(const KernelCall& call) const override {
    const bool whole = op_.step == 1;  // a row's range is one run of bytes
    const std::int64_t runs = whole ? 1 : count_;
    const std::int64_t run_bytes = element_bytes_ * (whole ? count_ : 1);
    parallel_ranges(rows_ * runs, grain_of(run_bytes),
                    [&](std::int64_t begin, std::int64_t end, int) {
                      for (std::int64_t i = begin; i < end; ++i) {
                        const std::int64_t at = op_.begin + i % runs * op_.step;
                        std::memcpy(call.dst + i * run_bytes,
                                    call.src[0] + i / runs * src_row_ + at * element_bytes_,
                                    static_cast<std::size_t>(run_bytes));
                      }
                    });
  }

 private:
  Slice op_;
  std::int64_t element_bytes_ = 0, src_row_ = 0, count_ = 0, rows_ = 0;
};

void copy_bytes(const std::byte* src, std::byte* dst, std::uint64_t bytes) {
  if (src == dst) return;
  parallel_ranges(static_cast<std::int64_t>(bytes), kGrainBytes,
                  [&](std::int64_t begin, std::int64_t end, int) {
                    std::memcpy(dst + begin, src + begin, static_cast<std::size_t>(end - begin));
                  });
}

class PasteKernel : public HostKernel {
 public:
  explicit PasteKernel(const NodeView& node)
      : HostKernel(node),
        row_bytes_(bytes_from(node.dst(), -1)),
        part_bytes_(bytes_from(node.src(1), -1)),
        begin_(node.op<Paste>().begin * static_cast<std::int64_t>(size_of(node.dst().dtype))),
        rows_(node.dst().shape.elements_before(-1)) {}

  void run(const KernelCall& call) const override {
    copy_bytes(call.src[0], call.dst, static_cast<std::uint64_t>(rows_ * row_bytes_));
    parallel_ranges(rows_, grain_of(part_bytes_), [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) {
        std::memcpy(call.dst + row * row_bytes_ + begin_, call.src[1] + row * part_bytes_,
                    static_cast<std::size_t>(part_bytes_));
      }
    });
  }

 private:
  std::int64_t row_bytes_, part_bytes_, begin_, rows_;
};

/// Leaves the memory untouched.
class BlankKernel : public HostKernel {
 public:
  using HostKernel::HostKernel;
  void run(const KernelCall&) const override {}
};

class CopyKernel : public HostKernel {
 public:
  explicit CopyKernel(const NodeView& node) : HostKernel(node), bytes_(node.dst().bytes()) {}
  void run(const KernelCall& call) const override { copy_bytes(call.src[0], call.dst, bytes_); }

 private:
  std::uint64_t bytes_;
};

/// Merges axes that stay adjacent, then moves blocks of the two axes that are contiguous in x and
/// in the result.
class TransposeKernel : public HostKernel {
 public:
  explicit TransposeKernel(const NodeView& node)
      : HostKernel(node), element_(static_cast<std::int64_t>(size_of(node.src(0).dtype))) {
    const Shape& x = node.src(0).shape;
    const auto& perm = node.op<Transpose>().perm;
    for (std::size_t i = 0; i < perm.size(); ++i) {
      const auto from = static_cast<int>(perm[i]);
      const std::int64_t stride = x.elements_from(from + 1);
      if (x[from] == 1) continue;
      if (rank_ > 0 && strides_[last()] == stride * x[from]) {
        sizes_[last()] *= x[from];
        strides_[last()] = stride;
      } else {
        sizes_[static_cast<std::size_t>(rank_)] = x[from];
        strides_[static_cast<std::size_t>(rank_)] = stride;
        ++rank_;
      }
    }
    if (rank_ == 0) sizes_[0] = strides_[0] = 1, rank_ = 1;
    if (strides_[last()] == 1) {  // rows stay contiguous
      run_bytes_ = sizes_[last()] * element_;
      --rank_;
      return;
    }
    for (int i = 0; i < rank_; ++i) {
      if (strides_[static_cast<std::size_t>(i)] == 1) fast_ = i;
    }
  }

  void run(const KernelCall& call) const override {
    if (run_bytes_ > 0) return move_rows(call);
    switch (element_) {
      case 1:
        return move_blocks<std::uint8_t>(call);
      case 2:
        return move_blocks<std::uint16_t>(call);
      case 4:
        return move_blocks<std::uint32_t>(call);
      default:
        return move_blocks<std::uint64_t>(call);
    }
  }

 private:
  static constexpr std::int64_t kBlock = 16;

  std::size_t last() const { return static_cast<std::size_t>(rank_ - 1); }

  void move_rows(const KernelCall& call) const {
    std::int64_t rows = 1;
    for (std::size_t i = 0; i < static_cast<std::size_t>(rank_); ++i) rows *= sizes_[i];
    parallel_ranges(rows, grain_of(run_bytes_), [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) {
        std::int64_t from = 0;
        std::int64_t rest = row;
        for (std::size_t i = static_cast<std::size_t>(rank_); i-- > 0;) {
          from += rest % sizes_[i] * strides_[i];
          rest /= sizes_[i];
        }
        std::memcpy(call.dst + row * run_bytes_, call.src[0] + from * element_,
                    static_cast<std::size_t>(run_bytes_));
      }
    });
  }

  /// Moves squares of the result's last axis and the axis that is contiguous in x. One work item is
  /// a strip of kBlock indices of the latter.
  template <typename T>
  void move_blocks(const KernelCall& call) const {
    const T* src = reinterpret_cast<const T*>(call.src[0]);
    T* dst = reinterpret_cast<T*>(call.dst);
    const auto fast = static_cast<std::size_t>(fast_);
    const std::int64_t width = sizes_[last()];
    const std::int64_t width_stride = strides_[last()];
    std::array<std::int64_t, Shape::kMaxRank> dst_strides{};
    std::int64_t stride = 1;
    for (std::size_t i = static_cast<std::size_t>(rank_); i-- > 0;) {
      dst_strides[i] = stride;
      stride *= sizes_[i];
    }
    const std::int64_t strips = (sizes_[fast] + kBlock - 1) / kBlock;
    const std::int64_t others = stride / (width * sizes_[fast]);
    parallel_ranges(others * strips, 1, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t piece = begin; piece < end; ++piece) {
        const std::int64_t first = piece % strips * kBlock;
        const std::int64_t height = std::min(kBlock, sizes_[fast] - first);
        std::int64_t from = first;
        std::int64_t to = first * dst_strides[fast];
        std::int64_t rest = piece / strips;
        for (std::size_t i = last(); i-- > 0;) {
          if (i == fast) continue;
          from += rest % sizes_[i] * strides_[i];
          to += rest % sizes_[i] * dst_strides[i];
          rest /= sizes_[i];
        }
        for (std::int64_t left = 0; left < width; left += kBlock) {
          const std::int64_t right = std::min(width, left + kBlock);
          for (std::int64_t y = 0; y < height; ++y) {
            for (std::int64_t x = left; x < right; ++x) {
              dst[to + y * dst_strides[fast] + x] = src[from + y + x * width_stride];
            }
          }
        }
      }
    });
  }

  std::int64_t element_;
  int rank_ = 0;
  std::array<std::int64_t, Shape::kMaxRank> sizes_{};    // of the result
  std::array<std::int64_t, Shape::kMaxRank> strides_{};  // of x
  std::int64_t run_bytes_ = 0;  // of a row that is contiguous in both, else 0
  int fast_ = 0;                // the axis that is contiguous in x
};

class ConvertKernel : public HostKernel {
 public:
  explicit ConvertKernel(const NodeView& node)
      : HostKernel(node), from_(node.src(0)), to_(node.dst()) {}

  void run(const KernelCall& call) const override {
    const auto from_size = static_cast<std::int64_t>(size_of(from_.dtype));
    const auto to_size = static_cast<std::int64_t>(size_of(to_.dtype));
    constexpr std::int64_t kGrain = 4096;
    parallel_ranges(from_.shape.elements(), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
      const auto count = static_cast<std::size_t>(end - begin);
      const std::span src(call.src[0] + begin * from_size, count * size_of(from_.dtype));
      const std::span dst(call.dst + begin * to_size, count * size_of(to_.dtype));
      if (to_.dtype == DType::kF32) {
        to_f32(from_.dtype, src, {reinterpret_cast<float*>(dst.data()), count});
      } else {
        from_f32({reinterpret_cast<const float*>(src.data()), count}, to_.dtype, dst);
      }
    });
  }

 private:
  TensorType from_, to_;
};

}  // namespace

Made make_concat(const NodeView& node, const Device&) {
  return accept(std::make_unique<ConcatKernel>(node));
}

Made make_slice(const NodeView& node, const Device&) {
  if (node.dst().shape.elements() == 0) return decline("the result is empty");
  return accept(std::make_unique<SliceKernel>(node));
}

Made make_paste(const NodeView& node, const Device&) {
  return accept(std::make_unique<PasteKernel>(node));
}
Made make_blank(const NodeView& node, const Device&) {
  return accept(std::make_unique<BlankKernel>(node));
}
Made make_copy(const NodeView& node, const Device&) {
  return accept(std::make_unique<CopyKernel>(node));
}

Made make_transpose(const NodeView& node, const Device&) {
  if (node.dst().shape.elements() == 0) return decline("the result is empty");
  return accept(std::make_unique<TransposeKernel>(node));
}

Made make_convert(const NodeView& node, const Device&) {
  if (node.dst().dtype != DType::kF32 && node.src(0).dtype != DType::kF32) {
    return decline("neither side is f32");
  }
  return accept(std::make_unique<ConvertKernel>(node));
}

}  // namespace semblance::cpu
