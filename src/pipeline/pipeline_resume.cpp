// Pipeline::resume() of pipeline.h.
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "core/parallel.h"
#include "pipeline/generation.h"

namespace semblance {
namespace {

/// A saved run has the paths of its LoRAs. One that is no longer there is looked up by its name.
std::vector<std::string> moved_loras(std::vector<std::string> loras) {
  for (std::string& text : loras) {
    LoraChoice choice = parse_lora(text);
    std::error_code ignored;
    if (std::filesystem::exists(choice.name, ignored)) continue;
    choice.name = choice.short_name();
    text = text_of(choice);
  }
  return loras;
}

std::string shown(const std::vector<std::filesystem::path>& embeddings) {
  std::vector<std::string> paths;
  paths.reserve(embeddings.size());
  for (const std::filesystem::path& path : embeddings) paths.push_back(path.string());
  return paths.empty() ? "none" : fmt::format("{}", fmt::join(paths, ", "));
}

/// Throws Error(kArgument) for other textual inversions than the run was started with.
void check_embeddings(const SavedRun& run, const ModelPaths& paths, const Fingerprints& now) {
  const auto fingerprint = [](const Fingerprints& all) {
    const auto found = all.find(std::string(kEmbeddingsPart));
    return found == all.end() ? std::string() : found->second;
  };
  if (fingerprint(run.fingerprints) == fingerprint(now)) return;
  fail(
      ErrorKind::kArgument,
      "cannot resume the run: expected the embeddings it was started with ({}), got {}\n  give the "
      "same files with --embedding, or start a new run",
      shown(run.models.embeddings), shown(paths.embeddings));
}

}  // namespace

Generation Pipeline::resume(const SavedRun& run, std::stop_token stop) {
  check(run.request);
  const Models& models = *models_;
  const auto is_same = [&run](const auto& known) {
    const auto found = run.fingerprints.find(known.first);
    return found != run.fingerprints.end() && found->second == known.second;
  };
  check_embeddings(run, models.paths, models.fingerprints);
  std::vector<std::string> places, flags;
  each_model_path(
      [&](const ModelPathRow& row, const auto& path) {
        if (path.empty()) return;
        places.push_back(path.string());
        flags.emplace_back(row.flag);
      },
      run.models);
  for (const auto& known : models.fingerprints) {
    if (is_same(known)) continue;
    fail(ErrorKind::kArgument,
         "cannot resume the run: {} is not the one it was started with (in {})\n  give the same "
         "models with {}, or start a new run",
         known.first, fmt::join(places, ", "), fmt::join(flags, ", "));
  }
  Request request = run.request;
  request.loras = moved_loras(std::move(request.loras));
  const auto loras = models.loras->get(models.opened, loras_of(request), true, stop);
  for (const auto& known : loras ? loras->fingerprints : Fingerprints()) {
    if (is_same(known)) continue;
    fail(ErrorKind::kArgument,
         "cannot resume the run: {} is not the one it was started with\n  put that file back where "
         "it was, or start a new run",
         known.first);
  }
  const auto same = [](std::string_view what, const auto& was, const auto& is) {
    if (was != is) {
      fail(ErrorKind::kArgument,
           "cannot resume the run: it was started with {} {}, got {}, which would give a different "
           "picture",
           what, was, is);
    }
  };
  same("the precision", name_of(run.precision), name_of(models.precision));
  same("the backend", run.backend, models.backend_name);
  same("the number of threads", run.threads, threads());
  const std::int64_t fold = models.opened.vae.fold();
  PictureSampler sampling = make_picture_sampler(run.request, models.opened.scheduler);
  const int steps = sampling.sampler->evaluations();
  if (run.step < 0 || run.step > steps) {
    fail(ErrorKind::kCorrupt, "cannot resume the run: it has {} steps done of {}", run.step, steps);
  }
  if (run.step < steps && run.step % run.request.reuse != 0) {
    fail(ErrorKind::kCorrupt,
         "cannot resume the run: expected a multiple of {} steps done, since it reuses features "
         "that long, got {}",
         run.request.reuse, run.step);
  }
  const std::int64_t elements =
      models.opened.unet.in_channels * (run.request.height / fold) * (run.request.width / fold);
  if (static_cast<std::int64_t>(run.latent.size()) != elements) {
    fail(ErrorKind::kCorrupt,
         "cannot resume the run: its latent has {} numbers, but a picture of {}x{} needs {}",
         run.latent.size(), run.request.width, run.request.height, elements);
  }
  const bool is_midway = run.step > 0 && run.step < steps;
  const std::int64_t kept = is_midway ? sampling.sampler->kept_latents() * elements : 0;
  if (static_cast<std::int64_t>(run.kept.size()) != kept) {
    fail(ErrorKind::kCorrupt,
         "cannot resume the run: its sampler's state has {} numbers, expected {}", run.kept.size(),
         kept);
  }
  if (run.request.has_mask && run.step < steps && run.mask.empty())
    fail(ErrorKind::kCorrupt, "cannot resume the run: what it repaints is missing");
  auto state = std::make_unique<Generation::State>(
      models_, with_photos(models.opened, run.request, run.embeddings), run.embeddings,
      run.keypoints, std::move(sampling), loras, run.step);
  if (run.step < steps) state->make_conditions(stop);
  state->make_latent();
  const std::span<float> latent = state->latent();
  if (state->values.has("drawn"))
    skip_drawn(*state->sampling.noise, state->sampler(), run.step, latent,
               run.request.has_mask   ? 2
               : run.request.strength ? 1
                                      : 0);
  std::copy(run.latent.begin(), run.latent.end(), latent.begin());
  std::copy(run.kept.begin(), run.kept.end(), state->value_or_none("kept").begin());
  state->restore_unmasked(run);
  return Generation(std::move(state));
}

}  // namespace semblance
