#include "device/vulkan_api.h"

#include <dlfcn.h>

#include "core/error.h"

namespace semblance {
namespace {

constexpr const char* kLoader = "libvulkan.so.1";

/// Not under mappings_mutex(): another thread may have held it when this process was forked to
/// read facts.
void* open_loader() {
  void* const library = dlopen(kLoader, RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  const char* const why = dlerror();
  fail(ErrorKind::kMissing,
       "cannot use a graphics card: {}\n  install the Vulkan loader (Debian's package libvulkan1) "
       "and the card's driver",
       why != nullptr ? why : kLoader);
}

}  // namespace

VulkanLoader::VulkanLoader(VulkanHook hook) : hook_(std::move(hook)) {
  find_ =
      reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(open_loader(), "vkGetInstanceProcAddr"));
  if (find_ != nullptr) {
#define SEMBLANCE_FIND(name) \
  api_.name = reinterpret_cast<PFN_vk##name>(find_(VK_NULL_HANDLE, "vk" #name));
    SEMBLANCE_VULKAN_LOADER_FUNCTIONS(SEMBLANCE_FIND)
#undef SEMBLANCE_FIND
  }
  if (api_.CreateInstance == nullptr || api_.EnumerateInstanceVersion == nullptr) {
    fail(ErrorKind::kDevice,
         "cannot use a graphics card: {} is older than Vulkan 1.1\n  install a newer one", kLoader);
  }
  if (hook_) hook_(api_);
}

VulkanApi VulkanLoader::api_of(VkInstance instance) const {
  VulkanApi api = api_;
#define SEMBLANCE_FIND(name) api.name = reinterpret_cast<PFN_vk##name>(find_(instance, "vk" #name));
  SEMBLANCE_VULKAN_FUNCTIONS(SEMBLANCE_FIND)
#undef SEMBLANCE_FIND
  if (hook_) hook_(api);
  return api;
}

std::string_view name_of(VkResult result) {
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
      return "the driver is out of main memory";
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTATION:
      return "the card is out of memory";
    case VK_ERROR_DEVICE_LOST:
      return "the card or its driver stopped working";
    case VK_ERROR_INITIALIZATION_FAILED:
      return "the driver could not start";
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return "no driver for a graphics card was found";
    case VK_ERROR_LAYER_NOT_PRESENT:
      return "a Vulkan layer is missing";
    case VK_ERROR_EXTENSION_NOT_PRESENT:
      return "the driver lacks an extension";
    case VK_ERROR_FEATURE_NOT_PRESENT:
      return "the card lacks a feature";
    case VK_ERROR_TOO_MANY_OBJECTS:
      return "too many allocations";
    case VK_ERROR_MEMORY_MAP_FAILED:
      return "memory of the card could not be mapped";
    case VK_TIMEOUT:
      return "the card did not answer in time";
    default:
      return "an unexpected error of the driver";
  }
}

void check_vulkan(VkResult result, std::string_view doing) {
  if (result >= 0) return;
  const int code = result;
  switch (result) {
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTATION:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_MEMORY_MAP_FAILED:
      fail(ErrorKind::kMemory,
           "cannot {}: {} (VkResult {})\n  close other programs that use the card, or give "
           "--gpu-memory less",
           doing, name_of(result), code);
    case VK_ERROR_DEVICE_LOST:
      fail(ErrorKind::kDevice,
           "cannot {}: {} (VkResult {})\n  run it again, with --resume if you saved its state; "
           "--device cpu goes on without the card",
           doing, name_of(result), code);
    default:
      fail(ErrorKind::kDevice,
           "cannot {}: {} (VkResult {})\n  update the card's driver, or use --device cpu", doing,
           name_of(result), code);
  }
}

}  // namespace semblance
