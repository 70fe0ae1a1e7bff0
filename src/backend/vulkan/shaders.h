// The compiled shaders of shaders/variants.txt, which are part of the program.
#pragma once

#include <span>
#include <string_view>

#include "device/vulkan_kernel.h"

namespace semblance::vulkan {

std::span<const Shader> shaders();
/// Throws Error(kInternal) if there is none.
const Shader& shader(std::string_view name);

}  // namespace semblance::vulkan
