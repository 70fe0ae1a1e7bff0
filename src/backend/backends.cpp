#include "backend/backends.h"

#include <vector>

#include "backend/cpu/cpu.h"
#include "backend/cpu/onednn.h"
#include "backend/ref/ref.h"
#include "backend/vulkan/vulkan.h"
#include "device/vulkan_device.h"
#include "runtime/host_device.h"

namespace semblance {
namespace {

class TableBackend : public Backend {
 public:
  TableBackend(std::string_view name, std::vector<KernelEntry> table)
      : name_(name), table_(std::move(table)) {}
  std::string_view name() const override { return name_; }
  const Device& device() const override { return host_device(); }
  std::optional<DType> half() const override {
    return has_native_bf16() ? std::optional(DType::kBF16) : std::nullopt;
  }
  std::span<const KernelEntry> kernels() const override { return table_; }

 private:
  std::string_view name_;
  std::vector<KernelEntry> table_;
};

std::vector<KernelEntry> joined(std::span<const KernelEntry> first,
                                std::span<const KernelEntry> last) {
  std::vector<KernelEntry> table(first.begin(), first.end());
  table.insert(table.end(), last.begin(), last.end());
  return table;
}

}  // namespace

const Backend& cpu_backend() {
  static const TableBackend backend("cpu", joined(cpu::kernels(), reference_kernels()));
  return backend;
}

namespace {

class VulkanBackend : public Backend {
 public:
  explicit VulkanBackend(const VulkanDevice& device) : device_(device) {}
  std::string_view name() const override { return "vulkan"; }
  const Device& device() const override { return device_; }
  std::optional<DType> half() const override {
    return device_.facts().has_16_bit_storage ? std::optional(DType::kF16) : std::nullopt;
  }
  std::span<const KernelEntry> kernels() const override { return vulkan::kernels(); }

 private:
  const VulkanDevice& device_;
};

}  // namespace

std::unique_ptr<const Backend> vulkan_backend(const VulkanDevice& device) {
  return std::make_unique<VulkanBackend>(device);
}

namespace {

std::vector<const Backend*>& known_backends() {
  static std::vector<const Backend*> backends{&cpu_backend(), &reference_backend()};
  return backends;
}

}  // namespace

void add_backend(const Backend& backend) { known_backends().push_back(&backend); }

const Backend& backend_by_name(std::string_view name) {
  for (const Backend* backend : known_backends()) {
    if (backend->name() == name) return *backend;
  }
  if (name == "vulkan") {
    fail(ErrorKind::kArgument,
         "backend vulkan computes on a graphics card, and none has been chosen");
  }
  fail(ErrorKind::kArgument, "unknown backend \"{}\": expected cpu or ref", name);
}

bool has_native_bf16() { return onednn::multiplies_bf16(); }

}  // namespace semblance
