#include "pipeline/pipeline.h"

#include <fstream>

#include "backend/backends.h"
#include "core/error.h"
#include "pipeline/conditions.h"
#include "pipeline/decoder.h"
#include "pipeline/denoiser.h"
#include "sampling/euler.h"
#include "sampling/noise.h"

namespace semblance {
namespace {

constexpr std::uint64_t kResidentShare = 4;  // of the available memory, one part

std::uint64_t available_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key;
  std::uint64_t kib = 0;
  std::string unit;
  while (meminfo >> key >> kib >> unit) {
    if (key == "MemAvailable:") return kib * 1024;
  }
  return 0;
}

Precision resolve(Precision precision) {
  if (precision == Precision::kAuto) return has_native_bf16() ? Precision::kBF16 : Precision::kF32;
  if (precision == Precision::kBF16 && !has_native_bf16()) {
    fail(ErrorKind::kDevice,
         "cannot compute in bf16: this processor has no instructions for it\n  use --precision "
         "f32, which is faster here");
  }
  return precision;
}

/// Whether IdentityNet is on at a step: reference.md, 3.8, as the published pipeline rounds it.
bool identity_on(const Request& request, int step, int steps) {
  const double count = steps;
  return request.identity_strength > 0 &&
         !(step / count < request.identity_start || (step + 1) / count > request.identity_end);
}

}  // namespace

struct Pipeline::Models {
  OpenedModels opened;
  const Backend* backend;
  Precision precision;
  std::optional<std::uint64_t> resident_bytes;

  DType dtype() const { return precision == Precision::kBF16 ? DType::kBF16 : DType::kF32; }
};

struct Generation::State {
  std::shared_ptr<const Pipeline::Models> models;
  Request request;
  EulerScheduler scheduler;
  Conditions conditions;
  std::vector<float> latent;  // [c,h,w]
  std::vector<float> scaled;
  std::vector<float> noise;  // [n,c,h,w]
  std::optional<Denoiser> denoiser;
  int step = 0;

  int steps() const { return static_cast<int>(scheduler.timesteps().size()); }
};

Generation::Generation(std::unique_ptr<State> state) : state_(std::move(state)) {}
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&&) noexcept = default;
Generation::~Generation() = default;

int Generation::step() const { return state_->step; }
int Generation::steps() const { return state_->steps(); }
std::vector<float> Generation::latent() const { return state_->latent; }

std::vector<KernelTime> Generation::times() const {
  return state_->denoiser ? state_->denoiser->session().times() : std::vector<KernelTime>{};
}

bool Generation::next(std::stop_token stop) {
  State& s = *state_;
  if (s.step >= s.steps()) return false;
  const Pipeline::Models& models = *s.models;
  const bool with_identity = identity_on(s.request, s.step, s.steps());
  if (!s.denoiser || s.denoiser->with_identity() != with_identity) {
    s.denoiser.reset();
    s.denoiser.emplace(models.opened, *models.backend, s.request, s.conditions, with_identity,
                       models.dtype(),
                       models.resident_bytes.value_or(available_bytes() / kResidentShare), stop);
    // The session has them; its steps are one run of steps, so that no other session asks again.
    if (with_identity) std::vector<float>().swap(s.conditions.keypoints);  // "= {}" would keep it
  }
  s.scaled = s.latent;
  s.scheduler.scale_model_input(s.step, s.scaled);
  s.denoiser->run(s.scaled, s.scheduler.timesteps()[static_cast<std::size_t>(s.step)], s.noise,
                  stop);
  const std::span<float> noise(s.noise);
  const std::size_t size = s.latent.size();
  if (s.conditions.n == 2)
    guide(noise.first(size), noise.subspan(size, size), s.request.guidance, noise.first(size));
  s.scheduler.step(s.step, noise.first(size), s.latent);
  ++s.step;
  if (s.step == s.steps()) s.denoiser.reset();
  return true;
}

Image Generation::decode(std::stop_token stop) {
  const State& s = *state_;
  const Pipeline::Models& models = *s.models;
  const Size size{s.request.width, s.request.height};
  return decode_picture(models.opened, *models.backend, s.latent, size, models.dtype(), stop);
}

Pipeline::Pipeline(const ModelPaths& paths, const PipelineOptions& options) {
  const Precision precision = resolve(options.precision);
  models_ = std::make_shared<Models>(Models{open_models(paths), &backend_by_name(options.backend),
                                            precision, options.resident_bytes});
}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

int Pipeline::native_side() const {
  return static_cast<int>(models_->opened.unet.sample_size * models_->opened.vae.fold());
}

Precision Pipeline::precision() const { return models_->precision; }

std::string Pipeline::truncated(const std::string& prompt) const {
  return models_->opened.tokenizers[0].encode(prompt, models_->opened.prompt_length(0)).cut_text;
}

Generation Pipeline::start(const Request& request, std::span<const float> embedding,
                           const Keypoints& keypoints, std::stop_token stop) {
  check(request);
  const Models& models = *models_;
  EulerScheduler scheduler(models.opened.scheduler, request.steps);
  Conditions conditions = encode_conditions(models.opened, *models.backend, request, embedding,
                                            keypoints, models.dtype(), stop);
  const std::int64_t fold = models.opened.vae.fold();
  std::vector<float> latent(static_cast<std::size_t>(
      models.opened.unet.in_channels * (request.height / fold) * (request.width / fold)));
  NoiseGenerator(request.seed).randn(latent);
  for (float& value : latent) value *= scheduler.init_noise_sigma();
  return Generation(std::make_unique<Generation::State>(Generation::State{models_,
                                                                          request,
                                                                          std::move(scheduler),
                                                                          std::move(conditions),
                                                                          std::move(latent),
                                                                          {},
                                                                          {},
                                                                          {},
                                                                          0}));
}

}  // namespace semblance
