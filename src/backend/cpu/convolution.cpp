// Convolutions and linear layers by oneDNN: unlike its matrix product, its convolutions give a part
// of the rows or output channels the bits of the whole (small 3x3 ones: only of the rows).
#include "backend/cpu/convolution.h"

#include <cstring>

#include "backend/cpu/cpu.h"
#include "core/parallel.h"

namespace semblance::cpu {
namespace {

class ConvolutionKernel : public PackedWeightKernel {
 public:
  ConvolutionKernel(const NodeView& node, const ConvolutionNode& described,
                    std::unique_ptr<onednn::Convolution> convolution)
      : PackedWeightKernel(node),
        convolution_(std::move(convolution)),
        bias_(described.bias),
        residual_(described.residual),
        dst_bytes_(node.dst().bytes()) {}

  std::size_t scratch_bytes() const override { return convolution_->scratch_bytes(); }
  bool is_exact_by_channels() const override { return convolution_->is_exact_by_channels(); }
  const onednn::WeightLayout& weight_layout() const override {
    return convolution_->weight_layout();
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

constexpr int kWeight = PackedWeightKernel::kWeight;

std::string why_not_convolved(const NodeView& node, bool has_bias) {
  if (std::string why_not = why_not_computed(node); !why_not.empty()) return why_not;
  if (node.src(kWeight).dtype != node.src(0).dtype) return "x and the weight have different types";
  if (!node.src_is_weight(kWeight)) return "the weight is computed, not read";
  if (node.dst().shape.elements() == 0) return "the result is empty";
  if (has_bias && node.src(2).dtype != DType::kF32) return "the bias is not f32";
  return {};
}

onednn::ConvolutionShape shape_of(const NodeView& node, const Conv2d& op) {
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
  return shape;
}

onednn::ConvolutionShape shape_of(const NodeView& node, const Linear&) {
  const Shape& x = node.src(0).shape;
  onednn::ConvolutionShape shape;
  shape.w = shape.out_w = x.elements() / x[-1];
  shape.c = x[-1];
  shape.out_c = node.dst().shape[-1];
  return shape;
}

template <typename O>
ConvolutionNode described(const NodeView& node, const O& op) {
  ConvolutionNode made;
  made.why_not = why_not_convolved(node, op.has_bias);
  if (made.why_not.empty() && node.src(0).shape[-1] == 0) made.why_not = "x has no channels";
  if (!made.why_not.empty()) return made;
  made.shape = shape_of(node, op);
  made.shape.dtype = node.src(0).dtype;
  made.shape.has_bias = op.has_bias;
  made.shape.adds_to_dst = op.has_residual;
  if (op.has_bias) made.bias = 2;
  if (op.has_residual) made.residual = node.src_count() - 1;
  return made;
}

}  // namespace

ConvolutionNode convolution_of(const NodeView& node) {
  if (const auto* op = std::get_if<Conv2d>(&node.any_op())) return described(node, *op);
  return described(node, node.op<Linear>());
}

Made make_onednn(const NodeView& node, const Device&) {
  ConvolutionNode made = convolution_of(node);
  if (!made.why_not.empty()) return decline(made.why_not);
  auto convolution = onednn::Convolution::make(made.shape, made.why_not);
  if (!convolution) return decline(made.why_not);
  return accept(std::make_unique<ConvolutionKernel>(node, made, std::move(convolution)));
}

}  // namespace semblance::cpu
