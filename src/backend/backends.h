// The available backends.
#pragma once

#include <memory>
#include <string_view>

#include "runtime/backend.h"

namespace semblance {

class VulkanDevice;

/// Plain loops: slow and obvious. Every other backend is tested against it.
const Backend& reference_backend();
/// oneDNN and Highway kernels; the reference's as a fallback.
const Backend& cpu_backend();

/// The shaders of backend/vulkan on a graphics card; "vulkan" for backend_by_name() once it is
/// added. Computes models in f16 where the card can store it. The device must outlive it.
std::unique_ptr<const Backend> vulkan_backend(const VulkanDevice& device);

/// "ref", "cpu", a graphics card's name as choose_card() takes it ("gpu", "gpu:1"), or one that was
/// added. Throws Error(kArgument) with the names otherwise, and what choose_card() throws. The only
/// place where a run's backend is chosen. Thread-safe.
const Backend& backend_by_name(std::string_view name);
/// Registers another backend by its name: a chosen graphics card's, and those of tests. It must
/// outlive all use. Not thread-safe.
void add_backend(const Backend& backend);

/// Whether this processor multiplies bf16 natively (AVX-512 BF16 or AMX).
bool has_native_bf16();

}  // namespace semblance
