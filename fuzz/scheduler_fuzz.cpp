// links: semblance_sampling
// Any bytes as a scheduler_config.json: every sampler either makes finite steps or throws an Error.
#include <cmath>
#include <cstdlib>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "sampling/sampler.h"

namespace {

using namespace semblance;

void run(const SamplerRow& row, const SchedulerConfig& config) {
  const auto sampler = make_sampler(row, config, 5);
  std::vector<float> latent{0.5F * sampler->init_noise_sigma()};
  std::vector<float> kept(static_cast<std::size_t>(sampler->kept_latents()));
  const std::vector<float> noise{-0.3F};
  for (int i = 0; i < sampler->evaluations(); ++i) {
    std::vector<float> scaled = latent;
    sampler->scale_model_input(i, scaled);
    const std::vector<float> output{0.1F};
    sampler->step(
        {.evaluation = i, .output = output, .noise = noise, .latent = latent, .kept = kept});
    sampler->predict(i, scaled, output, scaled);
  }
  if (std::isnan(latent[0])) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto attempt = [](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kInternal) std::abort();
    }
  };
  attempt([&] {
    const SchedulerConfig config =
        SchedulerConfig::read(Json::parse("fuzz", {reinterpret_cast<const char*>(data), size}));
    if (config.train_timesteps > 2000) return;  // only slower
    for (const SamplerRow& row : samplers()) attempt([&] { run(row, config); });
  });
  return 0;
}
