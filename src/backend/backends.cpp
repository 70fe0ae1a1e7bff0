#include "backend/backends.h"

#include <map>
#include <mutex>
#include <vector>

#include "backend/cpu/cpu.h"
#include "backend/cpu/onednn.h"
#include "backend/ref/ref.h"
#include "backend/vulkan/vulkan.h"
#include "device/cards.h"
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

/// Opened by name. Never destroyed: drivers do not survive calls while the program ends.
struct NamedCard {
  explicit NamedCard(const Card& card) : device(card.facts), backend(device) {}
  VulkanDevice device;
  VulkanBackend backend;
};

const Backend& card_backend(std::string_view name) {
  static std::mutex mutex;
  static auto& cards = *new std::map<std::string, std::unique_ptr<NamedCard>, std::less<>>;
  const std::lock_guard guard(mutex);
  auto known = cards.find(name);
  if (known == cards.end()) {
    auto card = std::make_unique<NamedCard>(choose_card(find_cards(), name));
    known = cards.emplace(std::string(name), std::move(card)).first;
  }
  return known->second->backend;
}

}  // namespace

void add_backend(const Backend& backend) { known_backends().push_back(&backend); }

const Backend& backend_by_name(std::string_view name) {
  for (const Backend* backend : known_backends()) {
    if (backend->name() == name) return *backend;
  }
  if (names_card(name)) return card_backend(name);
  if (name == "vulkan") {
    fail(ErrorKind::kArgument,
         "backend vulkan computes on a graphics card, and none has been chosen");
  }
  fail(ErrorKind::kArgument, "unknown backend \"{}\": expected cpu, ref or gpu", name);
}

bool has_native_bf16() { return onednn::multiplies_bf16(); }

}  // namespace semblance
