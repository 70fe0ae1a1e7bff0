// Functions that make the samplers, for the table in sampler.cpp. Each file describes its sampler.
#pragma once

#include <memory>

#include "sampling/sampler.h"

namespace semblance {

std::unique_ptr<Sampler> make_euler(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_euler_ancestral(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_heun(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_kdpm2(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_lms(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_dpmpp_sde(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_dpmpp_2m(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_dpmpp_3m(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_dpmpp_2m_sde(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_dpmpp_3m_sde(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_dpmpp_2s(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_deis(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_unipc(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_ddim(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_pndm(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_lcm(const SamplerSettings& settings);
std::unique_ptr<Sampler> make_tcd(const SamplerSettings& settings);

}  // namespace semblance
