#include "pipeline/pipeline.h"

#include <fmt/ranges.h>

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
#include "pipeline/assembled_model.h"
#include "pipeline/conditions.h"
#include "pipeline/decoder.h"
#include "pipeline/denoiser.h"
#include "pipeline/encoder.h"
#include "pipeline/loras.h"
#include "pipeline/picture_sampler.h"
#include "pipeline/precision.h"
#include "pipeline/prompts.h"
#include "pipeline/request_plan.h"
#include "pipeline/room.h"
#include "pipeline/stage_graphs.h"
#include "sampling/guidance.h"

namespace semblance {
namespace {

/// The stages after the encoder and before the keypoints and the steps.
std::vector<Stage> conditions_of(std::vector<Stage> stages) {
  std::erase_if(stages, [](const Stage& stage) {
    return stage.id <= StageId::kEncoder || stage.id >= StageId::kKeypoints;
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
  std::unique_ptr<LoraShelf> loras;
  RequestDefaults defaults = RequestDefaults();
  Fingerprints fingerprints = {};

  DType dtype() const { return dtype_of(precision, workspace.backend()); }
};

struct Generation::State {
  std::shared_ptr<const Pipeline::Models> models;
  Request request;
  std::vector<float> embeddings;  // [photos,512]
  Keypoints keypoints;
  PictureSampler sampling;
  std::shared_ptr<const AppliedLoras> loras;  // nullptr for none
  const ValueTypes types;
  const std::optional<SharedValues> shared;
  const std::vector<Stage> stages;
  Values values = {};
  std::optional<Denoiser> denoiser = {};
  KeptWeights kept_weights = {};    // of the last denoiser, for the next
  std::uint64_t planned_bytes = 0;  // of the denoiser
  std::uint64_t refused_bytes = 0;  // a room in which no denoiser fitted
  std::vector<std::string> news = {};
  int step = 0;
  int restart_step = 0;  // where a saved run goes on while steps share deep features

  State(std::shared_ptr<const Pipeline::Models> models, const Request& request,
        std::span<const float> embeddings, const Keypoints& keypoints, PictureSampler sampling,
        std::shared_ptr<const AppliedLoras> loras, int step = 0);

  const Sampler& sampler() const { return *sampling.sampler; }
  int steps() const { return sampler().evaluations(); }
  std::span<float> latent() const { return values.at("latent").f32(); }
  const Stage& stage(StageId id) const {
    const Stage* found = find_stage(stages, id);
    SEMBLANCE_ASSERT(found != nullptr);
    return *found;
  }
  bool is_tight(const MemoryRoom& room) const {
    return planned_bytes > room.most_bytes ||
           (planned_bytes > room.tight_bytes && room.target_bytes > refused_bytes);
  }
  Workspace workspace_now();
  std::span<float> value_or_none(std::string_view name) const {
    return values.has(name) ? values.at(name).f32() : std::span<float>();
  }
  void make_conditions(const std::stop_token& stop);
  void make_latent();
  void start_from_noise();
  void start_from(const Image& picture, const std::stop_token& stop);
  StepKind kind() const { return kind_of_step(models->opened, request, step, steps()); }
  void keep_restart();
  void keep_deep();
  void advance(std::span<float> noise);
  void make_denoiser(const Workspace& workspace, const Stage& stage, const std::stop_token& stop);
  void end_denoiser();
  void replan(const Workspace& workspace, const MemoryRoom& room, const Stage& stage,
              const std::stop_token& stop);
};

Generation::State::State(std::shared_ptr<const Pipeline::Models> models_, const Request& request_,
                         std::span<const float> embeddings_, const Keypoints& keypoints_,
                         PictureSampler sampling_, std::shared_ptr<const AppliedLoras> loras_,
                         int step_)
    : models(std::move(models_)),
      request(request_),
      embeddings(embeddings_.begin(), embeddings_.end()),
      keypoints(keypoints_),
      sampling(std::move(sampling_)),
      loras(std::move(loras_)),
      types(value_types(models->opened, request)),
      shared(shared_values(models->opened, request, types.latent.type, models->dtype(),
                           *sampling.sampler)),
      stages(stages_of(models->opened, request, models->dtype(), {}, step_, loras)),
      step(step_) {}

void Generation::State::make_conditions(const std::stop_token& stop) {
  make_inputs(values, models->opened, request, embeddings, keypoints, stop);
  const std::vector<Stage> conditions = conditions_of(stages);
  in_the_room(models->workspace, conditions, stop, [&](const Workspace& workspace) {
    for (const Stage& stage : conditions) run_stage(stage, workspace, values, stop);
  });
  for (const NamedType& read : {types.ids[0], types.ids[1], types.weights}) values.drop(read.name);
}

/// Makes the latent, unless it is there, and the sampler's values, with zeros.
void Generation::State::make_latent() {
  if (!values.has(types.latent.name)) values.make(types.latent);
  if (step == steps()) return;
  for (const NamedType& value : sampling.values(types.latent)) values.make(value);
  if (shared) values.make(shared->restart);
}

void Generation::State::start_from_noise() {
  sampling.noise->latent(latent());
  for (float& value : latent()) value *= sampler().init_noise_sigma();
}

/// The noise is drawn in diffusers' order: for the VAE's posterior, then for the latent.
void Generation::State::start_from(const Image& picture, const std::stop_token& stop) {
  const NamedType noise{"first_noise", types.latent.type};
  values.make(types.latent);
  const std::span<float> drawn = values.make(noise).f32();
  sampling.noise->posterior(drawn);
  const std::vector<Stage> encoder{stage(StageId::kEncoder)};
  in_the_room(models->workspace, encoder, stop, [&](const Workspace& workspace) {
    encode_picture(models->opened, workspace, encoder.front(), picture, drawn, latent(), stop);
  });
  sampling.noise->latent(drawn);
  sampler().add_noise(0, drawn, latent());
  values.drop(noise.name);
}

/// Before a step that makes deep features: a saved run goes on from here, as it does not have them.
void Generation::State::keep_restart() {
  const std::span<float> into = values.at("restart").f32();
  std::ranges::copy(latent(), into.begin());
  std::ranges::copy(value_or_none("kept"), into.subspan(latent().size()).begin());
  restart_step = step;
}

/// After it.
void Generation::State::keep_deep() {
  if (!values.has("deep")) values.make(shared->deep);
  // Later steps read the last pictures (set_input()).
  const std::span<const std::byte> made = denoiser->session().output("deep");
  std::ranges::copy(made, values.at("deep").buffer.bytes().last(made.size()).begin());
}

/// The part of a step after the network, which made `noise`.
void Generation::State::advance(std::span<float> noise) {
  const std::size_t size = latent().size();
  const std::span<float> guided = noise.first(size);
  const bool both = denoiser->kind().is_guided;
  const std::span<float> conditional = both ? noise.subspan(size, size) : guided;
  if (both) guide(guided, conditional, request.guidance_scale(), guided);
  if (request.perturbed_guidance > 0)
    guide_from_perturbed(conditional, noise.last(size), request.perturbed_guidance, guided);
  if (both) rescale_guided(conditional, request.guidance_rescale, guided);
  StepData data{
      .evaluation = step, .output = guided, .latent = latent(), .kept = value_or_none("kept")};
  if (const std::optional<NoiseSpan> span = sampler().noise(step)) {
    const std::span<float> drawn = values.at("drawn").f32();
    sampling.noise->step(*span, drawn.first(size), drawn.subspan(size));
    data.noise = drawn.first(size);
  }
  sampler().step(data);
  ++step;
}

void Generation::State::make_denoiser(const Workspace& workspace, const Stage& stage,
                                      const std::stop_token& stop) {
  if (stage.step->with_identity && !values.has(types.keypoints.name)) {
    kept_weights = {};
    run_stage(this->stage(StageId::kKeypoints), workspace, values, stop);
  }
  denoiser.emplace(stage, workspace, values, stop, std::exchange(kept_weights, {}));
  planned_bytes = workspace.options().budget_bytes.value_or(0);
  planned_bytes -= std::min(planned_bytes, denoiser->spare_bytes());
  for (const std::string& name : stage.given_up) values.drop(name);
}

/// Keeps the denoiser's weights, unless planning the next one could take more memory than is freed.
void Generation::State::end_denoiser() {
  constexpr std::uint64_t kPlanningBytes = 64 << 20;
  const Plan& plan = denoiser->session().plan();
  if (plan.memory_bytes() - plan.resident_bytes >= kPlanningBytes)
    kept_weights = std::move(*denoiser).end();
  denoiser.reset();
}

/// The workspace with what the card has now. Ends a denoiser that needs more.
Workspace Generation::State::workspace_now() {
  std::uint64_t held = kept_weights.bytes;
  if (denoiser) held += denoiser->session().plan().places_bytes();
  const std::optional<std::uint64_t> room = room_on_card(models->workspace, held);
  if (room && denoiser && held > *room) {
    denoiser.reset();
    news.push_back(text_of(Message::kReplannedOnCard, bytes_text(*room)));
  }
  return within_room(models->workspace, room);
}

/// Makes a denoiser that fits into the room, with a safety margin if possible.
void Generation::State::replan(const Workspace& workspace, const MemoryRoom& room,
                               const Stage& stage, const std::stop_token& stop) {
  const bool had_one = denoiser.has_value();
  denoiser.reset();
  trim_heap();
  const std::uint64_t budget = workspace.options().budget_bytes.value_or(~std::uint64_t{0});
  const std::uint64_t most = std::min(budget, room.most_bytes);
  const std::uint64_t target = std::min(budget, room.target_bytes);
  for (const std::uint64_t bytes : {target, most}) {
    if (bytes <= refused_bytes && bytes < most) continue;
    try {
      make_denoiser(workspace.with_budget(bytes), stage, stop);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kMemory) throw;
      refused_bytes = std::max(refused_bytes, bytes);
      if (bytes < most) continue;
      explain_refusal_on_card({stage}, workspace.with_budget(most), stop);
      explain_refusal({stage}, workspace.with_budget(most), stop);
      throw;
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
std::vector<float> Generation::latent() const {
  const std::span<float> latent = state_->latent();
  return {latent.begin(), latent.end()};
}

SavedRun Generation::saved() const {
  const State& s = *state_;
  const auto absolute = [](const std::filesystem::path& path) {
    return std::filesystem::absolute(path).lexically_normal();
  };
  SavedRun run;
  run.request = s.request;
  // Those of the prompt follow; a resumed run finds them there.
  for (std::size_t i = 0; i < run.request.loras.size(); ++i)
    run.request.loras[i] = s.loras->paths[i];
  run.embeddings = s.embeddings;
  run.keypoints = s.keypoints;
  run.step = s.step;
  run.latent = latent();
  std::span<const float> kept = s.step > 0 ? s.value_or_none("kept") : std::span<float>();
  if (s.step < s.steps() && s.kind().from_deep) {
    const std::span<const float> restart = s.values.at("restart").f32();
    run.step = s.restart_step;
    run.latent.assign(restart.begin(), restart.begin() + std::ssize(run.latent));
    kept = restart.subspan(s.restart_step > 0 ? run.latent.size() : restart.size());
  }
  run.kept = {kept.begin(), kept.end()};
  run.latent_channels = s.models->opened.unet.in_channels;
  run.precision = s.models->precision;
  run.backend = s.models->backend_name;
  run.threads = threads();
  each_model_path(
      [&](const ModelPathRow&, auto& saved, const auto& path) {
        if (!path.empty()) saved = absolute(path);
      },
      run.models, s.models->paths);
  std::ranges::transform(s.models->paths.embeddings, std::back_inserter(run.models.embeddings),
                         absolute);
  run.fingerprints = s.models->fingerprints;
  if (s.loras) run.fingerprints.insert(s.loras->fingerprints.begin(), s.loras->fingerprints.end());
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
  const StepKind kind = s.kind();
  const Stage& stage = *find_stage(s.stages, kind);
  if (s.denoiser && s.denoiser->kind() != kind) s.end_denoiser();
  if (!kind.with_identity) s.values.drop(s.types.keypoints.name);
  const Workspace workspace = s.workspace_now();
  if (const std::optional<MemoryRoom> room = workspace.room()) {
    if (!s.denoiser || s.is_tight(*room)) s.replan(workspace, *room, stage, stop);
  } else if (!s.denoiser) {
    try {
      s.make_denoiser(workspace, stage, stop);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::kMemory) explain_refusal_on_card({stage}, workspace, stop);
      throw;
    }
  }
  const ValueTypes& types = s.types;
  const std::span<float> latent = s.latent();
  if (!s.values.has(types.scaled.name)) {
    s.values.make(types.scaled);
    s.values.make(types.noise);
  }
  const std::span<float> scaled = s.values.at(types.scaled.name).f32();
  const auto pictures = static_cast<std::size_t>(pictures_of(s.request, kind));
  const std::span<float> noise =
      s.values.at(types.noise.name).f32().first(pictures * latent.size());
  if (s.shared && !kind.from_deep) s.keep_restart();
  std::copy(latent.begin(), latent.end(), scaled.begin());
  s.sampler().scale_model_input(s.step, scaled);
  s.denoiser->run(scaled, s.sampler().timesteps()[static_cast<std::size_t>(s.step)], noise, stop);
  if (s.shared && !kind.from_deep) s.keep_deep();
  s.advance(noise);
  if (s.step == s.steps()) {
    s.denoiser.reset();
    Values last;
    last.make(types.latent, latent);
    s.values = std::move(last);
    trim_heap();
  }
  return true;
}

std::vector<float> Generation::predicted() const {
  const State& s = *state_;
  std::vector<float> clean = latent();
  if (s.values.has("scaled") && s.step > 0)
    s.sampler().predict(s.step - 1, s.values.at("scaled").f32(),
                        s.values.at("noise").f32().first(clean.size()), clean);
  return clean;
}

Image Generation::decode(std::stop_token stop) {
  const State& s = *state_;
  const Pipeline::Models& models = *s.models;
  const Size size{s.request.width, s.request.height};
  const std::vector<Stage> decoder{s.stage(StageId::kDecoder)};
  return in_the_room(models.workspace, decoder, stop, [&](const Workspace& workspace) {
    return decode_picture(models.opened, workspace, s.latent(), size, models.dtype(), stop,
                          {.tiling = s.request.vae_tiling, .beside = decoder.front().beside});
  });
}

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
             std::make_unique<LoraShelf>(options.lora_folders)});
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
  return plan_picture(models_->opened, models_->dtype(), models_->workspace, whole, check);
}

Image Pipeline::decode(std::span<const float> latent, Size size, std::stop_token stop) {
  return decode_picture(models_->opened, models_->workspace, latent, size, models_->dtype(), stop);
}

Generation Pipeline::start(const Request& asked, std::span<const float> embeddings,
                           const Keypoints& keypoints, std::stop_token stop, const Image* picture) {
  const Models& models = *models_;
  const Request request = with_photos(models.opened, defaults().complete(asked), embeddings);
  check(request);
  check_picture(request, picture);
  PictureSampler sampling = make_picture_sampler(request, models.opened.scheduler);
  auto state = std::make_unique<Generation::State>(
      models_, request, embeddings, keypoints, std::move(sampling),
      models.loras->get(models.opened, loras_of(request), true, stop));
  if (picture != nullptr) state->start_from(*picture, stop);
  state->make_conditions(stop);
  state->make_latent();
  check_stop(stop);
  if (picture == nullptr) state->start_from_noise();
  return Generation(std::move(state));
}

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
  auto state = std::make_unique<Generation::State>(
      models_, with_photos(models.opened, run.request, run.embeddings), run.embeddings,
      run.keypoints, std::move(sampling), loras, run.step);
  if (run.step < steps) state->make_conditions(stop);
  state->make_latent();
  const std::span<float> latent = state->latent();
  if (state->values.has("drawn"))
    skip_drawn(*state->sampling.noise, state->sampler(), run.step, latent,
               run.request.strength.has_value());
  std::copy(run.latent.begin(), run.latent.end(), latent.begin());
  std::copy(run.kept.begin(), run.kept.end(), state->value_or_none("kept").begin());
  return Generation(std::move(state));
}

}  // namespace semblance
