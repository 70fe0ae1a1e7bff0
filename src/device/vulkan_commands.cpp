#include "device/vulkan_commands.h"

#include <array>

#include "core/error.h"

namespace semblance {
namespace {

constexpr std::string_view kRecording = "record work for the graphics card";
constexpr std::size_t kMostPoints = 2;

}  // namespace

VulkanCommands::VulkanCommands(const VulkanContext& context, Queue queue)
    : context_(&context), queue_(queue) {
  constexpr std::string_view kDoing = "prepare the graphics card for a run";
  const VulkanApi& api = context.api();
  VkCommandPoolCreateInfo pool{};
  pool.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
  pool.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT;
  pool.queueFamilyIndex = context.queue_family(queue);
  pool_ = context.create(api.CreateCommandPool, api.DestroyCommandPool, pool, kDoing);
  VkCommandBufferAllocateInfo commands{};
  commands.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
  commands.commandPool = pool_.get();
  commands.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  commands.commandBufferCount = 1;
  context.check(api.AllocateCommandBuffers(context.device(), &commands, &commands_), kDoing);
}

void VulkanCommands::begin() {
  const VulkanApi& api = context_->api();
  context_->check(api.ResetCommandPool(context_->device(), pool_.get(), 0), kRecording);
  VkCommandBufferBeginInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  context_->check(api.BeginCommandBuffer(commands_, &info), kRecording);
}

void VulkanCommands::submit(std::span<const VulkanPoint> after, const VulkanPoint& done) {
  context_->check(context_->api().EndCommandBuffer(commands_), kRecording);
  std::array<VkSemaphore, kMostPoints> semaphores{};
  std::array<std::uint64_t, kMostPoints> points{};
  std::array<VkPipelineStageFlags, kMostPoints> stages{};
  std::uint32_t count = 0;
  for (const VulkanPoint& point : after) {
    if (point.value == 0) continue;
    SEMBLANCE_ASSERT(count < kMostPoints);
    semaphores[count] = point.timeline;
    points[count] = point.value;
    stages[count] = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    ++count;
  }
  VkTimelineSemaphoreSubmitInfo values{};
  values.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
  values.waitSemaphoreValueCount = count;
  values.pWaitSemaphoreValues = points.data();
  values.signalSemaphoreValueCount = 1;
  values.pSignalSemaphoreValues = &done.value;
  VkSubmitInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
  info.pNext = &values;
  info.waitSemaphoreCount = count;
  info.pWaitSemaphores = semaphores.data();
  info.pWaitDstStageMask = stages.data();
  info.commandBufferCount = 1;
  info.pCommandBuffers = &commands_;
  info.signalSemaphoreCount = 1;
  info.pSignalSemaphores = &done.timeline;
  context_->submit(queue_, info);
}

}  // namespace semblance
