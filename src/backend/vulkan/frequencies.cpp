#include "backend/vulkan/launch.h"
#include "backend/vulkan/vulkan.h"
#include "core/integers.h"

namespace semblance::vulkan {

Made make_scale_low_frequencies(const NodeView& node, const Device& device) {
  if (std::string why_not = why_not_stored(node, device); !why_not.empty()) return decline(why_not);
  constexpr std::int64_t kWaves = 7;
  const Shape& x = node.src(0).shape;
  const std::int64_t sums = x[0] * kWaves * x[3];
  const std::uint64_t sums_bytes = at(sums) * sizeof(float);
  std::vector<Launch> launches;
  if (const std::int64_t count = x.elements(); count > 0) {
    const float factor =
        (node.op<ScaleLowFrequencies>().scale - 1) / static_cast<float>(x[1] * x[2]);
    const std::string suffix = suffix_of(node.src(0).dtype);
    const Slot scratch = Slot::of_scratch(0, sums_bytes);
    launches.push_back({&shader("frequency_sums_" + suffix),
                        words(kThreads),
                        {Slot::of_src(0), scratch},
                        words(sums, x[1], x[2], x[3]),
                        grid(divided_up(sums, kThreads))});
    launches.push_back({&shader("frequency_scale_" + suffix),
                        words(kThreads),
                        {Slot::of_src(0), scratch, Slot::of_dst()},
                        words(count, x[1], x[2], x[3], factor),
                        grid(divided_up(count, kThreads))});
  }
  return accept(std::make_unique<LaunchKernel>(node, std::move(launches), sums_bytes));
}

}  // namespace semblance::vulkan
