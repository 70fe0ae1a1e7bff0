// The names for how a picture is sampled: samplers, curves of noise levels, spacings, predictions
// and sources of noise. Flags, JSON and saved runs use them; pipeline/picture_sampler.h turns them
// into a sampler.
#pragma once

#include "pipeline/parameter.h"
#include "sampling/noise_source.h"

namespace semblance {

namespace choices {

std::vector<ChoiceName> all_samplers();
std::optional<std::string> find_sampler_name(std::string_view text);
std::vector<ChoiceName> all_curves();
std::optional<std::string> find_curve_name(std::string_view text);
std::vector<ChoiceName> all_spacings();
std::optional<std::string> find_spacing_name(std::string_view text);
std::vector<ChoiceName> all_predictions();
std::optional<std::string> find_prediction_name(std::string_view text);
std::vector<ChoiceName> all_noises();
std::optional<std::string> find_noise_name(std::string_view text);
std::string noises_on_gpus();

inline constexpr ChoiceList kSamplers{.all = all_samplers, .find = find_sampler_name};
inline constexpr ChoiceList kCurves{.all = all_curves, .find = find_curve_name};
inline constexpr ChoiceList kSpacings{.all = all_spacings, .find = find_spacing_name};
inline constexpr ChoiceList kPredictions{.all = all_predictions, .find = find_prediction_name};
/// A source, and for those on a GPU optionally a colon and the GPU: "cuda:t4".
inline constexpr ChoiceList kNoises{
    .all = all_noises, .find = find_noise_name, .others = noises_on_gpus};

}  // namespace choices

/// The meaning of a checked choice.
const SamplerRow& sampler_of(const Choice& choice);
const CurveRow& curve_of(const Choice& choice);
Spacing spacing_of(const Choice& choice);
Prediction prediction_of(const Choice& choice);
/// The style and the device; seed and pictures are left open.
NoiseOptions noise_of(const Choice& choice);

}  // namespace semblance
