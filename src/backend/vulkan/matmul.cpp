#include <cstring>

#include "backend/vulkan/launch.h"
#include "backend/vulkan/vulkan.h"
#include "core/half.h"

namespace semblance::vulkan {
namespace {

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
  bool packs_as_is(int src, DType file_dtype) const override {
    return src == 1 && positions_ == 1 && file_dtype == weight_.dtype;
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
  std::int64_t window_w = 1;
  std::vector<std::uint32_t> geometry = {};  // of a convolution, at PUSH's end

  std::int64_t groups(std::uint32_t tile_rows, std::uint32_t tile_outputs) const {
    return divided_up(rows, tile_rows) * divided_up(outputs, tile_outputs);
  }
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
  return "";
}

/// The launch of a tile's shader. `constants` begin with the tile's five, which this completes.
Made product_kernel(const NodeView& node, const Device& device, const Product& product,
                    std::string_view shader_name, std::vector<std::uint32_t> constants,
                    std::uint32_t subgroup_size = 0) {
  const std::int64_t across = divided_up(product.outputs, constants[2]);
  const std::int64_t down = divided_up(product.rows, constants[1]);
  const VulkanFacts& facts = facts_of(device);
  if (across > facts.most_groups[0] || down > facts.most_groups[1])
    return decline("the result needs more work groups than the card launches");
  const std::vector<std::uint32_t> common = words(product.contiguous % 4 == 0, product.window_w);
  constants.insert(constants.begin() + 5, common.begin(), common.end());
  // Places that the shader does not read are bound to the weight.
  const Slot bias = Slot::of_src(product.has_bias ? 2 : 1);
  const Slot residual = Slot::of_src(product.has_residual ? node.src_count() - 1 : 1);
  std::vector<std::uint32_t> push =
      words(product.rows, product.outputs, product.depth, product.has_bias, product.has_residual);
  push.insert(push.end(), product.geometry.begin(), product.geometry.end());
  std::vector<Launch> launches{{&shader(shader_name),
                                std::move(constants),
                                {Slot::of_src(0), Slot::of_src(1), bias, residual, Slot::of_dst()},
                                std::move(push),
                                {word_of(across), word_of(down), 1},
                                subgroup_size}};
  return accept(std::make_unique<ProductKernel>(node, std::move(launches)));
}

/// Constants of matmul.comp: a work group computes rows x outputs results, an invocation each
/// own_rows x own_outputs of them.
struct Tile {
  std::uint32_t threads, rows, outputs, own_rows, own_outputs;

  std::uint64_t shared_bytes() const {
    constexpr std::uint64_t kDepth = 16;  // BK
    return kDepth * (rows + 2 + outputs + 2) * sizeof(float);
  }
};
constexpr Tile kSmall{64, 16, 64, 4, 4};
constexpr Tile kMedium{256, 64, 64, 4, 4};
constexpr Tile kLarge{256, 128, 128, 8, 8};

/// From so many work groups on, every part of a large card has something to do.
constexpr std::int64_t kEnoughGroups = 128;

Tile tile_for(const Product& product, const Device& device) {
  const auto fits = [&](const Tile& tile) {
    return why_not_group(device, tile.threads, tile.shared_bytes()).empty();
  };
  if (product.rows <= kSmall.rows || !fits(kMedium)) return kSmall;
  if (fits(kLarge) && product.groups(kLarge.rows, kLarge.outputs) >= kEnoughGroups) return kLarge;
  return kMedium;
}

Made scalar_kernel(const NodeView& node, const Device& device, const Product& product) {
  std::string why_not = why_not_product(node, device, product);
  if (why_not.empty()) why_not = why_not_group(device, kSmall.threads, kSmall.shared_bytes());
  if (!why_not.empty()) return decline(std::move(why_not));
  const Tile tile = tile_for(product, device);
  return product_kernel(
      node, device, product,
      fmt::format("{}_{}_{}", product.op, suffix_of(node.src(0).dtype),
                  suffix_of(node.src(1).dtype)),
      words(tile.threads, tile.rows, tile.outputs, tile.own_rows, tile.own_outputs));
}

/// Constants of matmul_matrix.comp: each subgroup computes own_rows x own_outputs results.
struct MatrixTile {
  std::uint32_t rows, outputs, own_rows, own_outputs;

  std::uint32_t subgroups() const { return rows / own_rows * (outputs / own_outputs); }
  std::uint64_t shared_bytes(const MatrixShape& shape) const {
    constexpr std::uint64_t kRowBytes = (32 + 8) * 2;  // LD
    constexpr std::uint64_t kPixelBytes = 12;          // Row
    return (rows + outputs) * kRowBytes + rows * kPixelBytes +
           std::uint64_t{subgroups()} * shape.m * shape.n * sizeof(float);
  }
};
constexpr MatrixTile kSmallMatrices{16, 64, 16, 16};
constexpr MatrixTile kMediumMatrices{64, 64, 32, 32};
constexpr MatrixTile kLargeMatrices{128, 128, 64, 32};

std::string why_not_matrix_product(const NodeView& node, const Device& device,
                                   const Product& product) {
  if (std::string why_not = why_not_product(node, device, product); !why_not.empty())
    return why_not;
  if (node.src(0).dtype != DType::kF16) return "x is not f16";
  const VulkanFacts& facts = facts_of(device);
  if (std::string why_not = why_not_matrices(facts); !why_not.empty()) return why_not;
  return why_not_group(device, kMediumMatrices.subgroups() * facts.subgroup_size,
                       kMediumMatrices.shared_bytes(*matrix_shape(facts)));
}

Made matrix_kernel(const NodeView& node, const Device& device, const Product& product) {
  if (std::string why_not = why_not_matrix_product(node, device, product); !why_not.empty())
    return decline(std::move(why_not));
  const VulkanFacts& facts = facts_of(device);
  const MatrixShape& shape = *matrix_shape(facts);
  const bool large_fits = why_not_group(device, kLargeMatrices.subgroups() * facts.subgroup_size,
                                        kLargeMatrices.shared_bytes(shape))
                              .empty();
  MatrixTile tile = kMediumMatrices;
  if (product.rows <= kSmallMatrices.rows) {
    tile = kSmallMatrices;
  } else if (large_fits &&
             product.groups(kLargeMatrices.rows, kLargeMatrices.outputs) >= kEnoughGroups) {
    tile = kLargeMatrices;
  }
  return product_kernel(
      node, device, product, fmt::format("{}_matrix", product.op),
      words(tile.subgroups() * facts.subgroup_size, tile.rows, tile.outputs, tile.own_rows,
            tile.own_outputs, shape.m, shape.n, shape.k, tile.subgroups()),
      asked_subgroup_size(facts));
}

Product product_of_linear(const NodeView& node) {
  const auto& op = node.op<Linear>();
  const Shape& weight = node.src(1).shape;
  return {.op = "linear",
          .rows = node.dst().shape.elements_before(-1),
          .outputs = weight[0],
          .depth = weight[1],
          .contiguous = weight[1],
          .has_bias = op.has_bias,
          .has_residual = op.has_residual};
}

Product product_of_conv2d(const NodeView& node) {
  const auto& op = node.op<Conv2d>();
  const Shape& x = node.src(0).shape;
  const Shape& weight = node.src(1).shape;
  const Shape& dst = node.dst().shape;
  return {.op = "conv2d",
          .rows = dst.elements_before(-1),
          .outputs = weight[0],
          .depth = weight.elements_from(1),
          .contiguous = weight[1],
          .has_bias = op.has_bias,
          .has_residual = op.has_residual,
          .window_w = weight[3],
          .geometry = words(x[1], x[2], x[3], dst[1], dst[2], op.stride[0], op.stride[1], op.pad[0],
                            op.pad[1], op.dilation[0], op.dilation[1])};
}

std::string why_not_groups(const Conv2d& op) {
  return op.groups == 1 ? "" : fmt::format("{} groups; this kernel computes one", op.groups);
}

}  // namespace

Made make_linear(const NodeView& node, const Device& device) {
  return scalar_kernel(node, device, product_of_linear(node));
}

Made make_matrix_linear(const NodeView& node, const Device& device) {
  return matrix_kernel(node, device, product_of_linear(node));
}

Made make_conv2d(const NodeView& node, const Device& device) {
  if (std::string why_not = why_not_groups(node.op<Conv2d>()); !why_not.empty())
    return decline(std::move(why_not));
  return scalar_kernel(node, device, product_of_conv2d(node));
}

Made make_matrix_conv2d(const NodeView& node, const Device& device) {
  if (std::string why_not = why_not_groups(node.op<Conv2d>()); !why_not.empty())
    return decline(std::move(why_not));
  return matrix_kernel(node, device, product_of_conv2d(node));
}

}  // namespace semblance::vulkan
