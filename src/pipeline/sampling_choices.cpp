#include "pipeline/sampling_choices.h"

#include <algorithm>
#include <array>

#include "core/ascii.h"
#include "core/error.h"
#include "sampling/cuda_noise.h"

namespace semblance {
namespace {

template <typename T>
struct Named {
  std::string_view name;
  T value;
};

constexpr std::array kSpacingNames{Named<Spacing>{"leading", Spacing::kLeading},
                                   Named<Spacing>{"trailing", Spacing::kTrailing},
                                   Named<Spacing>{"linspace", Spacing::kLinspace}};
constexpr std::array kPredictionNames{Named<Prediction>{"epsilon", Prediction::kEpsilon},
                                      Named<Prediction>{"v", Prediction::kV}};

struct NoiseKind {
  NoiseStyle style;
  bool is_cuda;
};
constexpr std::array kNoiseNames{
    Named<NoiseKind>{"cpu", {NoiseStyle::kDiffusers, false}},
    Named<NoiseKind>{"cuda", {NoiseStyle::kDiffusers, true}},
    Named<NoiseKind>{"a1111-gpu", {NoiseStyle::kWebUi, true}},
    Named<NoiseKind>{"a1111-cpu", {NoiseStyle::kWebUi, false}},
    Named<NoiseKind>{"comfy", {NoiseStyle::kComfyUi, true}},
    Named<NoiseKind>{"comfy-cpu", {NoiseStyle::kComfyUi, false}},
};

template <typename T, std::size_t kCount>
const T* find_in(const std::array<Named<T>, kCount>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name, &Named<T>::name);
  return found == names.end() ? nullptr : &found->value;
}

template <typename T, std::size_t kCount>
std::vector<ChoiceName> all_of(const std::array<Named<T>, kCount>& names) {
  std::vector<ChoiceName> all;
  all.reserve(kCount);
  for (const auto& each : names) all.push_back({each.name, each.name});
  return all;
}

template <typename T, std::size_t kCount>
std::optional<std::string> name_in(const std::array<Named<T>, kCount>& names,
                                   std::string_view text) {
  std::string name = lower(text);
  if (find_in(names, name) == nullptr) return std::nullopt;
  return name;
}

template <typename Row>
std::vector<ChoiceName> all_of(std::span<const Row> rows) {
  std::vector<ChoiceName> all;
  for (const Row& row : rows) all.push_back({row.name, row.title});
  return all;
}

template <typename Row>
std::optional<std::string> name_of_row(const Row* row) {
  if (row == nullptr) return std::nullopt;
  return std::string(row->name);
}

/// "RTX 3090" as "rtx_3090", which needs no quotes in a shell.
std::string gpu_word(const GpuRow& gpu) {
  std::string word = lower(gpu.name);
  std::ranges::replace(word, ' ', '_');
  return word;
}

struct Noise {
  const Named<NoiseKind>* named;
  const GpuRow* gpu;
};

std::optional<Noise> find_noise(std::string_view text) {
  const std::size_t colon = text.find(':');
  std::string name = lower(text.substr(0, colon));
  if (name == "torch") name = kNoiseNames.front().name;
  const auto found = std::ranges::find(kNoiseNames, name, &Named<NoiseKind>::name);
  if (found == kNoiseNames.end()) return std::nullopt;
  if (colon == std::string_view::npos) return Noise{&*found, nullptr};
  const GpuRow* gpu = find_gpu(text.substr(colon + 1));
  if (gpu == nullptr || !found->value.is_cuda) return std::nullopt;
  return Noise{&*found, gpu};
}

}  // namespace

namespace choices {

std::vector<ChoiceName> all_samplers() { return all_of(samplers()); }
std::optional<std::string> find_sampler_name(std::string_view text) {
  return name_of_row(find_sampler(text));
}

std::vector<ChoiceName> all_curves() { return all_of(curves()); }
std::optional<std::string> find_curve_name(std::string_view text) {
  return name_of_row(find_curve(text));
}

std::vector<ChoiceName> all_spacings() { return all_of(kSpacingNames); }
std::optional<std::string> find_spacing_name(std::string_view text) {
  return name_in(kSpacingNames, text);
}

std::vector<ChoiceName> all_predictions() { return all_of(kPredictionNames); }
std::optional<std::string> find_prediction_name(std::string_view text) {
  return name_in(kPredictionNames, text);
}

std::vector<ChoiceName> all_noises() { return all_of(kNoiseNames); }
std::optional<std::string> find_noise_name(std::string_view text) {
  const auto noise = find_noise(text);
  if (!noise) return std::nullopt;
  std::string name(noise->named->name);
  if (noise->gpu != nullptr) name += ':' + gpu_word(*noise->gpu);
  return name;
}
std::string noises_on_gpus() {
  std::string words;
  for (const GpuRow& gpu : gpus()) words.append(words.empty() ? "" : ", ").append(gpu_word(gpu));
  return "or cuda:GPU, a1111-gpu:GPU or comfy:GPU with one of " + words;
}

}  // namespace choices

namespace {

template <typename T>
const T& known(const T* found) {
  SEMBLANCE_ASSERT(found != nullptr);
  return *found;
}

}  // namespace

const SamplerRow& sampler_of(const Choice& choice) { return known(find_sampler(choice.name)); }

const CurveRow& curve_of(const Choice& choice) { return known(find_curve(choice.name)); }

Spacing spacing_of(const Choice& choice) {
  return known(find_in(kSpacingNames, lower(choice.name)));
}

Prediction prediction_of(const Choice& choice) {
  return known(find_in(kPredictionNames, lower(choice.name)));
}

NoiseOptions noise_of(const Choice& choice) {
  const auto noise = find_noise(choice.name);
  SEMBLANCE_ASSERT(noise.has_value());
  const NoiseKind& kind = noise->named->value;
  NoiseOptions options{.style = kind.style, .is_cuda = kind.is_cuda};
  if (noise->gpu != nullptr) options.cuda_threads = noise->gpu->threads();
  return options;
}

}  // namespace semblance
