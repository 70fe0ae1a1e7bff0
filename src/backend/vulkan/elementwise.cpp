#include "backend/vulkan/launch.h"
#include "backend/vulkan/vulkan.h"

namespace semblance::vulkan {
namespace {

/// FUNCTION of map.comp: those of UnaryFn, and x * scale + shift.
constexpr std::uint32_t kAffineFunction = std::size(Unary::kFnNames);

/// Elements of one invocation: four neighbours where a count of them is a multiple of four.
std::int64_t each_of(std::int64_t count) { return count % 4 == 0 ? 4 : 1; }

Made map_kernel(const NodeView& node, std::uint32_t function, float scale, float shift) {
  const std::int64_t count = node.dst().shape.elements();
  const std::int64_t each = each_of(count);
  std::vector<Launch> launches;
  if (count > 0) {
    launches.push_back({&shader(fmt::format("map_{}_{}", suffix_of(node.src(0).dtype),
                                            suffix_of(node.dst().dtype))),
                        words(kThreads, function, each == 4),
                        {Slot::of_src(0), Slot::of_dst()},
                        words(count / each, scale, shift),
                        grid(divided_up(count / each, kThreads))});
  }
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches)));
}

/// The axes of a result and of the two sources that are broadcast to it, fastest first; neighbours
/// that are one axis for all three are merged.
struct BroadcastAxes {
  static constexpr std::size_t kMost = Shape::kMaxRank;
  std::size_t count = 0;
  std::array<std::uint32_t, kMost> sizes{}, x_strides{}, y_strides{};

  BroadcastAxes(const Shape& x, const Shape& y, const Shape& dst) {
    std::int64_t x_stride = 1, y_stride = 1;
    for (int axis = 1; axis <= dst.rank(); ++axis) {
      const std::int64_t x_size = axis <= x.rank() ? x[-axis] : 1;
      const std::int64_t y_size = axis <= y.rank() ? y[-axis] : 1;
      add(dst[-axis], x_size == 1 ? 0 : x_stride, y_size == 1 ? 0 : y_stride);
      x_stride *= x_size;
      y_stride *= y_size;
    }
    if (count == 0) add(1, 0, 0, true);
  }

  /// Whether four neighbours along the first axis can be computed at a time.
  bool are_by_four() const {
    if (sizes[0] % 4 != 0 || x_strides[0] != 1) return false;
    for (std::size_t i = 1; i < count; ++i) {
      if (x_strides[i] % 4 != 0 || (y_strides[0] == 1 && y_strides[i] % 4 != 0)) return false;
    }
    return true;
  }
  /// Makes sizes and strides count fours; y's only if it does not repeat along the first axis.
  void count_fours() {
    sizes[0] /= 4;
    for (std::size_t i = 1; i < count; ++i) {
      x_strides[i] /= 4;
      if (y_strides[0] == 1) y_strides[i] /= 4;
    }
  }

 private:
  void add(std::int64_t size, std::int64_t x_stride, std::int64_t y_stride, bool always = false) {
    if (size == 1 && !always) return;
    if (count > 0) {
      const std::size_t last = count - 1;
      if (x_stride == std::int64_t{x_strides[last]} * sizes[last] &&
          y_stride == std::int64_t{y_strides[last]} * sizes[last]) {
        sizes[last] = word_of(size * sizes[last]);
        return;
      }
    }
    sizes[count] = word_of(size);
    x_strides[count] = word_of(x_stride);
    y_strides[count] = word_of(y_stride);
    ++count;
  }
};

}  // namespace

Made make_unary(const NodeView& node, const Device& device) {
  if (std::string why_not = why_not_stored(node, device); !why_not.empty()) return decline(why_not);
  return map_kernel(node, static_cast<std::uint32_t>(node.op<Unary>().fn), 1.0F, 0.0F);
}

Made make_affine(const NodeView& node, const Device& device) {
  if (std::string why_not = why_not_stored(node, device); !why_not.empty()) return decline(why_not);
  const auto& op = node.op<Affine>();
  return map_kernel(node, kAffineFunction, op.scale, op.shift);
}

Made make_convert(const NodeView& node, const Device& device) {
  if (std::string why_not = why_not_stored(node, device); !why_not.empty()) return decline(why_not);
  const DType dtype = node.dst().dtype;
  if (dtype != DType::kF32 && dtype != DType::kF16)
    return decline(fmt::format("the result is {}, not f32 or f16", name_of(dtype)));
  if (dtype == DType::kF16 && !facts_of(device).has_16_bit_storage)
    return decline("the result is f16, and the card has no 16-bit storage");
  return map_kernel(node, kAffineFunction, 1.0F, 0.0F);
}

Made make_binary(const NodeView& node, const Device& device) {
  for (int i = 0; i < 2; ++i) {
    std::string why_not = why_not_stored(node, device, i);
    if (!why_not.empty()) return decline(std::move(why_not));
  }
  const std::int64_t count = node.dst().shape.elements();
  std::vector<Launch> launches;
  if (count > 0) {
    BroadcastAxes axes(node.src(0).shape, node.src(1).shape, node.dst().shape);
    const bool by_four = axes.are_by_four();
    const bool y_repeats = axes.y_strides[0] == 0;
    if (by_four) axes.count_fours();
    const std::int64_t work = by_four ? count / 4 : count;
    std::vector<std::uint32_t> push = words(work, node.op<Binary>().scale);
    for (const auto& values : {axes.sizes, axes.x_strides, axes.y_strides})
      push.insert(push.end(), values.begin(), values.end());
    launches.push_back({&shader(fmt::format("binary_{}_{}", suffix_of(node.src(0).dtype),
                                            suffix_of(node.src(1).dtype))),
                        words(kThreads, static_cast<std::uint32_t>(node.op<Binary>().fn),
                              axes.count, by_four, y_repeats),
                        {Slot::of_src(0), Slot::of_src(1), Slot::of_dst()},
                        std::move(push),
                        grid(divided_up(work, kThreads))});
  }
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches)));
}

Made make_geglu(const NodeView& node, const Device& device) {
  if (std::string why_not = why_not_stored(node, device); !why_not.empty()) return decline(why_not);
  const std::int64_t count = node.dst().shape.elements();
  std::vector<Launch> launches;
  if (count > 0) {
    const std::int64_t c = node.dst().shape[-1];
    const std::int64_t each = each_of(c);
    launches.push_back({&shader("geglu_" + suffix_of(node.src(0).dtype)),
                        words(kThreads, each == 4),
                        {Slot::of_src(0), Slot::of_dst()},
                        words(count / each, c / each),
                        grid(divided_up(count / each, kThreads))});
  }
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches)));
}

Made make_sinusoid(const NodeView& node, const Device& device) {
  if (std::string why_not = why_not_stored(node, device); !why_not.empty()) return decline(why_not);
  const auto& op = node.op<Sinusoid>();
  const std::int64_t half = op.dim / 2;
  const std::int64_t count = node.src(0).shape[0] * half;
  std::vector<Launch> launches;
  if (count > 0) {
    launches.push_back({&shader("sinusoid"),
                        words(kThreads),
                        {Slot::of_src(0), Slot::of_dst()},
                        words(count, half, op.flip, static_cast<float>(half) - op.shift),
                        grid(divided_up(count, kThreads))});
  }
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches)));
}

}  // namespace semblance::vulkan
