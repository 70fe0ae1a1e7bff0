// Replaces every Vulkan function that can fail by one that fails on demand, and counts what is
// created and destroyed.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "device/vulkan_api.h"

namespace semblance::testing {

struct VulkanFaults {
  static constexpr std::uint64_t kNever = 0;

  std::uint64_t calls = 0;                    // of functions that can fail, since reset()
  std::uint64_t fail_at = kNever;             // the call that fails, from 1
  VkResult failure = VK_SUCCESS;              // with this
  bool stays_lost = false;                    // every later call fails, too
  std::string failed;                         // the function that failed
  std::map<std::string, std::int64_t> alive;  // objects, by the function that made them

  static VulkanFaults& get() {
    static VulkanFaults faults;
    return faults;
  }
  void reset() { *this = {}; }
  /// Objects that were created and not destroyed.
  std::string leaks() const {
    std::string text;
    for (const auto& [name, count] : alive) {
      if (count != 0) text += name + ": " + std::to_string(count) + "\n";
    }
    return text;
  }
  bool fails_now(const char* name) {
    ++calls;
    const bool now = fail_at != kNever && (calls == fail_at || (stays_lost && calls > fail_at));
    if (now && failed.empty()) failed = name;
    return now;
  }
};

/// What destroys what Create... or Allocate... made.
inline std::string maker_of(const std::string& name) {
  if (name == "FreeMemory") return "AllocateMemory";
  return name.starts_with("Destroy") ? "Create" + name.substr(7) : "";
}

template <auto VulkanApi::*kMember, typename Function>
struct Counting;

template <auto VulkanApi::*kMember, typename Result, typename... Args>
struct Counting<kMember, Result(VKAPI_PTR*)(Args...)> {
  using Function = Result(VKAPI_PTR*)(Args...);
  static inline Function real = nullptr;
  static inline const char* name = "";

  static VKAPI_ATTR Result VKAPI_CALL call(Args... args) {
    VulkanFaults& faults = VulkanFaults::get();
    if constexpr (std::is_same_v<Result, VkResult>) {
      if (faults.fails_now(name)) {
        // A card that is really lost has nothing under way.
        if (std::string_view(name) == "DeviceWaitIdle") real(args...);
        return faults.failure;
      }
      const VkResult result = real(args...);
      // vkAllocateCommandBuffers' are freed with their pool.
      if (result == VK_SUCCESS && (std::string_view(name).starts_with("Create") ||
                                   std::string_view(name) == "AllocateMemory"))
        ++faults.alive[name];
      return result;
    } else {
      const std::string maker = maker_of(name);
      if (!maker.empty())
        --faults.alive[maker == "CreatePipeline" ? "CreateComputePipelines" : maker];
      return real(args...);
    }
  }
};

template <auto VulkanApi::*kMember>
void count(VulkanApi& api, const char* name) {
  using Function = std::remove_reference_t<decltype(api.*kMember)>;
  using Wrapper = Counting<kMember, Function>;
  if (api.*kMember == nullptr || api.*kMember == &Wrapper::call) return;
  Wrapper::real = api.*kMember;
  Wrapper::name = name;
  api.*kMember = &Wrapper::call;
}

/// A VulkanHook.
inline void count_calls(VulkanApi& api) {
#define SEMBLANCE_COUNT(name) count<&VulkanApi::name>(api, #name);
  SEMBLANCE_VULKAN_LOADER_FUNCTIONS(SEMBLANCE_COUNT)
  SEMBLANCE_VULKAN_FUNCTIONS(SEMBLANCE_COUNT)
#undef SEMBLANCE_COUNT
}

}  // namespace semblance::testing
