// The only interface to oneDNN: convolutions, with version 2.6 (Debian 12; operation descriptors)
// and 3.x (Debian 13, Ubuntu 24.04; none). Only onednn.cpp includes the library's headers.
//
// To try a version other than the system's, configure with -DCMAKE_CXX_FLAGS="-isystem <its
// headers>" and -DDNNL_LIBRARY=<its libdnnl.so> (for instance from the wheels onednn-devel-cpu-gomp
// and onednn-cpu-gomp 2023.2.0, which contain 3.2). The library must be built for OpenMP, since it
// uses the threads of core/parallel.h.
//
// The engine and the stream are created on first use and live as long as the process. The library's
// cache of generated code is switched off. The environment can limit its instruction set:
// ONEDNN_MAX_CPU_ISA=AVX2.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/dtype.h"

namespace semblance::onednn {

/// A convolution of channels-last pictures. x, the weights and the result have `dtype` (f32 or
/// bf16); the bias is f32. A linear layer is a 1x1 convolution over pictures of height 1.
struct ConvolutionShape {
  DType dtype = DType::kF32;
  std::int64_t n = 1, h = 1, w = 1, c = 1;  // of x
  std::int64_t out_h = 1, out_w = 1, out_c = 1;
  std::array<std::int64_t, 2> kernel{1, 1};  // rows, columns, like the following
  std::array<std::int64_t, 2> stride{1, 1};
  std::array<std::int64_t, 2> dilation{1, 1};
  std::array<std::int64_t, 4> pad{0, 0, 0, 0};  // top, left, bottom, right
  std::int64_t groups = 1;
  bool has_bias = true;
  bool adds_to_dst = false;  // the result is added to what dst holds
};

/// The offset, in elements, of an element of a weight [groups, o/groups, c/groups, kh, kw]: the sum
/// over axes of (index / the axis's whole block) * stride, plus the index inside the inner blocks
/// (the last one is the fastest).
struct WeightLayout {
  static constexpr int kMaxInner = 8;
  std::array<std::int64_t, 5> sizes{};   // group, o, c, kh, kw
  std::array<std::int64_t, 5> padded{};  // elements beyond the weight must be zero
  std::array<std::int64_t, 5> strides{};
  std::array<std::int64_t, kMaxInner> inner_blocks{};
  std::array<int, kMaxInner> inner_axes{};  // 0 to 4, as in sizes
  int inner_count = 0;
  DType dtype = DType::kF32;
  std::size_t bytes = 0;

  /// Product of the inner blocks of an axis.
  std::int64_t block(int axis) const;
};

/// Besides its scratch, the library allocates on the heap while a convolution runs, in blocks of
/// some tens of bytes: less than this in total for any shape (tests/allocation_test.cpp).
inline constexpr std::int64_t kHiddenBytes = 1024;

/// Equal for equal layouts.
std::uint64_t hash_of(const WeightLayout& layout);

class Convolution {
 public:
  /// Null, with the reason in why_not, if the library has no suitable implementation for the shape.
  static std::unique_ptr<Convolution> make(const ConvolutionShape& shape, std::string& why_not);
  ~Convolution();

  /// False for shapes that a batch-reduce implementation may compute, since it splits the sums
  /// depending on the number of output channels.
  bool is_exact_by_channels() const;
  const WeightLayout& weight_layout() const;
  std::size_t scratch_bytes() const;
  /// The library's name for the chosen implementation: "brgconv:avx512_core".
  std::string_view implementation() const;

  /// Generates code. Call before the first run().
  void compile();
  void release();
  /// Not thread-safe. Pointers are as in KernelCall; bias and scratch may be null if unused.
  void run(const std::byte* x, const std::byte* weight, const std::byte* bias, std::byte* dst,
           std::byte* scratch) const;

  /// The library's own packing of a whole weight from plain f32, for tests to compare ours with.
  void reorder_weight(std::span<const float> plain, std::span<std::byte> packed) const;

 private:
  struct Parts;
  explicit Convolution(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

/// Whether the library multiplies bf16 with native instructions.
bool multiplies_bf16();
/// Whether it does so with units for whole matrices (AMX).
bool multiplies_matrices();

}  // namespace semblance::onednn
