// Classifier-free guidance (Ho and Salimans 2022) and its rescaling (Lin et al. 2023, section 3.4).
#pragma once

#include <span>

namespace semblance {

/// dst = uncond + guidance * (cond - uncond). dst may be either source.
void guide(std::span<const float> uncond, std::span<const float> cond, float guidance,
           std::span<float> dst);

/// Perturbed attention guidance (Ahn et al. 2024): guided += scale * (cond - perturbed). `guided`
/// may be `cond`.
void guide_from_perturbed(std::span<const float> cond, std::span<const float> perturbed,
                          float scale, std::span<float> guided);

/// diffusers' rescale_noise_cfg, in place: guidance increases the standard deviation (over all
/// channels and pixels of one picture), so blend `guided` with a copy scaled to the deviation of
/// `cond`. `share` is the copy's weight; 0 changes nothing. Sums are in double. A `guided` without
/// deviation is left unchanged.
void rescale_guided(std::span<const float> cond, float share, std::span<float> guided);

}  // namespace semblance
