// Random graphs on a card, in random amounts of its memory: they never take more, and always give
// the same bits.
#include <map>
#include <random>

#include "backend/vulkan/card_backend_test.h"
#include "core/convert.h"
#include "memory/buffer.h"
#include "memory/scratch_file.h"
#include "planner/random_graph_test.h"
#include "runtime/session_inputs_test.h"

namespace semblance {
namespace {

/// What is allocated through the driver, on the card and for staging. Not thread-safe.
class Allocations {
 public:
  static VulkanHook hook() {
    return [](VulkanApi& api) {
      if (api.AllocateMemory == nullptr || api.AllocateMemory == allocate) return;
      allocate_ = std::exchange(api.AllocateMemory, allocate);
      free_ = std::exchange(api.FreeMemory, free);
    };
  }
  static std::uint64_t bytes() { return bytes_; }
  /// The most since the last call.
  static std::uint64_t take_most() { return std::exchange(most_, bytes_); }

 private:
  static VkResult VKAPI_CALL allocate(VkDevice device, const VkMemoryAllocateInfo* info,
                                      const VkAllocationCallbacks* callbacks,
                                      VkDeviceMemory* memory) {
    const VkResult result = allocate_(device, info, callbacks, memory);
    if (result != VK_SUCCESS) return result;
    sizes_[*memory] = info->allocationSize;
    bytes_ += info->allocationSize;
    most_ = std::max(most_, bytes_);
    return result;
  }
  static void VKAPI_CALL free(VkDevice device, VkDeviceMemory memory,
                              const VkAllocationCallbacks* callbacks) {
    bytes_ -= sizes_[memory];
    free_(device, memory, callbacks);
  }
  static inline PFN_vkAllocateMemory allocate_ = nullptr;
  static inline PFN_vkFreeMemory free_ = nullptr;
  static inline std::map<VkDeviceMemory, std::uint64_t> sizes_;
  static inline std::uint64_t bytes_ = 0, most_ = 0;
};

const Backend& counted_card() {
  static const VulkanDevice& device = testing::kShared->keep(std::make_unique<const VulkanDevice>(
      testing::card_device().facts(),
      VulkanDevice::Options{.pipeline_folder = {}, .hook = Allocations::hook()}));
  static const Backend& backend = testing::kShared->keep(vulkan_backend(device));
  return backend;
}

/// A random graph of ops that the card has kernels for, with weights and inputs.
class Subject {
 public:
  explicit Subject(unsigned seed)
      : graph_(testing::random_graph(
            seed, {.largest_side = 32, .channel_step = 16, .blocks = 2, .has_convert = false})) {
    for (const ValueInfo& value : graph_.values()) {
      if (value.kind != ValueKind::kWeight || weights_.find(value.name) != nullptr) continue;
      std::vector<std::byte> bytes(value.type.bytes());
      from_f32(testing::random_values(value.type.shape.elements(), ++seed, 0.3F), value.type.dtype,
               bytes);
      weights_.add(value.name, {.dtype = value.type.dtype,
                                .shape = value.type.shape,
                                .file = memory_file(value.name, std::move(bytes))});
    }
  }
  bool runs_on_card() const {
    return std::ranges::all_of(graph_.nodes(), [&](const Node& node) {
      const auto kernels = counted_card().kernels();
      const NodeView view(graph_, node);
      return !is_run_by_kernel(graph_, node) ||
             std::ranges::any_of(kernels, [&](const KernelEntry& entry) {
               return entry.op == name_of(node.op) &&
                      entry.make(view, counted_card().device()).kernel != nullptr;
             });
    });
  }
  SessionOptions options(std::uint64_t memory_bytes, bool keeps) const {
    SessionOptions options;
    options.fit.memory_bytes = memory_bytes;
    options.fit.may_spill = true;
    options.fit.keep_weights = keeps;
    options.fit.slab_bytes = counted_card().device().slab_bytes();
    options.scratch = [](std::uint64_t bytes) -> std::unique_ptr<Scratch> {
      return std::make_unique<ScratchFile>(choose_scratch_folder({}), bytes);
    };
    return options;
  }
  std::uint64_t least() const {
    const SecondsOf seconds;
    KernelNeeds kernels(counted_card(), weights_, seconds);
    return least_memory(
        graph_, [&](const Graph& g, const Node& node) { return kernels.of(g, node); },
        options(0, false).fit);
  }
  /// The outputs' bytes. Checks that the run took no more than its plan and its staging.
  std::vector<std::vector<std::byte>> run(const SessionOptions& options, bool* spilled = nullptr) {
    const std::uint64_t before = Allocations::bytes();
    Allocations::take_most();
    std::vector<std::vector<std::byte>> outputs;
    {
      Session session(graph_, counted_card(), weights_, options);
      testing::set_random_inputs(session, graph_);
      session.run();
      session.run();
      const Plan& plan = session.plan();
      EXPECT_LE(plan.memory_bytes(), options.fit.memory_bytes);
      // Both regions are rounded up to the driver's pages.
      constexpr std::uint64_t kRounding = 2 << 12;
      EXPECT_LE(Allocations::take_most() - before,
                plan.arena_bytes + plan.resident_bytes + count_of(Tag::kStaging).bytes + kRounding);
      if (spilled != nullptr) *spilled = plan.file_bytes > 0;
      for (const auto& [name, id] : graph_.outputs()) {
        const std::span<const std::byte> bytes = session.output(name);
        outputs.emplace_back(bytes.begin(), bytes.end());
      }
    }
    EXPECT_EQ(Allocations::bytes(), before);
    return outputs;
  }

 private:
  Graph graph_;
  WeightMap weights_;
};

TEST(RandomPlansOnCard, KeepToAnyLimitAndGiveTheSameBits) {
  testing::skip_without_card();
  if (::testing::Test::IsSkipped()) return;
  std::mt19937 random(1);
  int graphs = 0, spilling = 0;
  for (unsigned seed = 100; graphs < 6; ++seed) {
    Subject subject(seed);
    if (!subject.runs_on_card()) continue;
    ++graphs;
    SCOPED_TRACE(seed);
    const auto whole = subject.run(subject.options(~std::uint64_t{0}, true));
    const std::uint64_t least = subject.least();
    for (int i = 0; i < 3; ++i) {
      const std::uint64_t limit = least + (i == 0 ? 0 : random() % (3 * least));
      bool spilled = false;
      EXPECT_EQ(subject.run(subject.options(limit, i % 2 == 0), &spilled), whole) << limit;
      spilling += spilled ? 1 : 0;
    }
  }
  EXPECT_GT(spilling, 0);
}

}  // namespace
}  // namespace semblance
