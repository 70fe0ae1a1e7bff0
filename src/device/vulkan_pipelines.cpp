#include "device/vulkan_pipelines.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/hash.h"
#include "memory/file.h"
#include "runtime/machine_facts.h"

namespace semblance {
namespace {

/// The file: this header, then the driver's data. Drivers trust their data, so it must be as it was
/// written.
struct Header {
  std::array<char, 8> magic{'s', 'e', 'm', 'b', 'l', 'g', 'p', '1'};
  std::uint64_t driver = 0;  // hash of the card and its driver's version
  std::uint64_t bytes = 0;   // of the data
  std::uint64_t hash = 0;    // of the data
};
constexpr std::uint64_t kMostFileBytes = std::uint64_t{256} << 20;

std::uint64_t hash_of(std::span<const std::byte> bytes) {
  Fnv1a hash;
  hash.add(bytes);
  return hash.value();
}

std::uint64_t driver_hash(const VulkanFacts& facts) {
  Fnv1a hash;
  for (const std::string* text : {&facts.name, &facts.uuid, &facts.driver, &facts.driver_version}) {
    hash.add(std::as_bytes(std::span(*text)));
    hash.add(text->size());
  }
  return hash.value();
}

/// The driver's data in the file; empty if there is none or it is damaged.
std::string read_cache(const std::filesystem::path& path, std::uint64_t driver) {
  std::string text;
  try {
    text = read_small_file(path, kMostFileBytes);
  } catch (const Error&) {
    return {};
  }
  Header header;
  if (text.size() < sizeof header) return {};
  std::memcpy(&header, text.data(), sizeof header);
  text.erase(0, sizeof header);
  const bool is_intact = header.magic == Header().magic && header.driver == driver &&
                         header.bytes == text.size() &&
                         header.hash == hash_of(std::as_bytes(std::span(text)));
  return is_intact ? text : std::string();
}

}  // namespace

std::filesystem::path pipeline_folder() {
  const std::filesystem::path path = machine_facts_path();
  return path.empty() ? path : path.parent_path() / "gpu";
}

VulkanPipelines::VulkanPipelines(const VulkanContext& context, const std::filesystem::path& folder)
    : context_(context) {
  if (!folder.empty())
    path_ = folder / fmt::format("pipelines-{:016x}", driver_hash(context.facts()));
  open_cache();
}

VulkanPipelines::~VulkanPipelines() { save(); }

void VulkanPipelines::open_cache() {
  const std::string data =
      path_.empty() ? std::string() : read_cache(path_, driver_hash(context_.facts()));
  kept_hash_ = hash_of(std::as_bytes(std::span(data)));
  VkPipelineCacheCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO;
  info.initialDataSize = data.size();
  info.pInitialData = data.data();
  cache_ = context_.create(context_.api().CreatePipelineCache, context_.api().DestroyPipelineCache,
                           info, "prepare the graphics card's programs");
}

void VulkanPipelines::save() noexcept {
  const std::lock_guard guard(mutex_);
  if (!is_changed_ || path_.empty() || context_.is_lost()) return;
  is_changed_ = false;
  try {
    const PFN_vkGetPipelineCacheData get = context_.api().GetPipelineCacheData;
    std::size_t bytes = 0;
    if (get(context_.device(), cache_.get(), &bytes, nullptr) != VK_SUCCESS) return;
    std::string data(bytes, '\0');
    if (get(context_.device(), cache_.get(), &bytes, data.data()) != VK_SUCCESS) return;
    data.resize(bytes);
    Header header;
    header.driver = driver_hash(context_.facts());
    header.bytes = data.size();
    header.hash = hash_of(std::as_bytes(std::span(data)));
    if (header.hash == kept_hash_) return;
    kept_hash_ = header.hash;
    std::filesystem::create_directories(path_.parent_path());
    OutputFile file(path_);
    file.write(std::as_bytes(std::span(&header, 1)));
    file.write(data);
    file.commit();
  } catch (const std::exception&) {
    // Compiled again next time.
  }
}

const VulkanPipelines::Layout& VulkanPipelines::layout_of(const LayoutKey& key) {
  const auto known = layouts_.find(key);
  if (known != layouts_.end()) return known->second;
  constexpr std::string_view kDoing = "prepare the graphics card's programs";
  const auto [buffers, push_bytes] = key;
  std::vector<VkDescriptorSetLayoutBinding> bindings(buffers);
  for (std::size_t i = 0; i < buffers; ++i) {
    bindings[i].binding = static_cast<std::uint32_t>(i);
    bindings[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    bindings[i].descriptorCount = 1;
    bindings[i].stageFlags = VK_SHADER_STAGE_COMPUTE_BIT;
  }
  VkDescriptorSetLayoutCreateInfo set_info{};
  set_info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
  set_info.flags = VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR;
  set_info.bindingCount = static_cast<std::uint32_t>(bindings.size());
  set_info.pBindings = bindings.data();
  Layout layout;
  const VulkanApi& api = context_.api();
  layout.set = context_.create(api.CreateDescriptorSetLayout, api.DestroyDescriptorSetLayout,
                               set_info, kDoing);
  const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                  static_cast<std::uint32_t>(push_bytes)};
  const VkDescriptorSetLayout set = layout.set.get();
  VkPipelineLayoutCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
  info.setLayoutCount = 1;
  info.pSetLayouts = &set;
  info.pushConstantRangeCount = push_bytes > 0 ? 1 : 0;
  info.pPushConstantRanges = &range;
  layout.layout =
      context_.create(api.CreatePipelineLayout, api.DestroyPipelineLayout, info, kDoing);
  return layouts_.emplace(key, std::move(layout)).first->second;
}

VulkanHandle<VkPipeline> VulkanPipelines::compile(const Dispatch& dispatch,
                                                  const Layout& layout) const {
  const VulkanApi& api = context_.api();
  const std::string doing =
      fmt::format("compile the shader {} for the graphics card", dispatch.shader->name);
  VkShaderModuleCreateInfo module_info{};
  module_info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  module_info.codeSize = dispatch.shader->words.size_bytes();
  module_info.pCode = dispatch.shader->words.data();
  const auto module =
      context_.create(api.CreateShaderModule, api.DestroyShaderModule, module_info, doing);

  std::vector<VkSpecializationMapEntry> entries;
  for (std::uint32_t i = 0; i < dispatch.constants.size(); ++i)
    entries.push_back({i, i * 4, sizeof(std::uint32_t)});
  const VkSpecializationInfo constants{static_cast<std::uint32_t>(entries.size()), entries.data(),
                                       dispatch.constants.size() * sizeof(std::uint32_t),
                                       dispatch.constants.data()};
  VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup{};
  subgroup.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO;
  subgroup.requiredSubgroupSize = dispatch.subgroup_size;

  VkComputePipelineCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  info.layout = layout.layout.get();
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module.get();
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &constants;
  if (dispatch.subgroup_size > 0) {
    info.stage.pNext = &subgroup;
    info.stage.flags = VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT;
  }
  VkPipeline pipeline = VK_NULL_HANDLE;
  context_.check(
      api.CreateComputePipelines(context_.device(), cache_.get(), 1, &info, nullptr, &pipeline),
      doing);
  return {pipeline, context_.device(), api.DestroyPipeline};
}

VulkanPipeline VulkanPipelines::of(const Dispatch& dispatch) {
  const std::lock_guard guard(mutex_);
  const LayoutKey layout_key{dispatch.buffers.size(), dispatch.push.size() * sizeof(std::uint32_t)};
  const Layout& layout = layout_of(layout_key);
  Key key{dispatch.shader->words.data(), layout_key, dispatch.subgroup_size, dispatch.constants};
  auto known = pipelines_.find(key);
  if (known == pipelines_.end()) {
    known = pipelines_.emplace(std::move(key), compile(dispatch, layout)).first;
    is_changed_ = true;
  }
  return {known->second.get(), layout.layout.get()};
}

}  // namespace semblance
