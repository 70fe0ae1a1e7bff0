#include "pipeline/resume_check.h"

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/parallel.h"
#include "pipeline/picture_sampler.h"

namespace semblance {
namespace {

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

bool has_part(const SavedRun& run, const Fingerprints::value_type& part) {
  const auto found = run.fingerprints.find(part.first);
  return found != run.fingerprints.end() && found->second == part.second;
}

bool is_there(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

std::vector<std::string> moved_loras(std::vector<std::string> loras) {
  for (std::string& text : loras) {
    LoraChoice choice = parse_lora(text);
    if (is_there(choice.name)) continue;
    choice.name = choice.short_name();
    text = text_of(choice);
  }
  return loras;
}

std::vector<std::string> moved_controls(std::vector<std::string> controls) {
  for (std::string& text : controls) {
    ControlChoice choice = parse_control(text);
    if (is_there(choice.model)) continue;
    choice.model = choice.short_name();
    text = text_of(choice);
  }
  return controls;
}

void check_models(const SavedRun& run, const ModelPaths& paths, const Fingerprints& now) {
  check_embeddings(run, paths, now);
  std::vector<std::string> places, flags;
  each_model_path(
      [&](const ModelPathRow& row, const auto& path) {
        if (path.empty()) return;
        places.push_back(path.string());
        flags.emplace_back(row.flag);
      },
      run.models);
  for (const auto& known : now) {
    if (has_part(run, known)) continue;
    fail(ErrorKind::kArgument,
         "cannot resume the run: {} is not the one it was started with (in {})\n  give the same "
         "models with {}, or start a new run",
         known.first, fmt::join(places, ", "), fmt::join(flags, ", "));
  }
}

void check_parts(const SavedRun& run, const Fingerprints& now) {
  for (const auto& known : now) {
    if (has_part(run, known)) continue;
    fail(ErrorKind::kArgument,
         "cannot resume the run: {} is not the one it was started with\n  put that file back where "
         "it was, or start a new run",
         known.first);
  }
}

void check_settings(const SavedRun& run, Precision precision, const std::string& backend) {
  const auto same = [](std::string_view what, const auto& was, const auto& is) {
    if (was != is) {
      fail(ErrorKind::kArgument,
           "cannot resume the run: it was started with {} {}, got {}, which would give a different "
           "picture",
           what, was, is);
    }
  };
  same("the precision", name_of(run.precision), name_of(precision));
  same("the backend", run.backend, backend);
  same("the number of threads", run.threads, threads());
}

void check_state(const SavedRun& run, const OpenedModels& models) {
  const Request pass = run.current();
  const PictureSampler sampling = make_picture_sampler(pass, models.scheduler);
  const Sampler& sampler = *sampling.sampler;
  const std::int64_t fold = models.vae.fold();
  const int steps = sampler.evaluations();
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
      models.vae.latent_channels * (pass.height / fold) * (pass.width / fold);
  if (static_cast<std::int64_t>(run.latent.size()) != elements) {
    fail(ErrorKind::kCorrupt,
         "cannot resume the run: its latent has {} numbers, but a picture of {}x{} needs {}",
         run.latent.size(), pass.width, pass.height, elements);
  }
  const bool is_midway = run.step > 0 && run.step < steps;
  const std::int64_t kept = is_midway ? sampler.kept_latents() * elements : 0;
  if (static_cast<std::int64_t>(run.kept.size()) != kept) {
    fail(ErrorKind::kCorrupt,
         "cannot resume the run: its sampler's state has {} numbers, expected {}", run.kept.size(),
         kept);
  }
  if (run.request.has_mask && run.step < steps && run.mask.empty())
    fail(ErrorKind::kCorrupt, "cannot resume the run: what it repaints is missing");
}

}  // namespace semblance
