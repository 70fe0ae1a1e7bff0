#include "pipeline/pipeline.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "backend/backends.h"
#include "core/error.h"
#include "core/messages.h"
#include "core/parallel.h"
#include "core/stop.h"
#include "memory/budget.h"
#include "memory/heap.h"
#include "pipeline/conditions.h"
#include "pipeline/decoder.h"
#include "pipeline/denoiser.h"
#include "pipeline/request_plan.h"
#include "pipeline/stage_graphs.h"
#include "sampling/euler.h"
#include "sampling/noise.h"

namespace semblance {
Precision resolve(Precision precision) {
  if (precision == Precision::kAuto) return has_native_bf16() ? Precision::kBF16 : Precision::kF32;
  if (precision == Precision::kBF16 && !has_native_bf16()) {
    fail(ErrorKind::kDevice,
         "cannot compute in bf16: this processor has no instructions for it\n  use --precision "
         "f32, which is faster here");
  }
  return precision;
}

DType dtype_of(Precision precision) {
  return resolve(precision) == Precision::kBF16 ? DType::kBF16 : DType::kF32;
}

namespace {

/// Gives what `work` gives in a workspace of the budget, or of what the machine has where that is
/// less: with some air first, and where nothing fits then with all there is.
template <typename Work>
auto in_the_room(const Workspace& workspace, const std::vector<Stage>& stages,
                 const std::stop_token& stop, Work&& work) {
  const std::optional<MemoryRoom> room = workspace.room();
  if (!room) return work(workspace);
  const std::uint64_t budget = workspace.options().budget_bytes.value_or(~std::uint64_t{0});
  const std::uint64_t most = std::min(budget, room->most_bytes);
  const std::uint64_t target = std::min(budget, room->target_bytes);
  try {
    if (target < most) return work(workspace.with_budget(target));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kMemory) throw;
  }
  try {
    return work(workspace.with_budget(most));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kMemory || most == budget) throw;
    const std::uint64_t least =
        RequestPlanner(stages, workspace.with_budget(most).with_base(planned_base()),
                       stop_check(stop))
            .minimum_budget();
    if (least <= most) throw;
    fail(ErrorKind::kMemory, "{}",
         text_of(Message::kCannotGoOn, bytes_text(least), bytes_text(most)));
  }
}

/// The stages before the first step, or after the last one.
std::vector<Stage> stages_beside_steps(const OpenedModels& models, const Request& request,
                                       DType dtype, bool before) {
  std::vector<Stage> stages = stages_of(models, request, dtype, {});
  std::erase_if(stages, [&](const Stage& stage) {
    return stage.name == Message::kStageDenoiser || stage.name == Message::kStageDenoiserAlone ||
           (stage.name == Message::kStageDecoder) == before;
  });
  return stages;
}

}  // namespace

struct Pipeline::Models {
  OpenedModels opened;
  ModelPaths paths;
  std::string backend_name;
  Precision precision;
  Workspace workspace;
  Fingerprints fingerprints = {};

  DType dtype() const { return precision == Precision::kBF16 ? DType::kBF16 : DType::kF32; }
};

struct Generation::State {
  std::shared_ptr<const Pipeline::Models> models;
  Request request;
  std::vector<float> embedding;
  Keypoints keypoints;
  EulerScheduler scheduler;
  Conditions conditions = {};      // none are needed after the last step
  std::vector<float> latent = {};  // [c,h,w]
  std::vector<float> scaled = {};
  std::vector<float> noise = {};  // [n,c,h,w]
  std::optional<Denoiser> denoiser = {};
  std::uint64_t planned_bytes = 0;  // of the denoiser
  std::uint64_t refused_bytes = 0;  // no denoiser fits into that
  std::vector<std::string> news = {};
  int step = 0;

  int steps() const { return static_cast<int>(scheduler.timesteps().size()); }
  bool is_tight(const MemoryRoom& room) const {
    return planned_bytes > room.most_bytes ||
           (planned_bytes > room.tight_bytes && room.target_bytes > refused_bytes);
  }
  void make_denoiser(const Workspace& workspace, bool with_identity, std::stop_token stop);
  void replan(const MemoryRoom& room, bool with_identity, std::stop_token stop);
};

void Generation::State::make_denoiser(const Workspace& workspace, bool with_identity,
                                      std::stop_token stop) {
  const OpenedModels& opened = models->opened;
  if (with_identity && conditions.keypoints.empty()) {
    conditions.keypoints =
        keypoint_features(opened, workspace, request, keypoints, models->dtype(), stop);
  }
  denoiser.emplace(opened, workspace, request, conditions, with_identity, models->dtype(), stop);
  planned_bytes = workspace.options().budget_bytes.value_or(0);
  planned_bytes -= std::min(planned_bytes, denoiser->spare_bytes());
  // The session has them. "= {}" would keep the memory.
  if (with_identity) std::vector<float>().swap(conditions.keypoints);
}

/// A denoiser that fits into the room: with some air if it can be, else barely.
void Generation::State::replan(const MemoryRoom& room, bool with_identity, std::stop_token stop) {
  const bool had_one = denoiser.has_value();
  denoiser.reset();
  trim_heap();
  const std::uint64_t budget = models->workspace.options().budget_bytes.value_or(~std::uint64_t{0});
  const std::uint64_t most = std::min(budget, room.most_bytes);
  const std::uint64_t target = std::min(budget, room.target_bytes);
  for (const std::uint64_t bytes : {target, most}) {
    if (bytes <= refused_bytes && bytes < most) continue;
    try {
      make_denoiser(models->workspace.with_budget(bytes), with_identity, stop);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kMemory) throw;
      refused_bytes = std::max(refused_bytes, bytes);
      if (bytes < most) continue;
      const std::uint64_t least =
          Denoiser::least_budget(models->opened, models->workspace.with_budget(most), request,
                                 with_identity, models->dtype(), stop);
      if (least <= most) throw;
      fail(ErrorKind::kMemory, "{}",
           text_of(Message::kCannotGoOn, bytes_text(least), bytes_text(most)));
    }
    if (had_one)
      news.push_back(text_of(Message::kReplanned, bytes_text(most), bytes_text(planned_bytes)));
    return;
  }
}

Generation::Generation(std::unique_ptr<State> state) : state_(std::move(state)) {}
Generation::Generation(Generation&&) noexcept = default;
Generation& Generation::operator=(Generation&&) noexcept = default;
Generation::~Generation() = default;

int Generation::step() const { return state_->step; }
int Generation::steps() const { return state_->steps(); }
std::vector<float> Generation::latent() const { return state_->latent; }

SavedRun Generation::saved() const {
  const State& s = *state_;
  const auto absolute = [](const std::filesystem::path& path) {
    return std::filesystem::absolute(path).lexically_normal();
  };
  const ModelPaths& paths = s.models->paths;
  SavedRun run;
  run.request = s.request;
  run.embedding = s.embedding;
  run.keypoints = s.keypoints;
  run.step = s.step;
  run.latent = s.latent;
  run.latent_channels = s.models->opened.unet.in_channels;
  run.precision = s.models->precision;
  run.backend = s.models->backend_name;
  run.threads = threads();
  run.models = {absolute(paths.base), absolute(paths.identitynet), absolute(paths.adapter)};
  run.fingerprints = s.models->fingerprints;
  return run;
}

std::vector<KernelTime> Generation::times() const {
  return state_->denoiser ? state_->denoiser->session().times() : std::vector<KernelTime>{};
}

std::vector<std::string> Generation::take_news() { return std::exchange(state_->news, {}); }
std::uint64_t Generation::planned_bytes() const { return state_->planned_bytes; }

bool Generation::next(std::stop_token stop) {
  State& s = *state_;
  if (s.step >= s.steps()) return false;
  const Pipeline::Models& models = *s.models;
  const bool with_identity = identity_on(s.request, s.step, s.steps());
  if (s.denoiser && s.denoiser->with_identity() != with_identity) s.denoiser.reset();
  if (const std::optional<MemoryRoom> room = models.workspace.room()) {
    if (!s.denoiser || s.is_tight(*room)) s.replan(*room, with_identity, stop);
  } else if (!s.denoiser) {
    s.make_denoiser(models.workspace, with_identity, stop);
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
  if (s.step == s.steps()) {
    s.denoiser.reset();
    s.conditions = Conditions();
    std::vector<float>().swap(s.scaled);
    std::vector<float>().swap(s.noise);
    trim_heap();
  }
  return true;
}

std::vector<float> Generation::predicted() const {
  const State& s = *state_;
  if (s.scaled.empty() || s.step == 0) return s.latent;
  // The step went from x, of noise level a, to y, of level b, along d = (y - x) / (b - a); the rest
  // of the way, b, is left. x is what the model read, before it was scaled.
  const auto last = static_cast<std::size_t>(s.step - 1);
  const float a = s.scheduler.sigmas()[last];
  const float b = s.scheduler.sigmas()[last + 1];
  const float scale = std::sqrt(a * a + 1);
  std::vector<float> clean = s.latent;
  for (std::size_t i = 0; i < clean.size(); ++i)
    clean[i] -= b * (clean[i] - scale * s.scaled[i]) / (b - a);
  return clean;
}

Image Generation::decode(std::stop_token stop) {
  const State& s = *state_;
  const Pipeline::Models& models = *s.models;
  const Size size{s.request.width, s.request.height};
  const auto stages = stages_beside_steps(models.opened, s.request, models.dtype(), false);
  return in_the_room(models.workspace, stages, stop, [&](const Workspace& workspace) {
    return decode_picture(
        models.opened, workspace, s.latent, size, models.dtype(), stop,
        {.tiling = s.request.vae_tiling, .beside = decoder_beside(models.opened, s.request)});
  });
}

namespace {

/// Of the denoiser's files, how much lies in the page cache.
double cached_share_of(const OpenedModels& models) {
  std::set<const File*> files;
  for (const auto& [name, tensor] : models.denoiser_weights) files.insert(tensor.file.get());
  return cached_share(files);
}

}  // namespace

Pipeline::Pipeline(const ModelPaths& paths, const PipelineOptions& options, std::stop_token stop) {
  const Precision precision = resolve(options.precision);
  auto models = std::make_shared<Models>(
      Models{open_models(paths, stop), paths, options.backend, precision,
             Workspace(backend_by_name(options.backend), options.workspace)});
  // Now, since they are needed when a file has failed later.
  check_stop(stop);
  models->fingerprints = fingerprints_of(paths, models->opened);
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

double Pipeline::native_guidance() const { return models_->opened.guidance; }

Precision Pipeline::precision() const { return models_->precision; }

std::vector<Warning> Pipeline::warnings(const Request& request, const std::stop_token& stop) const {
  return find_warnings(models_->opened, request, stop);
}

const Workspace& Pipeline::workspace() const { return models_->workspace; }

std::vector<Stage> Pipeline::stages(const Request& request, std::optional<ImageFormat> format,
                                    int first_step) const {
  return stages_of(models_->opened, request, models_->dtype(), format, first_step);
}

std::optional<Size> Pipeline::smaller_picture(const Request& request,
                                              std::optional<ImageFormat> format,
                                              std::uint64_t minimum_bytes,
                                              const std::function<void()>& check) const {
  return semblance::largest_picture(models_->opened, request, models_->dtype(), models_->workspace,
                                    format, minimum_bytes, check);
}

Image Pipeline::decode(std::span<const float> latent, Size size, std::stop_token stop) {
  return decode_picture(models_->opened, models_->workspace, latent, size, models_->dtype(), stop);
}

Generation Pipeline::start(const Request& request, std::span<const float> embedding,
                           const Keypoints& keypoints, std::stop_token stop) {
  check(request);
  const Models& models = *models_;
  if (request.vae_tiling) check_tiling(models.opened.vae);
  auto state = std::make_unique<Generation::State>(
      Generation::State{.models = models_,
                        .request = request,
                        .embedding = {embedding.begin(), embedding.end()},
                        .keypoints = keypoints,
                        .scheduler = EulerScheduler(models.opened.scheduler, request.steps)});
  const auto stages = stages_beside_steps(models.opened, request, models.dtype(), true);
  state->conditions = in_the_room(models.workspace, stages, stop, [&](const Workspace& workspace) {
    return encode_conditions(models.opened, workspace, request, embedding, keypoints,
                             models.dtype(), stop);
  });
  const std::int64_t fold = models.opened.vae.fold();
  state->latent.resize(static_cast<std::size_t>(models.opened.unet.in_channels *
                                                (request.height / fold) * (request.width / fold)));
  check_stop(stop);
  NoiseGenerator(request.seed).randn(state->latent);
  for (float& value : state->latent) value *= state->scheduler.init_noise_sigma();
  return Generation(std::move(state));
}

Generation Pipeline::resume(const SavedRun& run, std::stop_token stop) {
  check(run.request);
  const Models& models = *models_;
  if (run.request.vae_tiling) check_tiling(models.opened.vae);
  for (const auto& [part, fingerprint] : models.fingerprints) {
    const auto found = run.fingerprints.find(part);
    if (found == run.fingerprints.end() || found->second != fingerprint) {
      fail(ErrorKind::kArgument,
           "cannot resume the run: {} is not the one that it was begun with (in {}, {} and {})\n  "
           "name the same models with --base, --identitynet and --adapter, or start anew",
           part, run.models.base.string(), run.models.identitynet.string(),
           run.models.adapter.string());
    }
  }
  const auto same = [](std::string_view what, const auto& was, const auto& is) {
    if (was != is) {
      fail(
          ErrorKind::kArgument,
          "cannot resume the run: it was begun with {} {}, here it is {}, which would give another "
          "picture",
          what, was, is);
    }
  };
  const auto name = [](Precision precision) {
    return precision == Precision::kBF16 ? "bf16" : "f32";
  };
  same("the precision", std::string(name(run.precision)), std::string(name(models.precision)));
  same("the backend", run.backend, models.backend_name);
  same("a number of threads of", run.threads, threads());
  const std::int64_t fold = models.opened.vae.fold();
  EulerScheduler scheduler(models.opened.scheduler, run.request.steps);
  const auto steps = static_cast<int>(scheduler.timesteps().size());
  if (run.step < 0 || run.step > steps) {
    fail(ErrorKind::kCorrupt, "cannot resume the run: it has done {} steps of {}", run.step, steps);
  }
  const std::int64_t elements =
      models.opened.unet.in_channels * (run.request.height / fold) * (run.request.width / fold);
  if (static_cast<std::int64_t>(run.latent.size()) != elements) {
    fail(ErrorKind::kCorrupt,
         "cannot resume the run: its latent has {} numbers, a picture of {}x{} has one of {}",
         run.latent.size(), run.request.width, run.request.height, elements);
  }
  auto state = std::make_unique<Generation::State>(Generation::State{.models = models_,
                                                                     .request = run.request,
                                                                     .embedding = run.embedding,
                                                                     .keypoints = run.keypoints,
                                                                     .scheduler = scheduler,
                                                                     .latent = run.latent,
                                                                     .step = run.step});
  if (run.step < steps) {
    const auto stages = stages_beside_steps(models.opened, run.request, models.dtype(), true);
    state->conditions =
        in_the_room(models.workspace, stages, stop, [&](const Workspace& workspace) {
          return encode_conditions(models.opened, workspace, run.request, run.embedding,
                                   run.keypoints, models.dtype(), stop);
        });
  }
  return Generation(std::move(state));
}

}  // namespace semblance
