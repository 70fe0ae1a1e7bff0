#include "pipeline/pipeline.h"

#include <set>
#include <utility>

#include "core/stop.h"
#include "pipeline/assembled_model.h"
#include "pipeline/decoder.h"
#include "pipeline/generation.h"
#include "pipeline/prompts.h"
#include "pipeline/request_plan.h"

namespace semblance {

namespace {

/// How much of the denoiser's files is in the page cache.
double cached_share_of(const OpenedModels& models) {
  std::set<const File*> files;
  for (const auto& [name, tensor] : models.denoiser_weights) files.insert(tensor.file.get());
  return cached_share(files);
}

}  // namespace

Pipeline::Pipeline(const ModelPaths& paths, const PipelineOptions& options, std::stop_token stop) {
  const Precision precision = usable_precision(options.precision, backend_by_name(options.backend));
  const std::unique_ptr<const ModelSource> source = open_source(paths);
  auto models = std::make_shared<Models>(
      Models{open_models(*source, stop), paths, options.backend, precision,
             Workspace(backend_by_name(options.backend), options.workspace),
             std::make_unique<LoraShelf>(options.lora_folders),
             std::make_unique<ControlShelf>(options.control_folders)});
  // Computed now because they are needed after a file has failed.
  check_stop(stop);
  models->opened.embeddings = open_textual_inversions(paths.embeddings, models->opened.clip);
  models->defaults = RequestDefaults(models->opened, paths, options.lora_folders);
  models->fingerprints = fingerprints_of(*source, models->opened);
  check_stop(stop);
  models->workspace = models->workspace.with_base(planned_base())
                          .with_prices(models->dtype(), cached_share_of(models->opened));
  models_ = std::move(models);
}
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline::~Pipeline() = default;

int Pipeline::native_side() const {
  return static_cast<int>(models_->opened.unet.sample_size * models_->opened.vae.fold());
}

const RequestDefaults& Pipeline::defaults() const { return models_->defaults; }

const SchedulerConfig& Pipeline::scheduler() const { return models_->opened.scheduler; }

Precision Pipeline::precision() const { return models_->precision; }

const Request& Pipeline::most_demanding(std::span<const Request> requests) const {
  return semblance::most_demanding(models_->opened, requests);
}

std::vector<Warning> Pipeline::warnings(const Request& request, const std::stop_token& stop) const {
  const auto loras = models_->loras->get(models_->opened, loras_of(request), false);
  return find_warnings(models_->opened, request, loras.get(), stop);
}

const Workspace& Pipeline::workspace() const { return models_->workspace; }

PlannedPicture Pipeline::plan(const PlanQuestion& question,
                              const std::function<void()>& check) const {
  PlanQuestion whole = question;
  whole.request = defaults().complete(question.request);
  if (!whole.loras)
    whole.loras = models_->loras->get(models_->opened, loras_of(whole.request), false);
  if (!whole.controls)
    whole.controls = models_->controls->get(models_->opened, whole.request.controls);
  return plan_picture(models_->opened, models_->dtype(), models_->workspace, whole, check);
}

Image Pipeline::decode(std::span<const float> latent, Size size, std::stop_token stop) {
  return decode_picture(models_->opened, models_->workspace, latent, size, models_->dtype(), stop);
}

Generation Pipeline::start(const Request& request, std::span<const float> embeddings,
                           const Keypoints& keypoints, std::stop_token stop,
                           const StartPicture* from, ControlPictures controls) {
  const People person{{embeddings.begin(), embeddings.end()}, {keypoints}};
  return start(request, person, std::move(stop), from, std::move(controls));
}

Generation Pipeline::start(const Request& asked, const People& people, std::stop_token stop,
                           const StartPicture* from, ControlPictures controls) {
  const Models& models = *models_;
  const Request request = with_photos(models.opened, defaults().complete(asked), people);
  check(request);
  check_picture(request, from);
  check_control_pictures(request, controls);
  for (int pass = 0; pass < passes_of(request); ++pass)
    make_picture_sampler(pass_of(request, pass), models.opened.scheduler);
  auto state = std::make_unique<Generation::State>(
      models_, request, people, models.loras->get(models.opened, loras_of(request), true, stop),
      models.controls->get(models.opened, request.controls), std::move(controls));
  state->begin(from, stop);
  return Generation(std::move(state));
}

}  // namespace semblance
