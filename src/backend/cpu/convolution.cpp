// Convolutions and linear layers, both as oneDNN convolutions: unlike its matrix product, they give
// a part of the rows or output channels the bits of the whole (small 3x3 ones: only of the rows).
#include <cstring>

#include "backend/cpu/cpu.h"
#include "backend/cpu/onednn.h"
#include "backend/cpu/packing.h"
#include "core/parallel.h"

namespace semblance::cpu {
namespace {

constexpr int kWeight = 1;

class ConvolutionKernel : public HostKernel {
 public:
  ConvolutionKernel(const NodeView& node, std::unique_ptr<onednn::Convolution> convolution,
                    bool has_bias, bool has_residual)
      : HostKernel(node),
        convolution_(std::move(convolution)),
        bias_(has_bias ? 2 : -1),
        residual_(has_residual ? node.src_count() - 1 : -1),
        dst_bytes_(node.dst().bytes()) {}

  std::size_t scratch_bytes() const override { return convolution_->scratch_bytes(); }
  bool is_exact_by_channels() const override { return convolution_->is_exact_by_channels(); }
  std::size_t packed_bytes(int src) const override {
    return src == kWeight ? convolution_->weight_layout().bytes : HostKernel::packed_bytes(src);
  }
  std::uint64_t layout(int src) const override {
    return src == kWeight ? onednn::hash_of(convolution_->weight_layout()) : 0;
  }
  std::int64_t pack_rows(int src) const override {
    return src == kWeight ? onednn::pack_rows(convolution_->weight_layout())
                          : HostKernel::pack_rows(src);
  }
  void pack(int src, const PackRows& rows, std::span<std::byte> packed) const override {
    if (src != kWeight) return HostKernel::pack(src, rows, packed);
    onednn::pack_weight(convolution_->weight_layout(), rows.first, rows.count, rows.f32(), packed);
  }

  void compile() override { convolution_->compile(); }
  void release() override { convolution_->release(); }

  void run(const KernelCall& call) const override {
    if (residual_ >= 0) copy_residual(call.src[static_cast<std::size_t>(residual_)], call.dst);
    convolution_->run(call.src[0], call.src[kWeight],
                      bias_ >= 0 ? call.src[static_cast<std::size_t>(bias_)] : nullptr, call.dst,
                      call.scratch);
  }

 private:
  /// The library adds to dst, so the residual must be there.
  void copy_residual(const std::byte* residual, std::byte* dst) const {
    if (residual == dst) return;
    constexpr std::int64_t kGrain = 1 << 16;
    parallel_ranges(static_cast<std::int64_t>(dst_bytes_), kGrain,
                    [&](std::int64_t begin, std::int64_t end, int) {
                      std::memcpy(dst + begin, residual + begin,
                                  static_cast<std::size_t>(end - begin));
                    });
  }

  std::unique_ptr<onednn::Convolution> convolution_;
  int bias_;
  int residual_;
  std::size_t dst_bytes_;
};

std::string why_not_convolved(const NodeView& node) {
  if (std::string why_not = why_not_computed(node); !why_not.empty()) return why_not;
  if (node.src(kWeight).dtype != node.src(0).dtype) return "x and the weight have different types";
  if (!node.src_is_weight(kWeight)) return "the weight is computed, not read";
  return {};
}

Made make(const NodeView& node, onednn::ConvolutionShape shape, bool has_bias, bool has_residual) {
  std::string why_not = why_not_convolved(node);
  if (!why_not.empty()) return decline(why_not);
  if (node.dst().shape.elements() == 0) return decline("the result is empty");
  if (has_bias && node.src(2).dtype != DType::kF32) return decline("the bias is not f32");
  shape.dtype = node.src(0).dtype;
  shape.has_bias = has_bias;
  shape.adds_to_dst = has_residual;
  auto convolution = onednn::Convolution::make(shape, why_not);
  if (!convolution) return decline(why_not);
  return accept(
      std::make_unique<ConvolutionKernel>(node, std::move(convolution), has_bias, has_residual));
}

}  // namespace

Made make_conv2d(const NodeView& node, const Device&) {
  const auto& op = node.op<Conv2d>();
  const Shape& x = node.src(0).shape;
  const Shape& weight = node.src(kWeight).shape;
  const Shape& dst = node.dst().shape;
  onednn::ConvolutionShape shape;
  shape.n = x[0], shape.h = x[1], shape.w = x[2], shape.c = x[3];
  shape.out_h = dst[1], shape.out_w = dst[2], shape.out_c = dst[3];
  shape.kernel = {weight[2], weight[3]};
  shape.stride = op.stride;
  shape.dilation = op.dilation;
  shape.pad = op.pad;
  shape.groups = op.groups;
  return make(node, shape, op.has_bias, op.has_residual);
}

Made make_linear(const NodeView& node, const Device&) {
  const auto& op = node.op<Linear>();
  const Shape& x = node.src(0).shape;
  if (x[-1] == 0) return decline("x has no channels");
  onednn::ConvolutionShape shape;
  shape.w = shape.out_w = x.elements() / x[-1];
  shape.c = x[-1];
  shape.out_c = node.dst().shape[-1];
  return make(node, shape, op.has_bias, op.has_residual);
}

}  // namespace semblance::cpu
