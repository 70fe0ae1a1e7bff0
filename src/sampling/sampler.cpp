#include "sampling/sampler.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/ascii.h"
#include "core/error.h"
#include "sampling/euler.h"

namespace semblance {
namespace {

constexpr std::array<std::string_view, 2> kEulerAliases{"k_euler", "euler_discrete"};

constexpr std::array kSamplers{
    SamplerRow{"euler", "Euler", "EulerDiscreteScheduler", kEulerAliases, make_euler},
};

std::string plain(std::string_view name) {
  std::string text = lower(name);
  std::erase_if(text, [](char c) { return c == ' ' || c == '_' || c == '-'; });
  return text;
}

}  // namespace

std::span<const SamplerRow> samplers() { return kSamplers; }

const SamplerRow& default_sampler() { return kSamplers.front(); }

const SamplerRow* find_sampler(std::string_view name) {
  const std::string wanted = plain(name);
  const auto is_wanted = [&](std::string_view known) { return plain(known) == wanted; };
  const auto found = std::ranges::find_if(kSamplers, [&](const SamplerRow& row) {
    return is_wanted(row.name) || is_wanted(row.title) || is_wanted(row.diffusers_class) ||
           std::ranges::any_of(row.aliases, is_wanted);
  });
  return found == kSamplers.end() ? nullptr : &*found;
}

std::string sampler_titles() {
  std::string titles;
  for (const SamplerRow& row : kSamplers)
    titles.append(titles.empty() ? "" : ", ").append(row.title);
  return titles;
}

void guide(std::span<const float> uncond, std::span<const float> cond, float guidance,
           std::span<float> dst) {
  SEMBLANCE_ASSERT(uncond.size() == dst.size() && cond.size() == dst.size());
  for (std::size_t i = 0; i < dst.size(); ++i)
    dst[i] = uncond[i] + guidance * (cond[i] - uncond[i]);
}

}  // namespace semblance
