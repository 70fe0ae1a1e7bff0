#include <cstring>

#include "backend/vulkan/launch.h"
#include "backend/vulkan/vulkan.h"
#include "core/half.h"

namespace semblance::vulkan {
namespace {

/// Constants of matmul.comp: a work group computes rows x outputs results, an invocation each
/// own_rows x own_outputs of them.
struct Tile {
  std::uint32_t threads, rows, outputs, own_rows, own_outputs;
};
constexpr std::uint32_t kDepth = 16;  // BK

constexpr Tile kSmall{64, 16, 64, 4, 4};
constexpr Tile kMedium{256, 64, 64, 4, 4};
constexpr Tile kLarge{256, 128, 128, 8, 8};

constexpr std::uint64_t shared_bytes(const Tile& tile) {
  return std::uint64_t{kDepth} * (tile.rows + 2 + tile.outputs + 2) * sizeof(float);
}

std::int64_t groups_of(const Tile& tile, std::int64_t rows, std::int64_t outputs) {
  return divided_up(rows, tile.rows) * divided_up(outputs, tile.outputs);
}

/// The largest tile that still gives every part of a large card something to do.
Tile tile_for(std::int64_t rows, std::int64_t outputs, const Device& device) {
  constexpr std::int64_t kEnoughGroups = 128;
  if (rows <= kSmall.rows || !why_not_group(device, kMedium.threads, 0).empty()) return kSmall;
  const bool fits = why_not_group(device, kLarge.threads, shared_bytes(kLarge)).empty();
  return fits && groups_of(kLarge, rows, outputs) >= kEnoughGroups ? kLarge : kMedium;
}

/// Reorders rows [c, positions] of a weight to [positions, c].
template <typename T>
void permute(const std::byte* from, std::byte* to, std::int64_t rows, std::int64_t c,
             std::int64_t positions) {
  const auto* src = reinterpret_cast<const T*>(from);
  auto* dst = reinterpret_cast<T*>(to);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t position = 0; position < positions; ++position) {
      for (std::int64_t i = 0; i < c; ++i)
        dst[(row * positions + position) * c + i] = src[(row * c + i) * positions + position];
    }
  }
}

void permute_to_f16(const float* src, std::byte* to, std::int64_t rows, std::int64_t c,
                    std::int64_t positions) {
  auto* dst = reinterpret_cast<std::uint16_t*>(to);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t position = 0; position < positions; ++position) {
      for (std::int64_t i = 0; i < c; ++i) {
        dst[(row * positions + position) * c + i] =
            f32_to_f16(src[(row * c + i) * positions + position]);
      }
    }
  }
}

/// Packs source 1 as [outputs, kh, kw, c]; linear layers' and 1x1 convolutions' weights so lie in
/// the file as they are. f16 rows of a file are not widened in between.
class ProductKernel : public LaunchKernel {
 public:
  ProductKernel(const NodeView& node, std::vector<Launch> launches)
      : LaunchKernel(node, std::move(launches)), weight_(node.src(1)) {
    const Shape& shape = weight_.shape;
    c_ = shape[1];
    positions_ = shape.rank() == 4 ? shape[2] * shape[3] : 1;
  }

  std::uint64_t layout(int src) const override { return src == 1 && positions_ > 1 ? 1 : 0; }
  bool packs_raw(int src, DType file_dtype) const override {
    return src == 1 && file_dtype == DType::kF16 && weight_.dtype == DType::kF16;
  }
  void pack(int src, const PackRows& rows, std::span<std::byte> packed) const override {
    const bool raw = rows.dtype == weight_.dtype;
    if (src != 1 || (positions_ == 1 && !raw)) return Kernel::pack(src, rows, packed);
    const std::size_t row_bytes =
        static_cast<std::size_t>(c_ * positions_) * size_of(weight_.dtype);
    std::byte* const to = packed.data() + static_cast<std::size_t>(rows.first) * row_bytes;
    if (positions_ == 1) {
      std::memcpy(to, rows.bytes.data(), static_cast<std::size_t>(rows.count) * row_bytes);
    } else if (!raw) {
      permute_to_f16(rows.f32().data(), to, rows.count, c_, positions_);
    } else if (raw && weight_.dtype == DType::kF16) {
      permute<std::uint16_t>(rows.bytes.data(), to, rows.count, c_, positions_);
    } else {
      permute<float>(rows.bytes.data(), to, rows.count, c_, positions_);
    }
  }

 private:
  TensorType weight_;
  std::int64_t c_ = 0;
  std::int64_t positions_ = 1;
};

/// What is common to linear layers and convolutions.
struct Product {
  std::string_view op;  // "linear"; of the shader's name
  std::int64_t rows, outputs, depth;
  std::int64_t contiguous;  // elements of a row of x that lie side by side at least
  bool has_bias, has_residual;
  std::int64_t window_h = 1, window_w = 1;
  std::vector<std::uint32_t> geometry = {};  // after rows, outputs and depth in PUSH
};

std::string why_not_product(const NodeView& node, const Device& device, const Product& product) {
  std::string why_not = why_not_stored(node, device);
  if (why_not.empty()) why_not = why_not_stored(node, device, 1);
  if (!why_not.empty()) return why_not;
  if (node.src(0).dtype == DType::kF16 && node.src(1).dtype == DType::kF32)
    return "x is f16 and the weight f32";
  if (product.has_bias && node.src(2).dtype != DType::kF32) return "the bias is not f32";
  if (node.src(0).shape.elements() == 0 || node.src(1).shape.elements() == 0)
    return "x or the weight is empty";
  return why_not_group(device, kSmall.threads, shared_bytes(kSmall));
}

Made product_kernel(const NodeView& node, const Device& device, const Product& product) {
  if (std::string why_not = why_not_product(node, device, product); !why_not.empty())
    return decline(std::move(why_not));
  const Tile tile = tile_for(product.rows, product.outputs, device);
  // Places that the shader does not read are bound to the weight.
  const Slot bias = Slot::of_src(product.has_bias ? 2 : 1);
  const Slot residual = Slot::of_src(product.has_residual ? node.src_count() - 1 : 1);
  std::vector<std::uint32_t> push = words(product.rows, product.outputs, product.depth);
  push.insert(push.end(), product.geometry.begin(), product.geometry.end());
  std::vector<Launch> launches{
      {&shader(fmt::format("{}_{}_{}", product.op, suffix_of(node.src(0).dtype),
                           suffix_of(node.src(1).dtype))),
       words(tile.threads, tile.rows, tile.outputs, tile.own_rows, tile.own_outputs,
             product.contiguous % 4 == 0, product.has_bias, product.has_residual, product.window_h,
             product.window_w),
       {Slot::of_src(0), Slot::of_src(1), bias, residual, Slot::of_dst()},
       std::move(push),
       {word_of(divided_up(product.outputs, tile.outputs)),
        word_of(divided_up(product.rows, tile.rows)), 1}}};
  for (std::size_t i = 0; i < 2; ++i) {
    if (launches[0].groups[i] > facts_of(device).most_groups[i])
      return decline("the result needs more work groups than the card launches");
  }
  return accept(std::make_unique<ProductKernel>(node, std::move(launches)));
}

}  // namespace

Made make_linear(const NodeView& node, const Device& device) {
  const auto& op = node.op<Linear>();
  const Shape& weight = node.src(1).shape;
  return product_kernel(node, device,
                        {.op = "linear",
                         .rows = node.dst().shape.elements_before(-1),
                         .outputs = weight[0],
                         .depth = weight[1],
                         .contiguous = weight[1],
                         .has_bias = op.has_bias,
                         .has_residual = op.has_residual});
}

Made make_conv2d(const NodeView& node, const Device& device) {
  const auto& op = node.op<Conv2d>();
  if (op.groups != 1) return decline(fmt::format("{} groups; this kernel computes one", op.groups));
  const Shape& x = node.src(0).shape;
  const Shape& weight = node.src(1).shape;
  const Shape& dst = node.dst().shape;
  return product_kernel(
      node, device,
      {.op = "conv2d",
       .rows = dst.elements_before(-1),
       .outputs = weight[0],
       .depth = weight.elements_from(1),
       .contiguous = weight[1],
       .has_bias = op.has_bias,
       .has_residual = op.has_residual,
       .window_h = weight[2],
       .window_w = weight[3],
       .geometry = words(x[1], x[2], x[3], dst[1], dst[2], op.stride[0], op.stride[1], op.pad[0],
                         op.pad[1], op.dilation[0], op.dilation[1])});
}

}  // namespace semblance::vulkan
