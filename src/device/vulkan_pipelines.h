// The compute pipelines of a card, made from shaders and kept on disk between runs.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "device/vulkan_context.h"
#include "device/vulkan_kernel.h"

namespace semblance {

struct VulkanPipeline {
  VkPipeline pipeline = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
};

/// Thread-safe. Pipelines live as long as this.
class VulkanPipelines {
 public:
  /// The driver's compiled code is read from a file in `folder` for this card and driver, and
  /// written there by save(). A missing, damaged or foreign file is ignored, and an unwritable
  /// folder, too; none at all if `folder` is empty. The context must outlive this.
  VulkanPipelines(const VulkanContext& context, const std::filesystem::path& folder);
  ~VulkanPipelines();

  /// The pipeline that launches need; compiled on first use, which takes up to seconds. Throws
  /// Error(kDevice), Error(kMemory).
  VulkanPipeline of(const Dispatch& dispatch);
  /// Writes the file if pipelines have been made since it was read or written.
  void save() noexcept;

 private:
  using LayoutKey = std::pair<std::size_t, std::size_t>;  // buffers, bytes of push constants
  using Key =
      std::tuple<const std::uint32_t*, LayoutKey, std::uint32_t, std::vector<std::uint32_t>>;
  struct Layout {
    VulkanHandle<VkDescriptorSetLayout> set;
    VulkanHandle<VkPipelineLayout> layout;
  };
  const Layout& layout_of(const LayoutKey& key);
  VulkanHandle<VkPipeline> compile(const Dispatch& dispatch, const Layout& layout) const;
  void open_cache();

  const VulkanContext& context_;
  std::filesystem::path path_;  // empty: not kept
  VulkanHandle<VkPipelineCache> cache_;
  std::mutex mutex_;
  // All below is guarded by mutex_.
  std::map<LayoutKey, Layout> layouts_;
  std::map<Key, VulkanHandle<VkPipeline>> pipelines_;
  bool is_changed_ = false;
  std::uint64_t kept_hash_ = 0;  // of the driver's data in the file
};

/// Where they are kept by default: $XDG_CACHE_HOME/semblance/gpu, or under ~/.cache. Empty if there
/// is no such folder.
std::filesystem::path pipeline_folder();

}  // namespace semblance
