// Generation of pipeline.h: the steps of a run.
#include "pipeline/generation.h"

#include <algorithm>
#include <utility>

#include "core/messages.h"
#include "core/parallel.h"
#include "core/stop.h"
#include "image/resize.h"
#include "memory/budget.h"
#include "memory/heap.h"
#include "pipeline/decoder.h"
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

Generation::State::State(std::shared_ptr<const Pipeline::Models> models_, const Request& whole_,
                         People people_, std::shared_ptr<const AppliedLoras> loras_,
                         std::shared_ptr<const AppliedControls> controls_,
                         ControlPictures control_pictures_, RunStart start)
    : models(std::move(models_)),
      whole(whole_),
      pass(start.pass),
      request(pass_of(whole, pass)),
      people(std::move(people_)),
      sampling(make_picture_sampler(request, models->opened.scheduler)),
      loras(std::move(loras_)),
      controls(std::move(controls_)),
      control_pictures(std::move(control_pictures_)),
      types(value_types(models->opened, request)),
      shared(shared_values(models->opened, request, types.latent.type, models->dtype(),
                           *sampling.sampler)),
      stages(stages_of(models->opened, request, models->dtype(), {}, start.step, loras, controls)),
      earlier_steps(evaluations_before(whole, pass, models->opened.scheduler)),
      later_steps(evaluations_before(whole, passes_of(whole), models->opened.scheduler) -
                  earlier_steps - sampling.sampler->evaluations()),
      step(start.step) {}

/// Makes the pass's conditions and its first latent. `from`: if it starts from a picture.
void Generation::State::begin(const StartPicture* from, const std::stop_token& stop) {
  if (from != nullptr) start_from(*from, stop);
  make_conditions(stop);
  make_latent();
  check_stop(stop);
  if (from == nullptr) start_from_noise();
}

std::unique_ptr<Generation::State> Generation::State::next_pass(const std::stop_token& stop) const {
  const Request next = pass_of(whole, pass + 1);
  const StartPicture from{.picture =
                              resize(decode(stop), {next.width, next.height}, Filter::kLanczos)};
  auto state =
      std::make_unique<State>(models, whole, people, loras, controls,
                              control_pictures_in(control_pictures, next), RunStart{pass + 1, 0});
  state->begin(&from, stop);
  return state;
}

void Generation::State::make_conditions(const std::stop_token& stop) {
  make_inputs(values, models->opened, request, people_of_pass(people, whole, pass), stop);
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

/// The noise is drawn in diffusers' order: for the VAE's posterior, then for the latent, then, with
/// a mask, for the posterior of what is not masked.
void Generation::State::start_from(const StartPicture& start, const std::stop_token& stop) {
  const NamedType noise{"first_noise", types.latent.type};
  values.make(types.latent);
  const std::span<float> drawn = values.make(noise).f32();
  sampling.noise->posterior(drawn);
  const std::vector<Stage> encoder{stage(StageId::kEncoder)};
  in_the_room(models->workspace, encoder, stop, [&](const Workspace& workspace) {
    encode_picture(models->opened, workspace, encoder.front(), start.picture, {}, drawn, latent(),
                   stop);
  });
  sampling.noise->latent(drawn);
  if (request.has_mask) {
    const Shape& size = types.latent.type.shape;
    const std::span<float> mask = values.make({"mask", {DType::kF32, {size[1], size[2]}}}).f32();
    shrink_mask(start.mask, models->opened.vae.fold(), mask);
    if (!types.masked) values.make({"picture", types.latent.type}, latent());
    const bool only_noise = request.strength == 1.0;
    if (only_noise || request.masked_content.name == "noise") {
      for (std::size_t i = 0; i < drawn.size(); ++i) {
        if (only_noise || mask[i % mask.size()] > 0)
          latent()[i] = drawn[i] * (only_noise ? sampler().init_noise_sigma() : 1);
      }
    }
    if (!only_noise) sampler().add_noise(0, drawn, latent());
    const std::span<float> again = values.make({"unmasked", types.latent.type}).f32();
    sampling.noise->posterior(again);
    if (types.masked) {
      in_the_room(models->workspace, encoder, stop, [&](const Workspace& workspace) {
        encode_picture(models->opened, workspace, encoder.front(), start.picture, start.mask,
                       std::vector(again.begin(), again.end()), again, stop);
      });
      join_masked(mask, again, values.make(*types.masked).f32());
      for (const std::string& done : {noise.name, std::string("mask")}) values.drop(done);
    }
    values.drop("unmasked");
  } else {
    sampler().add_noise(0, drawn, latent());
    values.drop(noise.name);
  }
}

/// The values that keep what is not masked, for a run that was saved.
void Generation::State::restore_unmasked(const SavedRun& run) {
  if (!request.has_mask || step == steps()) return;
  if (types.masked) return join_masked(run.mask, run.picture, values.make(*types.masked).f32());
  for (const NamedType& value : types.kept) values.make(value);
  std::ranges::copy(run.picture, values.at("picture").f32().begin());
  std::ranges::copy(run.mask, values.at("mask").f32().begin());
  const PictureSampler again = make_picture_sampler(request, models->opened.scheduler);
  const std::span<float> noise = values.at("first_noise").f32();
  again.noise->posterior(noise);
  again.noise->latent(noise);
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
  noise = join_people(noise, value_or_none("blend"), people_in(request), denoiser->kind().is_guided,
                      size);
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
  if (!types.kept.empty()) {
    keep_unmasked(sampler(), step, values.at("picture").f32(), values.at("first_noise").f32(),
                  values.at("mask").f32(), latent());
  }
}

/// The features that the step reads, of the keypoints and of the ControlNets' pictures.
void Generation::State::make_features(const Workspace& workspace, const StepKind& step,
                                      const std::stop_token& stop) {
  if (step.with_identity() && !values.has(types.keypoints.name)) {
    kept_weights = {};
    run_stage(stage(StageId::kKeypoints), workspace, values, stop);
  }
  for (std::size_t i = 0; i < request.controls.size(); ++i) {
    const std::string& value = controls->controls[i].value;
    if (!step.has_control(i) || values.has(value)) continue;
    kept_weights = {};
    run_control(*find_maker(stages, value), workspace, (*control_pictures)[i], values, stop);
  }
}

/// Those that the step does not read: no later one does, since each is on for a range of steps.
void Generation::State::drop_features(const StepKind& step) {
  if (!step.with_identity()) values.drop(types.keypoints.name);
  for (std::size_t i = 0; i < request.controls.size(); ++i) {
    if (!step.has_control(i)) values.drop(controls->controls[i].value);
  }
}

void Generation::State::make_denoiser(const Workspace& workspace, const Stage& stage,
                                      const std::stop_token& stop) {
  make_features(workspace, *stage.step, stop);
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

int Generation::step() const { return state_->earlier_steps + state_->step; }
int Generation::steps() const {
  return state_->earlier_steps + state_->steps() + state_->later_steps;
}
Size Generation::size() const { return {state_->request.width, state_->request.height}; }
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
  run.request = s.whole;
  run.pass = s.pass;
  // Those of the prompt follow; a resumed run finds them there.
  for (std::size_t i = 0; i < run.request.loras.size(); ++i)
    run.request.loras[i] = s.loras->paths[i];
  if (s.controls) run.request.controls = s.controls->paths;
  run.controls = s.control_pictures;
  run.people = s.people;
  run.step = s.step;
  run.latent = latent();
  run.latent_channels = s.models->opened.vae.latent_channels;
  std::span<const float> kept = s.step > 0 ? s.value_or_none("kept") : std::span<float>();
  if (s.step < s.steps() && s.kind().from_deep) {
    const std::span<const float> restart = s.values.at("restart").f32();
    run.step = s.restart_step;
    run.latent.assign(restart.begin(), restart.begin() + std::ssize(run.latent));
    kept = restart.subspan(s.restart_step > 0 ? run.latent.size() : restart.size());
  }
  run.kept = {kept.begin(), kept.end()};
  if (s.step < s.steps() && s.request.has_mask) {
    const auto copy = [&s](std::string_view name) {
      const std::span<const float> all = s.values.at(name).f32();
      return std::vector(all.begin(), all.end());
    };
    if (s.types.masked) {
      run.picture.resize(run.latent.size());
      run.mask.resize(run.latent.size() / static_cast<std::size_t>(run.latent_channels));
      split_masked(s.values.at("masked").f32(), run.mask, run.picture);
    } else {
      run.picture = copy("picture");
      run.mask = copy("mask");
    }
  }
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
  if (s.controls) {
    const Fingerprints& controls = s.controls->fingerprints;
    run.fingerprints.insert(controls.begin(), controls.end());
  }
  return run;
}

std::vector<KernelTime> Generation::times() const {
  return state_->denoiser ? state_->denoiser->session().times() : std::vector<KernelTime>{};
}

std::vector<std::string> Generation::take_news() { return std::exchange(state_->news, {}); }
std::uint64_t Generation::planned_bytes() const { return state_->planned_bytes; }

bool Generation::next(std::stop_token stop) {
  if (state_->step >= state_->steps()) {
    if (state_->pass + 1 == passes_of(state_->whole)) return false;
    std::unique_ptr<State> next = state_->next_pass(stop);
    next->news = std::move(state_->news);
    state_ = std::move(next);
  }
  State& s = *state_;
  const StepKind kind = s.kind();
  const Stage& stage = *find_stage(s.stages, kind);
  if (s.denoiser && s.denoiser->kind() != kind) s.end_denoiser();
  s.drop_features(kind);
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

Image Generation::State::decode(const std::stop_token& stop) const {
  const Size size{request.width, request.height};
  const std::vector<Stage> decoder{stage(StageId::kDecoder)};
  return in_the_room(models->workspace, decoder, stop, [&](const Workspace& workspace) {
    return decode_picture(models->opened, workspace, latent(), size, models->dtype(), stop,
                          {.tiling = request.vae_tiling, .beside = decoder.front().beside});
  });
}

Image Generation::decode(std::stop_token stop) { return state_->decode(stop); }

}  // namespace semblance
