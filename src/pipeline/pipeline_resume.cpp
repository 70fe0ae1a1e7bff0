// Pipeline::resume() of pipeline.h.
#include <algorithm>
#include <utility>

#include "pipeline/generation.h"
#include "pipeline/resume_check.h"

namespace semblance {

Generation Pipeline::resume(const SavedRun& run, std::stop_token stop) {
  check(run.request);
  const Models& models = *models_;
  check_models(run, models.paths, models.fingerprints);
  Request request = run.request;
  request.loras = moved_loras(std::move(request.loras));
  const auto loras = models.loras->get(models.opened, loras_of(request), true, stop);
  if (loras) check_parts(run, loras->fingerprints);
  check_control_pictures(run.current(), run.controls);
  const auto controls = models.controls->get(models.opened, moved_controls(request.controls));
  if (controls) check_parts(run, controls->fingerprints);
  check_settings(run, models.precision, models.backend_name);
  check_state(run, models.opened);
  auto state = std::make_unique<Generation::State>(
      models_, with_photos(models.opened, run.request, run.people), run.people, loras, controls,
      run.controls, RunStart{run.pass, run.step});
  if (run.step < state->steps()) state->make_conditions(stop);
  state->make_latent();
  const std::span<float> latent = state->latent();
  if (state->values.has("drawn"))
    skip_drawn(*state->sampling.noise, state->sampler(), run.step, latent,
               state->request.has_mask   ? 2
               : state->request.strength ? 1
                                         : 0);
  std::copy(run.latent.begin(), run.latent.end(), latent.begin());
  std::copy(run.kept.begin(), run.kept.end(), state->value_or_none("kept").begin());
  state->restore_unmasked(run);
  return Generation(std::move(state));
}

}  // namespace semblance
