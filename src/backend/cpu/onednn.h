// The one door to oneDNN: convolutions, on version 2.6 (Debian 12; operation descriptors) and on
// 3.x (Debian 13, Ubuntu 24.04; none). Nothing but onednn.cpp includes the library's headers.
//
// To try another version than the system's, configure with -DCMAKE_CXX_FLAGS="-isystem <its
// headers>" and -DDNNL_LIBRARY=<its libdnnl.so> (for instance from the wheels onednn-devel-cpu-gomp
// and onednn-cpu-gomp 2023.2.0, which hold 3.2). The library must be built for OpenMP: its threads
// are those of core/parallel.h.
//
// The engine and the stream are the process's and made when first needed. The library keeps
// generated code of up to 1024 primitives to share among equal ones. Its instruction set can be
// limited by the environment: ONEDNN_MAX_CPU_ISA=AVX2.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/dtype.h"

namespace semblance::onednn {

/// A convolution of channels-last pictures; x and the result have `dtype` (f32 or bf16), as have
/// the weights; the bias is f32. A linear layer is one of 1x1 over pictures of height 1.
struct ConvolutionShape {
  DType dtype = DType::kF32;
  std::int64_t n = 1, h = 1, w = 1, c = 1;  // of x
  std::int64_t out_h = 1, out_w = 1, out_c = 1;
  std::array<std::int64_t, 2> kernel{1, 1};  // rows, columns; as the following
  std::array<std::int64_t, 2> stride{1, 1};
  std::array<std::int64_t, 2> dilation{1, 1};
  std::array<std::int64_t, 4> pad{0, 0, 0, 0};  // top, left, bottom, right
  std::int64_t groups = 1;
  bool has_bias = true;
  bool adds_to_dst = false;  // the result is added to what dst holds
};

/// Where an element of a weight [groups, o/groups, c/groups, kh, kw] lies: the sum over axes of
/// (index / the axis's whole block) * stride, plus the index inside the inner blocks, the last
/// block being the fastest. In elements.
struct WeightLayout {
  static constexpr int kMaxInner = 8;
  std::array<std::int64_t, 5> sizes{};   // group, o, c, kh, kw
  std::array<std::int64_t, 5> padded{};  // what is not weight must be zero
  std::array<std::int64_t, 5> strides{};
  std::array<std::int64_t, kMaxInner> inner_blocks{};
  std::array<int, kMaxInner> inner_axes{};  // 0 to 4, as in sizes
  int inner_count = 0;
  DType dtype = DType::kF32;
  std::size_t bytes = 0;

  /// Product of the inner blocks of an axis.
  std::int64_t block(int axis) const;
};

/// Beside the scratch that it is given, the library takes from the heap while a convolution runs,
/// in blocks of some tens of bytes: less than this at any shape (tests/allocation_test.cpp).
inline constexpr std::int64_t kHiddenBytes = 1024;

/// Of how weights are laid out: of the blocks, and of the strides where there are blocks.
std::uint64_t hash_of(const WeightLayout& layout);

class Convolution {
 public:
  /// Null, with the reason in why_not, where the library has but plain loops for the shape.
  static std::unique_ptr<Convolution> make(const ConvolutionShape& shape, std::string& why_not);
  ~Convolution();

  /// False for shapes that a batch-reduce implementation may compute, which cuts the sums by how
  /// many output channels there are.
  bool keeps_bits_by_output_channels() const;
  const WeightLayout& weight_layout() const;
  std::size_t scratch_bytes() const;
  /// The library's name for what it chose: "brgconv:avx512_core".
  std::string_view implementation() const;

  /// Generates code. Before the first run().
  void compile();
  void release();
  /// One thread at a time. Pointers as KernelCall's; bias and scratch may be null if unused.
  void run(const std::byte* x, const std::byte* weight, const std::byte* bias, std::byte* dst,
           std::byte* scratch) const;

  /// The library's own packing of a whole weight, plain f32: what tests compare ours with.
  void reorder_weight(std::span<const float> plain, std::span<std::byte> packed) const;

 private:
  struct Parts;
  explicit Convolution(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

/// Whether the library multiplies bf16 by the processor's own instructions.
bool multiplies_bf16();

}  // namespace semblance::onednn
