#include "device/vulkan_facts.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "core/json.h"
#include "planner/plan.h"

namespace semblance {
namespace {

constexpr std::array<std::string_view, 5> kTypeNames{"discrete", "integrated", "virtual",
                                                     "software", "other"};

template <typename T>
struct Field {
  std::string_view name;
  T VulkanFacts::*member;
};
constexpr std::array kTexts{
    Field<std::string>{"name", &VulkanFacts::name},
    Field<std::string>{"driver", &VulkanFacts::driver},
    Field<std::string>{"driver_version", &VulkanFacts::driver_version},
    Field<std::string>{"uuid", &VulkanFacts::uuid},
};
constexpr std::array kNumbers{
    Field<std::uint32_t>{"api_major", &VulkanFacts::api_major},
    Field<std::uint32_t>{"api_minor", &VulkanFacts::api_minor},
    Field<std::uint32_t>{"vendor_id", &VulkanFacts::vendor_id},
    Field<std::uint32_t>{"device_id", &VulkanFacts::device_id},
    Field<std::uint32_t>{"most_group_size", &VulkanFacts::most_group_size},
    Field<std::uint32_t>{"shared_bytes", &VulkanFacts::shared_bytes},
    Field<std::uint32_t>{"subgroup_size", &VulkanFacts::subgroup_size},
};
constexpr std::array kAmounts{
    Field<std::uint64_t>{"memory_bytes", &VulkanFacts::memory_bytes},
    Field<std::uint64_t>{"largest_block_bytes", &VulkanFacts::largest_block_bytes},
    Field<std::uint64_t>{"largest_binding_bytes", &VulkanFacts::largest_binding_bytes},
    Field<std::uint64_t>{"place_alignment", &VulkanFacts::place_alignment},
};
constexpr std::array kAbilities{
    Field<bool>{"has_f16", &VulkanFacts::has_f16},
    Field<bool>{"has_16_bit_storage", &VulkanFacts::has_16_bit_storage},
    Field<bool>{"has_subgroup_arithmetic", &VulkanFacts::has_subgroup_arithmetic},
    Field<bool>{"has_one_subgroup_size", &VulkanFacts::has_one_subgroup_size},
    Field<bool>{"has_flexible_matrices", &VulkanFacts::has_flexible_matrices},
    Field<bool>{"has_push_descriptors", &VulkanFacts::has_push_descriptors},
    Field<bool>{"has_timeline_semaphores", &VulkanFacts::has_timeline_semaphores},
    Field<bool>{"has_memory_budget", &VulkanFacts::has_memory_budget},
};

constexpr IntRange kUint32{0, std::numeric_limits<std::uint32_t>::max()};
constexpr IntRange kUint63{0, std::numeric_limits<std::int64_t>::max()};

DType matrix_dtype(const Json& json, std::string_view key) {
  const std::string text = json.get_string(key);
  if (text == "f16") return DType::kF16;
  if (text == "f32") return DType::kF32;
  json.refuse(key, "f16 or f32");
}

}  // namespace

std::string_view name_of(CardType type) { return kTypeNames.at(static_cast<std::size_t>(type)); }

nlohmann::ordered_json to_json(const VulkanFacts& facts) {
  nlohmann::ordered_json json;
  for (const auto& [name, member] : kTexts) json[std::string(name)] = facts.*member;
  json["type"] = name_of(facts.type);
  for (const auto& [name, member] : kNumbers) json[std::string(name)] = facts.*member;
  for (const auto& [name, member] : kAmounts) json[std::string(name)] = facts.*member;
  json["most_groups"] = facts.most_groups;
  for (const auto& [name, member] : kAbilities) json[std::string(name)] = facts.*member;
  json["subgroup_sizes"] = facts.subgroup_sizes;
  json["matrices"] = nlohmann::ordered_json::array();
  for (const MatrixShape& shape : facts.matrices) {
    json["matrices"].push_back({{"m", shape.m},
                                {"n", shape.n},
                                {"k", shape.k},
                                {"factors", name_of(shape.factors)},
                                {"sums", name_of(shape.sums)}});
  }
  return json;
}

VulkanFacts facts_from_json(const Json& json) {
  VulkanFacts facts;
  for (const auto& [name, member] : kTexts) facts.*member = json.get_string(name);
  const std::string type = json.get_string("type");
  const auto* const found = std::find(kTypeNames.begin(), kTypeNames.end(), type);
  if (found == kTypeNames.end()) json.refuse("type", "a type of card");
  facts.type = static_cast<CardType>(found - kTypeNames.begin());
  for (const auto& [name, member] : kNumbers)
    facts.*member = static_cast<std::uint32_t>(json.get_int(name, {}, kUint32));
  for (const auto& [name, member] : kAmounts)
    facts.*member = static_cast<std::uint64_t>(json.get_int(name, {}, kUint63));
  const auto groups = json.get_int_list("most_groups", {}, kUint32);
  if (groups.size() != facts.most_groups.size()) json.refuse("most_groups", "three numbers");
  for (std::size_t i = 0; i < groups.size(); ++i)
    facts.most_groups[i] = static_cast<std::uint32_t>(groups[i]);
  for (const auto& [name, member] : kAbilities) facts.*member = json.get_bool(name);
  for (const std::int64_t size : json.get_int_list("subgroup_sizes", {}, kUint32))
    facts.subgroup_sizes.push_back(static_cast<std::uint32_t>(size));
  for (const Json& shape : json.child("matrices").items()) {
    const auto size = [&](std::string_view key) {
      return static_cast<std::uint32_t>(shape.get_int(key, {}, kUint32));
    };
    facts.matrices.push_back({size("m"), size("n"), size("k"), matrix_dtype(shape, "factors"),
                              matrix_dtype(shape, "sums")});
  }
  return facts;
}

std::string why_unusable(const VulkanFacts& facts) {
  if (facts.api_major < 1 || (facts.api_major == 1 && facts.api_minor < 2)) {
    return fmt::format("its driver speaks Vulkan {}.{}, and 1.2 is needed: update the driver",
                       facts.api_major, facts.api_minor);
  }
  if (!facts.has_timeline_semaphores)
    return "its driver has no timeline semaphores: update the driver";
  if (!facts.has_push_descriptors)
    return "its driver has no VK_KHR_push_descriptor: update the driver";
  if (facts.place_alignment > kPlaceAlignment) {
    return fmt::format("it needs buffers aligned to {} bytes, more than the {} of our plans",
                       facts.place_alignment, kPlaceAlignment);
  }
  return {};
}

}  // namespace semblance
