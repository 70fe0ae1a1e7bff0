#include <numeric>

#include "backend/vulkan/launch.h"
#include "backend/vulkan/vulkan.h"
#include "core/integers.h"

namespace semblance::vulkan {
namespace {

// Invocations of a work group that sums (reduce.glsl). One number for all, as it is the sums'
// order.
constexpr std::uint32_t kSummers = 64;
constexpr std::uint32_t kMostPlane = 65535;  // groups of a launch in y and z, at least

/// x [n,...,c] as group norms see it.
struct Grouped {
  std::int64_t pictures, pixels, c, groups, chunk_pixels, chunks;

  Grouped(const Shape& x, std::int64_t all_groups, std::int64_t pixels_of_chunk)
      : pictures(x[0]),
        pixels(x.with(0, 1).elements_before(-1)),
        c(x[-1]),
        groups(all_groups),
        chunk_pixels(pixels_of_chunk),
        chunks(divided_up(pixels, pixels_of_chunk)) {}
  std::uint64_t moments_bytes() const {
    return at(pictures * chunks * groups * 3) * sizeof(double);
  }
  std::uint64_t merged_bytes() const { return at(pictures * groups * 2) * sizeof(float); }
};

Launch moments_launch(const Grouped& x, DType dtype, Slot to) {
  return {&shader("group_moments_" + suffix_of(dtype)),
          words(kSummers),
          {Slot::of_src(0), to},
          words(x.pixels, x.c, x.groups, x.chunk_pixels, x.chunks),
          {word_of(x.groups), word_of(x.chunks), word_of(x.pictures)}};
}

Launch merge_launch(const Grouped& x, float eps, Slot from, Slot to) {
  return {&shader("group_merge"),
          words(kSummers),
          {from, to},
          words(x.groups, x.chunks, eps),
          {word_of(x.groups), word_of(x.pictures), 1}};
}

/// `weight` is the number of the source; the next one is the bias.
Launch scale_launch(const Grouped& x, DType dtype, bool silu, Slot merged, int weight) {
  const std::int64_t each = x.c % 4 == 0 ? 4 : 1;
  const std::int64_t count = x.pictures * x.pixels * x.c / each;
  return {&shader("group_scale_" + suffix_of(dtype)),
          words(kThreads, silu, each == 4),
          {Slot::of_src(0), merged, Slot::of_src(weight), Slot::of_src(weight + 1), Slot::of_dst()},
          words(count, x.pixels * x.c / each, x.c, x.groups),
          grid(divided_up(count, kThreads))};
}

std::string why_not_norm(const NodeView& node, const Device& device, int weight) {
  std::string why_not = why_not_stored(node, device);
  if (why_not.empty() &&
      (node.src(weight).dtype != DType::kF32 || node.src(weight + 1).dtype != DType::kF32))
    why_not = "weight and bias are not f32";
  return why_not;
}

std::string why_not_launched(const Grouped& x) {
  if (x.chunks > kMostPlane || x.pictures > kMostPlane)
    return fmt::format("{} chunks of {} pictures are more than the groups of a launch", x.chunks,
                       x.pictures);
  return "";
}

}  // namespace

Made make_group_moments(const NodeView& node, const Device& device) {
  const auto& op = node.op<GroupMoments>();
  std::string why_not = why_not_stored(node, device);
  if (!why_not.empty()) return decline(std::move(why_not));
  const Grouped x(node.src(0).shape, op.groups, op.chunk_pixels);
  why_not = why_not_launched(x);
  if (!why_not.empty()) return decline(std::move(why_not));
  std::vector<Launch> launches;
  if (node.src(0).shape.elements() > 0)
    launches.push_back(moments_launch(x, node.src(0).dtype, Slot::of_dst()));
  else if (node.dst().shape.elements() > 0)
    return decline("x is empty");
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches)));
}

Made make_group_scale(const NodeView& node, const Device& device) {
  const auto& op = node.op<GroupScale>();
  std::string why_not = why_not_norm(node, device, 2);
  if (!why_not.empty()) return decline(std::move(why_not));
  // The moments are the whole picture's, whatever part of it x is.
  Grouped x(node.src(0).shape, op.groups, 1);
  x.chunks = node.src(1).shape[1];
  if (x.pictures > kMostPlane) return decline("more pictures than the groups of a launch");
  std::vector<Launch> launches;
  if (node.dst().shape.elements() > 0) {
    const Slot merged = Slot::of_scratch(0, x.merged_bytes());
    launches.push_back(merge_launch(x, op.eps, Slot::of_src(1), merged));
    launches.push_back(scale_launch(x, node.src(0).dtype, op.silu, merged, 2));
  }
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches), x.merged_bytes()));
}

Made make_group_norm(const NodeView& node, const Device& device) {
  const auto& op = node.op<GroupNorm>();
  std::string why_not = why_not_norm(node, device, 1);
  if (!why_not.empty()) return decline(std::move(why_not));
  const Grouped x(node.src(0).shape, op.groups, group_chunk_pixels(node.src(0).shape));
  why_not = why_not_launched(x);
  if (!why_not.empty()) return decline(std::move(why_not));
  std::vector<Launch> launches;
  const std::uint64_t merged_offset = round_up(x.moments_bytes(), kPlaceAlignment);
  if (node.dst().shape.elements() > 0) {
    const Slot moments = Slot::of_scratch(0, x.moments_bytes());
    const Slot merged = Slot::of_scratch(merged_offset, x.merged_bytes());
    launches.push_back(moments_launch(x, node.src(0).dtype, moments));
    launches.push_back(merge_launch(x, op.eps, moments, merged));
    launches.push_back(scale_launch(x, node.src(0).dtype, op.silu, merged, 1));
  }
  return accept(
      std::make_unique<LaunchKernel>(node, std::move(launches), merged_offset + x.merged_bytes()));
}

Made make_layer_norm(const NodeView& node, const Device& device) {
  std::string why_not = why_not_norm(node, device, 1);
  if (!why_not.empty()) return decline(std::move(why_not));
  const std::int64_t rows = node.dst().shape.elements_before(-1);
  std::vector<Launch> launches;
  if (node.dst().shape.elements() > 0) {
    launches.push_back({&shader("layer_norm_" + suffix_of(node.src(0).dtype)),
                        words(kSummers),
                        {Slot::of_src(0), Slot::of_src(1), Slot::of_src(2), Slot::of_dst()},
                        words(rows, node.dst().shape[-1], node.op<LayerNorm>().eps),
                        grid(rows)});
  }
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches)));
}

}  // namespace semblance::vulkan
