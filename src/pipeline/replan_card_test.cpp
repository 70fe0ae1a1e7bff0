// Other programs take a card's memory during a run: a smaller plan, the same bits.
#include <map>

#include "backend/vulkan/card_backend_test.h"
#include "core/messages.h"
#include "pipeline/golden_case_test.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using testing::expect_error;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kPlenty = std::uint64_t{1} << 32;

/// What the driver says: the test's budget, and what is really allocated.
struct Reported {
  std::uint64_t budget = kPlenty;
  std::map<VkDeviceMemory, std::uint64_t> held = {};
  PFN_vkAllocateMemory allocate = nullptr;
  PFN_vkFreeMemory free = nullptr;
  PFN_vkMapMemory map = nullptr;
  PFN_vkGetPhysicalDeviceMemoryProperties2 properties = nullptr;

  std::uint64_t held_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& [memory, size] : held) bytes += size;
    return bytes;
  }
};
Reported reported;

void report(VulkanApi& api) {
  if (api.AllocateMemory == nullptr) return;
  reported.allocate = api.AllocateMemory;
  reported.free = api.FreeMemory;
  reported.map = api.MapMemory;
  reported.properties = api.GetPhysicalDeviceMemoryProperties2;
  api.AllocateMemory = [](VkDevice device, const VkMemoryAllocateInfo* info,
                          const VkAllocationCallbacks* callbacks, VkDeviceMemory* memory) {
    const VkResult result = reported.allocate(device, info, callbacks, memory);
    if (result == VK_SUCCESS) reported.held[*memory] = info->allocationSize;
    return result;
  };
  api.FreeMemory = [](VkDevice device, VkDeviceMemory memory,
                      const VkAllocationCallbacks* callbacks) {
    reported.held.erase(memory);
    reported.free(device, memory, callbacks);
  };
  // Main memory, on a card that is not made of software.
  api.MapMemory = [](VkDevice device, VkDeviceMemory memory, VkDeviceSize offset, VkDeviceSize size,
                     VkMemoryMapFlags flags, void** mapped) {
    reported.held.erase(memory);
    return reported.map(device, memory, offset, size, flags, mapped);
  };
  api.GetPhysicalDeviceMemoryProperties2 = [](VkPhysicalDevice card,
                                              VkPhysicalDeviceMemoryProperties2* properties) {
    reported.properties(card, properties);
    auto* const budget = static_cast<VkPhysicalDeviceMemoryBudgetPropertiesEXT*>(properties->pNext);
    if (budget == nullptr) return;
    for (std::uint32_t i = 0; i < properties->memoryProperties.memoryHeapCount; ++i) {
      budget->heapBudget[i] = reported.budget;
      budget->heapUsage[i] = reported.held_bytes();
    }
  };
}

class SharedCard : public Backend {
 public:
  SharedCard() { add_backend(*this); }
  std::string_view name() const override { return "shared card"; }
  const Device& device() const override { return device_; }
  std::optional<DType> half() const override { return backend_->half(); }
  std::span<const KernelEntry> kernels() const override { return backend_->kernels(); }

 private:
  VulkanDevice device_{testing::card_device().facts(),
                       {.pipeline_folder = {}, .hook = report, .maps_shared_memory = false}};
  std::unique_ptr<const Backend> backend_ = vulkan_backend(device_);
};

class ReplanOnCard : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::skip_without_card();
    if (IsSkipped()) return;
    static const Backend& backend = testing::kShared->keep(std::make_unique<SharedCard>());
    reported.budget = kPlenty;
    PipelineOptions options{.backend = std::string(backend.name())};
    options.workspace.device_room = {kPlenty / 2, true};
    pipeline_.emplace(wanted_.paths, options);
  }
  Generation start() { return pipeline_->start(wanted_.request, wanted_.people); }

  testing::GoldenCase wanted_ =
      testing::load_golden_case(testing::golden_path("pipeline/fp16_published/plain"));
  std::optional<Pipeline> pipeline_;
};

TEST_F(ReplanOnCard, ContinuesWithASmallerPlanToTheSameBits) {
  Generation whole = start();
  while (whole.next()) EXPECT_TRUE(whole.take_news().empty());
  Generation generation = start();
  ASSERT_TRUE(generation.next());
  const std::uint64_t held = reported.held_bytes();
  reported.budget = held - held / 8;
  generation.next();
  const std::vector<std::string> news = generation.take_news();
  ASSERT_EQ(news.size(), 1U);
  EXPECT_TRUE(news[0].starts_with("memory on the graphics card shrank to ")) << news[0];
  EXPECT_LE(reported.held_bytes(), reported.budget);
  // Too little for anything; the run can go on later.
  reported.budget = held / 100;
  const int step = generation.step();
  if (step < generation.steps()) {
    expect_error(ErrorKind::kMemory, "cannot continue: the rest needs at least ",
                 [&] { generation.next(); });
    set_language(Language::kSpanish);
    expect_error(ErrorKind::kMemory, " en la tarjeta gráfica, hay ", [&] { generation.next(); });
    set_language(Language::kEnglish);
    EXPECT_EQ(generation.step(), step);
  }
  reported.budget = kPlenty;
  while (generation.next()) continue;
  EXPECT_EQ(generation.latent(), whole.latent());
  EXPECT_TRUE(std::ranges::equal(generation.decode().pixels(), whole.decode().pixels()));
}

/// The smallest amount that a refusal names works; less does not.
TEST_F(ReplanOnCard, ATooSmallBudgetIsRefusedWithTheOneThatWorks) {
  const auto plan_in = [&](std::uint64_t bytes) {
    PipelineOptions options{.backend = "shared card"};
    options.workspace.device_room = {bytes, true};
    options.workspace.budget_bytes = kPlenty;
    return Pipeline(wanted_.paths, options).plan({.request = wanted_.request});
  };
  const PlannedPicture refused = plan_in(64 << 10);
  EXPECT_FALSE(refused.plan.fits);
  EXPECT_FALSE(refused.largest.has_value());
  ASSERT_GE(refused.minimum_card_bytes, kMiB);
  const PlannedPicture planned = plan_in(refused.minimum_card_bytes);
  EXPECT_TRUE(planned.plan.fits);
  EXPECT_LE(planned.plan.card_bytes, refused.minimum_card_bytes);
  PipelineOptions options{.backend = "shared card"};
  options.workspace.device_room = {refused.minimum_card_bytes, true};
  EXPECT_NO_THROW(testing::run_golden_case(wanted_, options));
}

}  // namespace
}  // namespace semblance
