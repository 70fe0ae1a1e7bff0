#include "device/vulkan_instance.h"

#include <algorithm>

namespace semblance {

VulkanInstance::VulkanInstance(VulkanHook hook) : loader_(std::move(hook)) {
  VkApplicationInfo application{};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.pApplicationName = "semblance";
  application.apiVersion = VK_API_VERSION_1_3;
  VkInstanceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  info.pApplicationInfo = &application;
  check_vulkan(loader_.api().CreateInstance(&info, nullptr, &instance_), "start Vulkan");
  api_ = loader_.api_of(instance_);
}

VulkanInstance::~VulkanInstance() { api_.DestroyInstance(instance_, nullptr); }

std::vector<VkPhysicalDevice> VulkanInstance::cards() const {
  constexpr std::string_view kDoing = "list the graphics cards";
  std::uint32_t count = 0;
  check_vulkan(api_.EnumeratePhysicalDevices(instance_, &count, nullptr), kDoing);
  std::vector<VkPhysicalDevice> cards(count);
  check_vulkan(api_.EnumeratePhysicalDevices(instance_, &count, cards.data()), kDoing);
  cards.resize(count);
  return cards;
}

std::vector<VkExtensionProperties> VulkanInstance::extensions(VkPhysicalDevice card) const {
  constexpr std::string_view kDoing = "list the abilities of a graphics card";
  std::uint32_t count = 0;
  check_vulkan(api_.EnumerateDeviceExtensionProperties(card, nullptr, &count, nullptr), kDoing);
  std::vector<VkExtensionProperties> found(count);
  check_vulkan(api_.EnumerateDeviceExtensionProperties(card, nullptr, &count, found.data()),
               kDoing);
  found.resize(count);
  return found;
}

bool has_extension(const std::vector<VkExtensionProperties>& extensions, std::string_view name) {
  return std::any_of(extensions.begin(), extensions.end(),
                     [&](const auto& one) { return name == one.extensionName; });
}

}  // namespace semblance
